package checkpoint

import (
	"crypto/sha256"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A Tree is the RFC 6962 tree over the events of a chain, built in order. It
// keeps the roots of its full subtrees, at most 64 hashes for any size. The zero
// value is the empty tree. Its methods must not be called concurrently.
type Tree struct {
	size uint64
	full []Hash // one for each set bit of size, the largest subtree first
}

// Append adds a leaf: the raw event hash, 32 bytes. The tree hashes it with the
// prefix 0x00 (RFC 6962, section 2.1).
func (t *Tree) Append(leaf []byte) {
	h := tlog.RecordHash(leaf)
	// Two full subtrees of one size become one of twice the size, like the carry
	// when 1 is added to a binary number.
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.full) - 1
		h = tlog.NodeHash(t.full[last], h)
		t.full = t.full[:last]
	}
	t.full = append(t.full, h)
	t.size++
}

// Size returns the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root returns the hash of the tree (RFC 6962, section 2.1):
//
//	MTH({})   = SHA-256()
//	MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power of two < n
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.full) - 1
	root := t.full[last]
	for _, left := range slices.Backward(t.full[:last]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}

// Clone returns an independent copy of the tree.
func (t *Tree) Clone() *Tree { return &Tree{size: t.size, full: slices.Clone(t.full)} }
