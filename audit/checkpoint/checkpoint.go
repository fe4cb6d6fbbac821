// Package checkpoint makes and verifies signed commitments to the events of an
// audit chain. It has RFC 6962 trees over event hashes, checkpoints over trees,
// proofs that one event is in a checkpoint's tree, and signed statements.
//
// The package converts bytes to bytes. It has no store, clock or context.
// Package audit decides when a checkpoint is due and where it is stored,
// audit/anchor keeps copies outside the store, and audit/auditor defines what a
// valid log is.
//
// # Tree
//
// The leaves of a chain's tree are the event hashes of its events 1…n, 32 raw
// bytes each, void events included. The hash function is SHA-256 (RFC 6962,
// section 2.1):
//
//	leaf  SHA-256(0x00 ‖ event hash)
//	node  SHA-256(0x01 ‖ left ‖ right), left over the largest power of two below n
//
// # Checkpoint
//
// A checkpoint is a C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) in a C2SP
// signed note (c2sp.org/signed-note), in UTF-8. Each line ends with '\n':
//
//	blue-encrypted-store/audit/5f0c6d1e…     origin: the prefix and the chain, 32 lower-case hex digits
//	256                                      size: number of events, decimal, 1 … 999999999999
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3…=   root: base64 (RFC 4648 §4) of 32 bytes
//	                                         empty line
//	— blue-audit Az3grlgtzPICa5OS8npVmf1…=   signature: base64 of 4 bytes key hash ‖ 64 bytes Ed25519
//
// The bytes of the first three lines are signed. The key hash is the first four
// bytes of SHA-256(name ‖ '\n' ‖ 0x01 ‖ public key). A verifier key is written
// name+hash in hex+base64(0x01 ‖ public key). One key with one name signs the
// checkpoints of all chains, which C2SP allows. The signed origin distinguishes
// the chains.
//
// [Open] refuses extension lines, size 0 (a chain begins with its genesis), more
// than 16 signatures, and any other spelling of the three lines. It ignores
// signatures by unknown keys, so other parties can sign the note too.
//
// [Proof] describes the format of a proof, and [Signer.SignStatement] the format
// of a statement.
package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	blue "github.com/superviber/blue-encrypted-store"
)

// A Hash is a SHA-256 of a tree, 32 bytes. Its String method returns base64.
type Hash = tlog.Hash

// maxSize is the largest number of events that a checkpoint can cover: the
// largest sequence number of twelve digits.
const maxSize = 999_999_999_999

const (
	originPrefix  = "blue-encrypted-store/audit/"
	chainDigits   = 32
	maxNote       = 16 << 10 // bytes. A note of 16 signatures has a quarter of it
	maxSignatures = 16
)

// A Checkpoint is a signed commitment to the first Size events of one audit
// chain.
type Checkpoint struct {
	Origin string // "blue-encrypted-store/audit/" and the chain
	Size   uint64 // number of events, 1 … 999,999,999,999
	Root   Hash   // of the tree over the events
}

// Origin returns the origin of a chain's checkpoints.
func Origin(chain string) string { return originPrefix + chain }

// Chain returns the chain of the origin.
func (c Checkpoint) Chain() string { return strings.TrimPrefix(c.Origin, originPrefix) }

// IsChain reports whether a text is a chain's id: 32 lower-case hex digits.
func IsChain(text string) bool {
	return len(text) == chainDigits && strings.Trim(text, "0123456789abcdef") == ""
}

// text returns the three signed lines.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// problem returns the reason why c is not a valid checkpoint, or "".
func (c Checkpoint) problem() string {
	chain, hasPrefix := strings.CutPrefix(c.Origin, originPrefix)
	switch {
	case !hasPrefix || !IsChain(chain):
		return fmt.Sprintf("the origin %.80q is not %s and 32 lower-case hex digits", c.Origin, originPrefix)
	case c.Size == 0:
		return "the size is 0"
	case c.Size > maxSize:
		return fmt.Sprintf("the size %d is above %d", c.Size, uint64(maxSize))
	default:
		return ""
	}
}

// Open verifies the signatures of a note and returns its checkpoint. The note
// needs a signature by a known key, and each signature by a known key must be
// valid. Otherwise, and for a note that does not have the format of the package
// documentation, Open returns ErrTampered. The caller must compare the origin
// with the origin of its chain.
func Open(text string, verifiers note.Verifiers) (Checkpoint, error) {
	body, err := signedPart(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if _, err := note.Open([]byte(text), verifiers); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint: %w", blue.ErrTampered, err)
	}
	return parseCheckpoint(body)
}

