// Package checkpoint is the signed text that says how long an audit chain was
// and what stood in it: RFC 6962 trees over event hashes, checkpoints, and
// proofs that one event, or one checkpoint, is part of another.
//
// Bytes to bytes: what belongs here has no store, clock or context. When a
// checkpoint is due and where it lies is package audit; copies outside the
// store are audit/anchor; what a whole log must look like is audit/auditor.
//
// # Tree
//
// The leaves of a chain's tree are the event hashes of its events 1…n, 32 raw
// bytes each, void events included. RFC 6962, section 2.1, with SHA-256:
//
//	leaf  SHA-256(0x00 ‖ event hash)
//	node  SHA-256(0x01 ‖ left ‖ right), the left one over the largest power of two below n
//
// # Checkpoint
//
// A C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) in a C2SP signed note
// (c2sp.org/signed-note), UTF-8, every line ended by '\n':
//
//	blue-encrypted-store/audit/5f0c6d1e…     origin: the prefix and the chain, 32 lower-case hex digits
//	256                                      size: events signed, decimal, 1 … 999999999999
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3…=   root: base64 (RFC 4648 §4) of 32 bytes
//	                                         empty line
//	— blue-audit Az3grlgtzPICa5OS8npVmf1…=   signature: base64 of 4 bytes key hash ‖ 64 bytes Ed25519
//
// Signed are the bytes of the first three lines. The key hash is the first
// four bytes of SHA-256(name ‖ '\n' ‖ 0x01 ‖ public key), and a verifier key
// is written name+hash in hex+base64(0x01 ‖ public key). The key's name is the
// same for all chains, which C2SP allows: one key signs them all, and the
// origin, which is signed, tells them apart.
//
// Refused: extension lines, size 0 (a chain begins with its genesis), more
// than 16 signatures, any spelling of the three lines but the one above.
// Signatures by unknown keys are ignored, so others may sign the note too.
//
// Proofs are in proof.go.
package checkpoint

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	blue "github.com/superviber/blue-encrypted-store"
)

// Hash is a SHA-256 of a tree; its text is base64.
type Hash = tlog.Hash

const (
	// MaxSize is the greatest number of events that a checkpoint can cover:
	// the greatest sequence number of twelve digits.
	MaxSize = 999_999_999_999

	originPrefix  = "blue-encrypted-store/audit/"
	chainDigits   = 32
	maxNote       = 16 << 10 // bytes; a note of 16 signatures is a quarter of that
	maxSignatures = 16
)

// Checkpoint is what is signed.
type Checkpoint struct {
	Origin string
	Size   uint64 // number of events
	Root   Hash   // of the tree over them
}

// Origin returns the origin of a chain's checkpoints.
func Origin(chain string) string { return originPrefix + chain }

// Chain returns the chain of the origin.
func (c Checkpoint) Chain() string { return strings.TrimPrefix(c.Origin, originPrefix) }

// IsChain reports whether a text is a chain's id: 32 lower-case hex digits.
func IsChain(text string) bool {
	return len(text) == chainDigits && strings.Trim(text, "0123456789abcdef") == ""
}

// text returns the three lines.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// check says what keeps c from being a checkpoint, or "".
func (c Checkpoint) check() string {
	chain, ours := strings.CutPrefix(c.Origin, originPrefix)
	switch {
	case !ours || !IsChain(chain):
		return fmt.Sprintf("the origin %.80q is not %s and 32 lower-case hex digits", c.Origin, originPrefix)
	case c.Size == 0:
		return "a checkpoint over no event"
	case c.Size > MaxSize:
		return fmt.Sprintf("the size %d is above %d", c.Size, uint64(MaxSize))
	default:
		return ""
	}
}

// Open reads a note, checks its signatures and returns what is signed. Every
// signature by a known key must be good, and there must be one. ErrTampered
// otherwise, and for a note that is not formed as the package doc says. The
// caller compares the origin with that of its chain.
func Open(text string, verifiers note.Verifiers) (Checkpoint, error) {
	body, err := split(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if _, err := note.Open([]byte(text), verifiers); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint: %w", blue.ErrTampered, err)
	}
	return parse(body)
}

// Peek reads a note as Open does and checks no signature. It serves whoever
// keeps notes and has no key; what it returns proves nothing. ErrTampered if
// the note is not well formed.
func Peek(text string) (Checkpoint, error) {
	body, err := split(text)
	if err != nil {
		return Checkpoint{}, err
	}
	// With no known key, a well-formed note ends in this very error.
	if _, err := note.Open([]byte(text), nil); !isUnverified(err) {
		return Checkpoint{}, malformed("%v", err)
	}
	return parse(body)
}

// split returns the signed lines of a note, and refuses a note that is too
// long before anything is computed over it.
func split(text string) (string, error) {
	if len(text) > maxNote {
		return "", malformed("%d bytes; %d is the most", len(text), maxNote)
	}
	at := strings.LastIndex(text, "\n\n")
	if at < 0 {
		return "", malformed("no empty line before the signatures")
	}
	if n := strings.Count(text[at+2:], "\n"); n > maxSignatures {
		return "", malformed("%d signatures; %d is the most", n, maxSignatures)
	}
	return text[:at+1], nil
}

// parse reads the signed lines.
func parse(body string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(lines) != 3 {
		return Checkpoint{}, malformed("%d lines are signed, not 3", len(lines))
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, malformed("the size %.40q", lines[1])
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if why := c.check(); why != "" {
		return Checkpoint{}, malformed("%s", why)
	}
	if c.text() != body { // a leading zero, say
		return Checkpoint{}, malformed("the size %.40q", lines[1])
	}
	return c, nil
}

// parseHash reads the one spelling of a hash.
func parseHash(text string) (Hash, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != tlog.HashSize || !bytes.Equal([]byte(text), base64.StdEncoding.AppendEncode(nil, b)) {
		return Hash{}, malformed("the hash %.60q", text)
	}
	return Hash(b), nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: malformed checkpoint: %s", blue.ErrTampered, fmt.Sprintf(format, args...))
}
