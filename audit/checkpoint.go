package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// noteWrite puts the signed note over a chain's first size events.
func noteWrite(chain string, size uint64, note string) record.Write {
	return record.Write{Table: record.Audit, Record: record.Record{
		Key: record.Key{Partition: record.CheckpointPartition(chain), Item: twelve(size)}, Attrs: record.Attrs{"note": record.S(note)},
	}}
}

// Checkpoint makes a checkpoint of every chain that no operation holds and that
// has events without one, and publishes to the anchors what they lack. Without
// a Signer it does nothing. ErrAudit if any cannot be stored or published; the
// others are made all the same.
func (l *Log) Checkpoint(ctx context.Context) error {
	return l.each(func(c *chain) error { return l.sign(ctx, c) })
}

// each visits the chains that no operation holds, one after another.
func (l *Log) each(visit func(*chain) error) error {
	l.mu.Lock()
	all := slices.Concat(l.free, l.left)
	l.mu.Unlock()
	var errs []error
	for _, c := range all {
		if !l.claim(c) {
			continue // an operation was faster
		}
		errs = append(errs, visit(c))
		l.release(c)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", blue.ErrAudit, err)
	}
	return nil
}

// claim takes a chain out of the lists, if it is still there.
func (l *Log) claim(c *chain) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range []*[]*chain{&l.free, &l.left} {
		if i := slices.Index(*list, c); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
			return true
		}
	}
	return false
}

// owes reports whether a chain has events without a checkpoint, or a
// checkpoint that an anchor lacks.
func (l *Log) owes(c *chain) bool {
	return l.signer != nil && (c.unsigned() > 0 || len(c.lacking) > 0)
}

func (c *chain) unsigned() uint64 { return c.tree.Size() - c.signed }

// due reports whether the chain must have its checkpoint before another event.
func (l *Log) due(c *chain) bool {
	return l.owes(c) && (len(c.lacking) > 0 || c.unsigned() >= l.every || l.now().Sub(c.since) >= l.interval)
}

// sign stores the checkpoint over all events of a chain and publishes it. What
// fails here is owed still, and tried again.
func (l *Log) sign(ctx context.Context, c *chain) (err error) {
	if !l.owes(c) {
		return nil
	}
	defer func() { c.failed = err != nil }()
	if c.unsigned() > 0 {
		size := c.tree.Size()
		note, err := l.note(c.id, &c.tree)
		if err != nil {
			return err
		}
		if err := l.putNote(ctx, noteWrite(c.id, size, note)); err != nil {
			return fmt.Errorf("storing checkpoint %d of audit chain %s: %w", size, c.id, err)
		}
		l.stored(c, note)
	}
	return l.publish(ctx, c)
}

// note signs a tree.
func (l *Log) note(chain string, tree *checkpoint.Tree) (string, error) {
	return l.signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(chain), Size: tree.Size(), Root: tree.Root()})
}

// putNote stores a note. The same events give the same note, so one that an
// earlier try has left behind is as good.
func (l *Log) putNote(ctx context.Context, w record.Write) error {
	err := l.commit(ctx, "audit.checkpoint", []record.Write{w})
	if _, conflict := errors.AsType[*record.ConflictError](err); !conflict {
		return err
	}
	found, getErr := l.store.Get(ctx, record.Audit, w.Record.Key)
	switch {
	case getErr != nil:
		return getErr
	case !found.Equal(w.Record):
		return fmt.Errorf("%w: another one stands there", blue.ErrTampered)
	}
	return nil
}

// stored notes that the checkpoint over all of a chain's events is in the
// store. It takes the place of an older one that some anchors lack.
func (l *Log) stored(c *chain, note string) {
	c.signed, c.note, c.lacking = c.tree.Size(), note, slices.Clone(l.anchors)
}

// publish gives the newest checkpoint to the anchors that lack it.
func (l *Log) publish(ctx context.Context, c *chain) error {
	var errs []error
	var lacking []Anchor
	for _, a := range c.lacking {
		ctx, end := l.span(ctx, "audit.publish")
		err := a.Publish(ctx, c.id, c.signed, c.note)
		if end(err); err != nil {
			lacking = append(lacking, a)
			errs = append(errs, fmt.Errorf("publishing checkpoint %d of audit chain %s: %w", c.signed, c.id, err))
		}
	}
	c.lacking = lacking
	return errors.Join(errs...)
}
