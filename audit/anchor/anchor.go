// Package anchor keeps the checkpoints of audit chains outside the store, so
// that whoever can rewrite the store cannot cut its log unseen: in files of
// another folder or disk (Dir), or in S3 objects that a lock keeps (S3). Both
// are an audit.Anchor.
//
// What belongs here: where notes lie, and that they are durable. What does
// not: what a note says and who signed it (audit/checkpoint), when one is made
// (audit), and what it proves (audit/auditor). No signature is checked here;
// but a note that is not of its chain and size is neither kept nor returned.
package anchor

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// maxNote is more than any note has, in bytes; longer ones are not read.
const maxNote = 64 << 10

// checkChain refuses what is no chain, and would lead to another path or key.
func checkChain(chain string) error {
	if !checkpoint.IsChain(chain) {
		return fmt.Errorf("%w: anchor: %.80q is no chain", blue.ErrInvalid, chain)
	}
	return nil
}

// checkNote refuses to keep a note that is not of its chain and size.
func checkNote(chain string, size uint64, note string) (checkpoint.Checkpoint, error) {
	if err := checkChain(chain); err != nil {
		return checkpoint.Checkpoint{}, err
	}
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("%w: anchor: chain %s: %v", blue.ErrInvalid, chain, err)
	}
	if c.Origin != checkpoint.Origin(chain) || c.Size != size {
		return c, fmt.Errorf("%w: anchor: a note of %s, size %d, for chain %s, size %d", blue.ErrInvalid, c.Origin, c.Size, chain, size)
	}
	return c, nil
}

// readNote reads a note that was kept at a place.
func readNote(place, chain, note string) (checkpoint.Checkpoint, error) {
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("anchor: %s: %w", place, err)
	}
	if c.Origin != checkpoint.Origin(chain) {
		return c, odd(place, "holds a note of %s", c.Origin)
	}
	return c, nil
}

// odd is the error of what lies in an anchor and cannot be its own.
func odd(place, format string, args ...any) error {
	return fmt.Errorf("%w: anchor: %s %s", blue.ErrTampered, place, fmt.Sprintf(format, args...))
}
