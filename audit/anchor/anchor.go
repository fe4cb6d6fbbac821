// Package anchor keeps copies of the checkpoints of audit chains outside the
// store. A writer of the store cannot change these copies, so a verifier detects
// a log that was cut or replaced. [Dir] keeps them in files of another folder or
// disk, [S3] in objects of a bucket, with an object lock if one is configured.
// Both implement audit.Anchor.
//
// The package stores notes durably. Other packages do the rest: audit/checkpoint
// defines and signs a note, audit decides when one is made, and audit/auditor
// compares it with a log. This package checks no signature. It does not keep or
// return a note of another chain or size than requested.
package anchor

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// maxNote is the number of bytes that are read of a note. It is larger than any
// note that audit/checkpoint accepts.
const maxNote = 64 << 10

// checkChain returns ErrInvalid for a text that is not a chain's id, because it
// could lead to another path or key.
func checkChain(chain string) error {
	if !checkpoint.IsChain(chain) {
		return fmt.Errorf("%w: anchor: %.80q is not the id of a chain", blue.ErrInvalid, chain)
	}
	return nil
}

// checkNote returns the checkpoint of a note to publish. It returns ErrInvalid
// for a note of another chain or size.
func checkNote(chain string, size uint64, note string) (checkpoint.Checkpoint, error) {
	if err := checkChain(chain); err != nil {
		return checkpoint.Checkpoint{}, err
	}
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("%w: anchor: chain %s: %v", blue.ErrInvalid, chain, err)
	}
	if c.Origin != checkpoint.Origin(chain) || c.Size != size {
		return c, fmt.Errorf("%w: anchor: the note is for %s, size %d, not for chain %s, size %d", blue.ErrInvalid, c.Origin, c.Size, chain, size)
	}
	return c, nil
}

// parseNote returns the checkpoint of a note that was read from a place, a path
// or URL. It returns ErrTampered for a malformed note or one of another chain.
func parseNote(place, chain, note string) (checkpoint.Checkpoint, error) {
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("anchor: %s: %w", place, err)
	}
	if c.Origin != checkpoint.Origin(chain) {
		return c, tampered(place, "has a note of %s", c.Origin)
	}
	return c, nil
}

// foreign describes a file or object that the anchor did not write.
const foreign = "does not belong to this anchor"

// tampered returns the ErrTampered of a place with unexpected content.
func tampered(place, format string, args ...any) error {
	return fmt.Errorf("%w: anchor: %s %s", blue.ErrTampered, place, fmt.Sprintf(format, args...))
}

// unavailable returns the ErrUnavailable of an error of the file system.
func unavailable(err error) error { return fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err) }
