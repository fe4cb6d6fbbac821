package envelope

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
)

// Sum is the sum mod 2^256 of the Elements of a dialogue's items, big-endian
// (MSet-Add-Hash: Clarke et al., "Incremental Multiset Hash Functions and
// Their Application to Memory Integrity Checking", 2003). A changed item costs
// one Sub and one Add. Addition, not XOR, and only ever stored sealed: linear
// relations between visible sums would let an observer pick a set of items
// that can be rolled back together.
type Sum [32]byte

// Add adds the element of an item that is now there.
func (s *Sum) Add(e [32]byte) { s.combine(e, bits.Add64) }

// Sub takes away the element of an item that is gone.
func (s *Sum) Sub(e [32]byte) { s.combine(e, bits.Sub64) }

// Equal compares in constant time.
func (s Sum) Equal(t Sum) bool { return subtle.ConstantTimeCompare(s[:], t[:]) == 1 }

// combine runs op over four words, least significant first, with its carry.
func (s *Sum) combine(e [32]byte, op func(x, y, carry uint64) (uint64, uint64)) {
	var carry uint64
	for i := 24; i >= 0; i -= 8 {
		var word uint64
		word, carry = op(binary.BigEndian.Uint64(s[i:]), binary.BigEndian.Uint64(e[i:]), carry)
		binary.BigEndian.PutUint64(s[i:], word)
	}
}
