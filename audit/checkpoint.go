package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// An Anchor keeps checkpoints outside the store, where a writer of the store
// cannot change them. A verifier then detects a log that was cut or replaced.
// Package audit/anchor has implementations. All methods may be called
// concurrently.
type Anchor interface {
	// Publish keeps the signed note over a chain's first size events. The note
	// is durable when Publish returns. Publishing a note twice is not an error,
	// and sizes may be left out.
	Publish(ctx context.Context, chain string, size uint64, note string) error
	// Latest returns the note of the largest size, or ErrNotFound.
	Latest(ctx context.Context, chain string) (note string, err error)
	// Chains lists every chain that was ever published to the anchor.
	Chains(ctx context.Context) iter.Seq2[string, error]
}

// Checkpoint makes a checkpoint of every chain that no operation holds and that
// has events without one, and publishes pending checkpoints to the anchors.
// Without a signer it does nothing. It returns ErrAudit if any checkpoint cannot
// be stored or published, and makes the others.
func (l *Log) Checkpoint(ctx context.Context) error {
	return l.forEachIdle(func(c *chain) error { return l.signAndPublish(ctx, c) })
}

// forEachIdle visits the chains that no operation holds, one after another.
func (l *Log) forEachIdle(visit func(*chain) error) error {
	l.mu.Lock()
	all := slices.Concat(l.free, l.abandoned)
	l.mu.Unlock()
	var errs []error
	for _, c := range all {
		if !l.tryTake(c) {
			continue // an operation holds it now
		}
		errs = append(errs, visit(c))
		l.release(c)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", blue.ErrAudit, err)
	}
	return nil
}

// tryTake removes a chain from the lists and reports whether it was in one.
func (l *Log) tryTake(c *chain) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range []*[]*chain{&l.free, &l.abandoned} {
		if i := slices.Index(*list, c); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
			return true
		}
	}
	return false
}

// hasPending reports whether a chain has events without a checkpoint, or a
// checkpoint that an anchor does not have.
func (l *Log) hasPending(c *chain) bool {
	return l.signer != nil && (c.tree.Size() > c.signed || len(c.pending) > 0)
}

// isDue reports whether the chain must get its checkpoint before another event.
func (l *Log) isDue(c *chain) bool {
	return l.hasPending(c) &&
		(len(c.pending) > 0 || c.tree.Size()-c.signed >= uint64(l.opts.Every) || l.opts.Now().Sub(c.since) >= l.opts.Interval)
}

// signAndPublish stores the checkpoint over all events of a chain and publishes
// it. If it fails, the checkpoint stays pending.
func (l *Log) signAndPublish(ctx context.Context, c *chain) (err error) {
	if !l.hasPending(c) {
		return nil
	}
	defer func() { c.failed = err != nil }()
	if size := c.tree.Size(); size > c.signed {
		note, err := l.signTree(c.id, &c.tree)
		if err != nil {
			return err
		}
		if err := l.putCheckpoint(ctx, checkpointWrite(c.id, size, note)); err != nil {
			return fmt.Errorf("storing checkpoint %d of audit chain %s: %w", size, c.id, err)
		}
		l.setSigned(c, note)
	}
	return l.publish(ctx, c)
}

// signTree returns the signed note of a tree.
func (l *Log) signTree(chain string, tree *checkpoint.Tree) (string, error) {
	return l.signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(chain), Size: tree.Size(), Root: tree.Root()})
}

// putCheckpoint stores a note. The same events always give the same note, so a
// note of an earlier attempt is accepted.
func (l *Log) putCheckpoint(ctx context.Context, w record.Write) error {
	err := l.commitLog(ctx, "audit.checkpoint", []record.Write{w})
	if !errors.Is(err, record.ErrConflict) {
		return err
	}
	found, err := l.store.Get(ctx, record.Audit, w.Record.Key)
	if err == nil && !found.Equal(w.Record) {
		err = fmt.Errorf("%w: a different checkpoint is already stored for this size", blue.ErrTampered)
	}
	return err
}

// setSigned records that the checkpoint over all events of a chain is stored. It
// replaces an older checkpoint that an anchor does not have.
func (l *Log) setSigned(c *chain, note string) {
	c.signed, c.note, c.pending = c.tree.Size(), note, slices.Clone(l.opts.Anchors)
}

// publish sends the newest checkpoint to the anchors that do not have it.
func (l *Log) publish(ctx context.Context, c *chain) error {
	var errs []error
	var pending []Anchor
	for _, a := range c.pending {
		ctx, end := l.startSpan(ctx, "audit.publish")
		err := a.Publish(ctx, c.id, c.signed, c.note)
		if end(err); err != nil {
			pending = append(pending, a)
			errs = append(errs, fmt.Errorf("publishing checkpoint %d of audit chain %s: %w", c.signed, c.id, err))
		}
	}
	c.pending = pending
	return errors.Join(errs...)
}

// PutCheckpoint stores a signed note over the first size events of a chain that
// another process wrote, for example a process that was killed, and publishes
// it. The caller must have verified the chain. Storing the same note twice is
// not an error. PutCheckpoint returns ErrConflict if the chain has another
// checkpoint of this size. Every error is an ErrAudit too.
func PutCheckpoint(ctx context.Context, store record.Store, anchors []Anchor, chain string, size uint64, note string) error {
	w := checkpointWrite(chain, size, note)
	err := store.Commit(ctx, []record.Write{w})
	if err != nil && !isOwnRecordStored(ctx, store, err, w.Record) {
		return fmt.Errorf("%w: storing checkpoint %d of audit chain %s: %w", blue.ErrAudit, size, chain, err)
	}
	for _, a := range anchors {
		if err := a.Publish(ctx, chain, size, note); err != nil {
			return fmt.Errorf("%w: publishing checkpoint %d of audit chain %s: %w", blue.ErrAudit, size, chain, err)
		}
	}
	return nil
}

// setAlarm sets the timer for a chain with a pending checkpoint, so that an idle
// log is signed too. A chain whose checkpoint failed is retried after an
// interval, or by its next operation. The caller holds mu.
func (l *Log) setAlarm(c *chain) {
	if l.closed || !l.hasPending(c) {
		return
	}
	now, wait := l.opts.Now(), l.opts.Interval
	if !c.failed {
		wait = min(wait, max(0, wait-now.Sub(c.since)))
	}
	at := now.Add(wait)
	if l.alarm != nil {
		if !at.Before(l.alarmAt) {
			return
		}
		l.alarm.Stop()
	}
	l.alarm, l.alarmAt = time.AfterFunc(wait, l.makeDueCheckpoints), at
}

// makeDueCheckpoints makes the pending checkpoints when the timer fires. Errors
// are not reported here. A failed checkpoint stays pending and is retried by the
// next operation on the chain.
func (l *Log) makeDueCheckpoints() {
	l.mu.Lock()
	l.alarm = nil
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.alarmWG.Add(1)
	l.mu.Unlock()
	defer l.alarmWG.Done()
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.Interval)
	defer cancel()
	_ = l.Checkpoint(ctx)
}
