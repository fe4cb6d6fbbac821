// Package copier copies encrypted dialogues from one record store to another. It
// copies items, wrapped keys and audit events byte by byte, so it needs no key.
//
// The package reads the source, checks what the target has, and orders the
// writes. It decrypts nothing (see encrypted), and it does not select dialogues
// (see cmd/blue-store).
//
// # Order
//
// A copy that was interrupted is completed by another run. At no time does the
// target show a part of a dialogue:
//
//  1. The wrapped keys. Without items they have no effect.
//  2. The audit events, each with its chain and seq. No pointer leads to them yet.
//  3. One commit with meta, all items, the first and the newest pointers of the
//     audit log, and the boundary event.
//  4. The other pointers. A load and Verify need none of them. Only the report
//     of damaged items does.
//
// If step 3 is too large for one commit, items are stored in pieces first. Until
// the last commit stores the real meta, the partition has a placeholder meta
// ([record.Unfinished]), and readers ignore the rest of the partition.
//
// # The same dialogue
//
// Without a key, the copier compares two states by the audit log. The event of
// the first commit identifies the incarnation of a dialogue, because its hash
// covers a random chain and the sealed root. The event of each commit has the
// hash of the root at that time. If the target has another incarnation or
// another branch, Copy returns ErrConflict and leaves the target unchanged. If
// the target has an older state, one commit updates it.
package copier

import (
	"context"
	"encoding/hex"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Status is what Copy did.
type Status string

// The statuses of a Result.
const (
	Copied  Status = "copied"        // the target did not have the dialogue
	Updated Status = "updated"       // the target had an older state
	Present Status = "already there" // the target had this state
)

// A Result describes the dialogue that the target has after Copy.
type Result struct {
	Status  Status `json:"status"`
	Items   int    `json:"items"`   // number of items, meta included
	Version uint64 `json:"version"` // root_version, the number of commits
	Events  int    `json:"events"`  // number of audit events of the commits
	Wraps   int    `json:"wraps"`   // number of wrapped keys
	Digest  string `json:"digest"`  // audit.ItemsDigest, 64 hex digits
}

// A Copier copies dialogues from one store to another. Its methods must not be
// called concurrently.
type Copier struct {
	From, To record.Store // From is only read
	// Log writes the boundary events. It must be a log of To.
	Log *audit.Log
	// Progress receives the number of written records and their approximate
	// total. It may be nil.
	Progress func(done, total int)

	done, total int
}

// Copy copies one dialogue, and then compares the target with the source, record
// by record. It returns:
//
//   - ErrNotFound if From does not have the dialogue
//   - ErrConflict if To has another incarnation, another branch, a newer state
//     or other keys. The dialogue in To is unchanged
//   - ErrTampered if items and audit log of From do not match
//   - ErrSealed if From does not have the wrapped key of an item
//   - ErrErased if the dialogue is erased or being erased in one of the stores
//   - ErrTooLarge if To has an older state and the update needs more than one
//     commit
//   - ErrBusy if another process changed the dialogue or copies it too
//   - errors of the stores and of the log
func (c *Copier) Copy(ctx context.Context, id blue.DialogueID) (Result, error) {
	src, err := readSource(ctx, c.From, id)
	if err != nil {
		return Result{}, fmt.Errorf("reading dialogue %s of the source: %w", id, err)
	}
	c.done, c.total = 0, len(src.items)+2*len(src.events)+len(src.wraps)+1
	status, err := c.write(ctx, src)
	if err == nil {
		err = c.compare(ctx, src)
	}
	if err != nil {
		return Result{}, fmt.Errorf("copying dialogue %s: %w", id, err)
	}
	return Result{status, len(src.items), src.version, len(src.events), len(src.wraps), hex.EncodeToString(audit.ItemsDigest(src.items))}, nil
}

func (c *Copier) write(ctx context.Context, src *source) (Status, error) {
	t, err := readTarget(ctx, c.To, src)
	if err != nil {
		return "", err
	}
	if t.relation == newer {
		if err := c.putPointers(ctx, src); err != nil { // an interrupted copy can have left them out
			return "", err
		}
		return "", fmt.Errorf("%w: the target holds version %d, the source version %d", blue.ErrConflict, t.version, src.version)
	}
	if err := c.putKeys(ctx, src); err != nil {
		return "", err
	}
	status := Present
	if t.relation != equal {
		if err := c.putEvents(ctx, src); err != nil {
			return "", err
		}
		if err := c.putItems(ctx, src, t); err != nil {
			return "", err
		}
		status = Copied
		if t.relation == older {
			status = Updated
		}
	}
	return status, c.putPointers(ctx, src)
}

// compare reads the target again and compares every item byte by byte.
func (c *Copier) compare(ctx context.Context, src *source) error {
	items, err := readItems(ctx, c.To, src.partition())
	if err != nil {
		return err
	}
	if meta, ok := metaOf(items); !ok || !meta.Equal(src.meta) {
		return fmt.Errorf("%w: another process changed the target during the copy", blue.ErrBusy)
	}
	if diff := difference(src.items, items); len(diff) > 0 {
		return fmt.Errorf("%w: %s of the target differs from the source", blue.ErrTampered, diff[0].Record.Key.Item)
	}
	return nil
}

// addProgress counts written records and reports them.
func (c *Copier) addProgress(n int) {
	c.done += n
	if c.Progress != nil {
		c.Progress(min(c.done, c.total), c.total)
	}
}
