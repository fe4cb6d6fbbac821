package copier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// The layout of blue_keys (package keys).
const (
	keyHead     = "head"
	attrState   = "state"
	stateActive = "active"
	attrActive  = "active_version"
)

// maxWraps bounds the wraps of one commit: it stays one plain transaction.
const maxWraps = 50

// putKeys copies the wrapped keys, each must-not-exist; equal ones are fine.
// Every commit proves that the target's head is active, so none lands once an
// erasure has begun there.
func (c *Copier) putKeys(ctx context.Context, src *source) error {
	there, err := c.To.Query(ctx, record.Query{Table: record.Keys, Partition: src.pk()})
	if err != nil {
		return err
	}
	head := record.Write{Table: record.Keys, Record: src.keyHead}
	found := map[string]record.Record{}
	for _, r := range there {
		found[r.Key.Item] = r
	}
	if old, exists := found[keyHead]; exists {
		if err := checkActive(old); err != nil {
			return fmt.Errorf("in the target: %w", err)
		}
		head.Prev = old.Attrs
		if src.keyHead.Attrs[attrActive].Int() <= old.Attrs[attrActive].Int() {
			head = active(src)
		}
	}
	wraps, err := c.userKeys(ctx, src)
	if err != nil {
		return err
	}
	for _, r := range src.wraps {
		old, exists := found[r.Key.Item]
		if exists && !old.Equal(r) {
			return fmt.Errorf("%w: the target holds another key at %s", blue.ErrConflict, r.Key.Item)
		}
		if !exists {
			wraps = append(wraps, record.Write{Table: record.Keys, Record: r})
		}
	}
	if len(wraps) == 0 && head.Check {
		return nil
	}
	for {
		n := min(maxWraps, len(wraps))
		if err := c.To.Commit(ctx, append([]record.Write{head}, wraps[:n]...)); err != nil {
			return err
		}
		c.wrote(n)
		if wraps = slices.Delete(wraps, 0, n); len(wraps) == 0 {
			return nil
		}
		head = active(src)
	}
}

// userKeys returns the puts of the users' stored keys that the target lacks.
// Where a user has another key there, what lies under the source's could not be
// opened: that is a conflict.
func (c *Copier) userKeys(ctx context.Context, src *source) ([]record.Write, error) {
	var puts []record.Write
	for _, r := range src.userKeys {
		old, err := c.To.Get(ctx, record.Keys, r.Key)
		switch {
		case errors.Is(err, record.ErrNotFound):
			puts = append(puts, record.Write{Table: record.Keys, Record: r})
		case err != nil:
			return nil, err
		case !old.Equal(r):
			return nil, fmt.Errorf("%w: the target holds another key at %s", blue.ErrConflict, r.Key.Partition)
		}
	}
	return puts, nil
}

// active checks that the head of the target's keys is active.
func active(src *source) record.Write {
	return record.Write{Table: record.Keys, Check: true, Record: record.Record{Key: src.keyHead.Key}, Prev: record.Attrs{attrState: record.S(stateActive)}}
}
