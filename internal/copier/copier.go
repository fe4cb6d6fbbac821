// Package copier moves sealed dialogues from one record store to another: items,
// wrapped keys and audit events as they are, so that it needs no key.
//
// What belongs here: what is read of a source, what a target may hold already,
// and the order of the writes. What does not: opening anything (encrypted), the
// stores (sqlite, dynamo, memory), which dialogues to copy (cmd).
//
// # Order
//
// A copy that is stopped anywhere is finished by running it again, and at no
// moment does the target show half a dialogue:
//
//  1. The wrapped keys. Alone they are harmless.
//  2. The audit events, each at its own chain and seq. Nothing leads to them yet.
//  3. One commit: all items, the first and the newest pointers of the audit
//     log, the boundary event, and with them meta.
//  4. The pointers in between. A load and Verify need none of them, naming
//     damage does.
//
// Where 3 is more than one commit takes, the items go in pieces first. Their
// partition then has a meta that only keeps the place (record.Unfinished), which
// nobody reads beyond; the last commit puts the real one.
//
// # The same dialogue
//
// Without a key two states are compared by the audit log: the event of the
// first commit names the life of a dialogue, since its hash covers a random
// chain and the sealed root; and the event of a commit holds the hash of the
// root that stood then. A target of another life or of another branch is
// ErrConflict and left as it is. One that holds an older state is brought
// forward, in one commit.
package copier

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// Status is what a copy found to do.
type Status string

const (
	Copied  Status = "copied"
	Updated Status = "updated" // the target held an older state
	Present Status = "already there"
)

// Result says what stands in the target now.
type Result struct {
	Status  Status `json:"status"`
	Items   int    `json:"items"` // meta included
	Version uint64 `json:"version"`
	Events  int    `json:"events"` // of the dialogue's commits
	Wraps   int    `json:"wraps"`  // wrapped keys
	Digest  string `json:"digest"` // hex of audit.ItemsDigest
}

// Copier copies from one store to another. Make it, then call Copy for each
// dialogue. From is only read.
type Copier struct {
	From, To record.Store
	// Log writes the boundary events, in To.
	Log *audit.Log
	// Progress is told how many of about total records are written; nil for
	// nobody.
	Progress func(done, total int)

	done, total int
}

// Copy copies one dialogue and compares the target with the source, record by
// record. Errors: ErrNotFound (no such dialogue in From), ErrConflict (To holds
// another incarnation, a newer state, or other keys; nothing is changed there),
// ErrTampered (items and audit log of From do not fit), ErrSealed (a wrapped key
// that items of From lie under is not there), ErrErased, ErrTooLarge (an older
// state in To is too old to bring forward in one commit), ErrBusy, and the
// stores' own.
func (c *Copier) Copy(ctx context.Context, id blue.DialogueID) (Result, error) {
	src, err := read(ctx, c.From, id)
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
	t, err := look(ctx, c.To, src)
	if err != nil {
		return "", err
	}
	if t.stand == ahead {
		if err := c.putPointers(ctx, src); err != nil { // of a copy that was stopped before
			return "", err
		}
		return "", fmt.Errorf("%w: the target holds version %d, the source version %d", blue.ErrConflict, t.version, src.version)
	}
	if err := c.putKeys(ctx, src); err != nil {
		return "", err
	}
	if t.stand == same {
		return Present, c.putPointers(ctx, src)
	}
	if err := c.putEvents(ctx, src); err != nil {
		return "", err
	}
	if err := c.putItems(ctx, src, t); err != nil {
		return "", err
	}
	status := Copied
	if t.stand == behind {
		status = Updated
	}
	return status, c.putPointers(ctx, src)
}

// compare reads the target again: every record byte by byte.
func (c *Copier) compare(ctx context.Context, src *source) error {
	items, err := c.To.Query(ctx, record.Query{Table: record.Dialogues, Partition: src.pk(), Exact: true})
	if err != nil {
		return err
	}
	if meta, ok := headOf(items); !ok || !meta.Equal(src.head) {
		return fmt.Errorf("%w: the target was written to meanwhile", blue.ErrBusy)
	}
	if diff := difference(src.items, items); len(diff) > 0 {
		return fmt.Errorf("%w: %s of the target differs from the source", blue.ErrTampered, diff[0].Record.Key.Item)
	}
	return nil
}

// wrote counts records and tells Progress.
func (c *Copier) wrote(n int) {
	c.done += n
	if c.Progress != nil {
		c.Progress(min(c.done, c.total), c.total)
	}
}

// isConflict reports whether a condition of a commit did not hold.
func isConflict(err error) bool {
	_, ok := errors.AsType[*record.ConflictError](err)
	return ok
}
