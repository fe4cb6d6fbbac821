package copier

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Attributes of an unfinished meta, beside entity_type.
const (
	attrLife = "life" // S: source.life
	attrStep = "step" // N: counts the commits, so that two copies at once do not mix
)

// Limits of one piece: a plain transaction on the strictest store, with meta.
const (
	maxPiece      = 80
	maxPieceBytes = 3 << 20
)

// putItems puts items, meta, pointers and boundary in one commit, and where
// that is too much, first items in pieces. An older state that is in use is
// never brought forward in pieces.
func (c *Copier) putItems(ctx context.Context, src *source, t *target) error {
	writes := difference(src.items, t.items)
	err := c.finish(ctx, src, t, writes)
	for errors.Is(err, blue.ErrTooLarge) && t.stand == fresh && len(writes) > 0 {
		if writes, err = c.putPiece(ctx, src, t, writes); err != nil {
			return err
		}
		if len(writes) == 0 || small(writes) { // the last try is the one that must fit
			err = c.finish(ctx, src, t, writes)
			break
		}
		err = blue.ErrTooLarge
	}
	if errors.Is(err, blue.ErrTooLarge) && t.stand == behind {
		return fmt.Errorf("the target holds version %d, too far behind version %d for one commit; copy into an empty store: %w", t.version, src.version, err)
	}
	return err
}

func small(writes []record.Write) bool {
	return cut(writes) == len(writes)
}

// cut returns how many of the writes make a piece.
func cut(writes []record.Write) int {
	n, size := 0, 0
	for n < min(maxPiece, len(writes)) && (n == 0 || size+writes[n].Record.Size() <= maxPieceBytes) {
		size += writes[n].Record.Size()
		n++
	}
	return n
}

// putPiece puts some items under a meta that only keeps the place, and returns
// the rest.
func (c *Copier) putPiece(ctx context.Context, src *source, t *target, writes []record.Write) ([]record.Write, error) {
	step := t.head.Attrs[attrStep].Int()
	place := record.Record{Key: src.head.Key, Attrs: record.Attrs{
		"entity_type": record.S(record.Unfinished), attrLife: record.S(src.life()), attrStep: record.N(step + 1),
	}}
	n := cut(writes)
	piece := append([]record.Write{{Table: record.Dialogues, Record: place, Prev: t.head.Attrs}}, writes[:n]...)
	if err := c.To.Commit(ctx, piece); err != nil {
		return nil, err
	}
	t.head = place
	c.wrote(n)
	return writes[n:], nil
}

// nearest is how many of the newest pointers go with meta: enough that the
// events of the last commits are found at once, few enough to leave room.
const nearest = 9

// maxVoids bounds how often the last commit is tried again after its place in
// the audit log was voided.
const maxVoids = 3

// finish is the commit that makes the dialogue appear, or appear newer.
func (c *Copier) finish(ctx context.Context, src *source, t *target, writes []record.Write) (err error) {
	for range maxVoids {
		err = c.tryFinish(ctx, src, t, writes)
		if _, voided := errors.AsType[*record.VoidedError](err); !voided {
			break
		}
	}
	return err
}

func (c *Copier) tryFinish(ctx context.Context, src *source, t *target, writes []record.Write) error {
	meta := record.Write{Table: record.Dialogues, Record: src.head}
	if t.head.Attrs != nil {
		meta.Prev = condition(t.head)
	}
	all := append([]record.Write{meta}, writes...)
	for i, p := range src.pointers() {
		version := uint64(i) + 1
		if version > t.version && (version == 1 || version+nearest > src.version) {
			all = append(all, record.Write{Table: record.Audit, Record: p})
		}
	}
	lease, err := c.Log.Lease(ctx)
	if err != nil {
		return err
	}
	event, void, err := boundary(lease, src)
	if err != nil {
		lease.Failed()
		return err
	}
	err = c.To.Commit(ctx, append(all, event.Writes(&void)...))
	lease.End(err, event, void)
	if err == nil {
		c.wrote(len(all) + 1)
	}
	return err
}