// Peek returns the checkpoint of a note and verifies no signature. It is for
// code that keeps notes and has no key. The result proves nothing. Peek returns
// ErrTampered if the note is malformed.
func Peek(text string) (Checkpoint, error) {
	body, err := signedPart(text)
	if err != nil {
		return Checkpoint{}, err
	}
	// Without a known key, note.Open returns this error for a well-formed note.
	_, err = note.Open([]byte(text), nil)
	if _, isUnverified := errors.AsType[*note.UnverifiedNoteError](err); !isUnverified {
		return Checkpoint{}, malformedNote("%v", err)
	}
	return parseCheckpoint(body)
}

// signedPart returns the signed lines of a note. It refuses a note that is too
// long before anything is computed over it.
func signedPart(text string) (string, error) {
	if len(text) > maxNote {
		return "", malformedNote("it has %d bytes, more than %d", len(text), maxNote)
	}
	at := strings.LastIndex(text, "\n\n")
	if at < 0 {
		return "", malformedNote("there is no empty line before the signatures")
	}
	if n := strings.Count(text[at+2:], "\n"); n > maxSignatures {
		return "", malformedNote("it has %d signatures, more than %d", n, maxSignatures)
	}
	return text[:at+1], nil
}

// parseCheckpoint returns the checkpoint of the signed lines.
func parseCheckpoint(body string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(lines) != 3 {
		return Checkpoint{}, malformedNote("%d lines are signed, not 3", len(lines))
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, err
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if err != nil || c.text() != body { // the second is true for a leading zero
		return Checkpoint{}, malformedNote("the size %.40q is not a decimal number", lines[1])
	}
	if problem := c.problem(); problem != "" {
		return Checkpoint{}, malformedNote("%s", problem)
	}
	return c, nil
}

// parseHash returns the hash of a text, which must be its only valid spelling.
func parseHash(text string) (Hash, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != tlog.HashSize || !bytes.Equal([]byte(text), base64.StdEncoding.AppendEncode(nil, b)) {
		return Hash{}, malformedNote("the hash %.60q is not base64 of 32 bytes", text)
	}
	return Hash(b), nil
}

func malformedNote(format string, args ...any) error {
	return fmt.Errorf("%w: malformed checkpoint: %s", blue.ErrTampered, fmt.Sprintf(format, args...))
}

const maxStatement = 4 << 20 // bytes, signatures included

// SignStatement returns a text, such as an erasure certificate, as a note that is
// signed with the same key as checkpoints. Equal texts give equal notes.
//
// The text must end with a newline, must have no empty line, and must not begin
// with the prefix of an origin. So a statement cannot be used as a checkpoint or
// the other way round. SignStatement returns ErrInvalid for another text, and
// ErrTooLarge if the note has more than 4 MiB.
func (s *Signer) SignStatement(text string) (string, error) {
	if problem := statementProblem(text); problem != "" {
		return "", fmt.Errorf("%w: signing a statement: %s", blue.ErrInvalid, problem)
	}
	signed, err := note.Sign(&note.Note{Text: text}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("signing a statement: %w", err)
	}
	if len(signed) > maxStatement {
		return "", fmt.Errorf("%w: the statement has %d bytes, more than %d", blue.ErrTooLarge, len(signed), maxStatement)
	}
	return string(signed), nil
}

// OpenStatement verifies the signatures of a statement as Open does, and returns
// the text. It returns ErrTampered if a check fails or the note is malformed.
func OpenStatement(signed string, verifiers note.Verifiers) (string, error) {
	if len(signed) > maxStatement {
		return "", malformedNote("the statement has %d bytes, more than %d", len(signed), maxStatement)
	}
	if verifiers == nil {
		verifiers = note.VerifierList()
	}
	n, err := note.Open([]byte(signed), verifiers)
	if err != nil {
		return "", fmt.Errorf("%w: statement: %w", blue.ErrTampered, err)
	}
	if problem := statementProblem(n.Text); problem != "" {
		return "", malformedNote("the statement %s", problem)
	}
	return n.Text, nil
}

// statementProblem returns the reason why a text is not a valid statement, or "".
func statementProblem(text string) string {
	switch {
	case !strings.HasSuffix(text, "\n"):
		return "does not end with a newline"
	case strings.Contains(text, "\n\n"):
		return "has an empty line"
	case strings.HasPrefix(text, originPrefix):
		return "begins like a checkpoint"
	}
	return ""
}

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
