package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// loadIntact loads a dialogue and returns an error if it is damaged or older
// than its freshness record, which is returned too. The partition is nil if the
// dialogue never existed.
func (s *Store) loadIntact(ctx context.Context, ks *keyset, o *Operation, q record.Query) (*partition, *freshness.Record, error) {
	remembered, err := s.remembered(o.dialogue)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.load(ctx, ks, o, q, remembered)
	switch {
	case err != nil || p == nil:
		return nil, remembered, err
	case len(p.damage) > 0:
		return nil, remembered, tampered(o.dialogue, p.damage...)
	}
	if err := s.checkFreshness(o.dialogue, remembered, p.root); err != nil {
		return nil, remembered, err
	}
	return p, remembered, s.checkLineage(ctx, o.dialogue, remembered, p.metaKeys)
}

// load reads and verifies the items of a dialogue. It returns nil if the
// dialogue never existed.
//
// Damage is reported only if meta is the same before and after the
// verification, because the audit events are read later than the items. On a
// record.Unsteady store, repeated exact reads must show the same damage
// (docs/design.md §4).
func (s *Store) load(ctx context.Context, ks *keyset, o *Operation, q record.Query, remembered *freshness.Record) (*partition, error) {
	c, dialogue := newConfirmation(s.Records), o.dialogue
	for range 4*c.reads + 1 {
		items, err := s.Records.Query(ctx, q)
		ks.destroy() // keys of the previous attempt
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			isPresent, err := s.checkAbsence(ctx, dialogue, remembered)
			if err != nil || !isPresent {
				return nil, err
			}
			continue
		}
		if err := s.checkCopyFinished(ctx, dialogue, remembered, items); err != nil {
			return nil, err
		}
		if err := s.checkTombstone(ctx, dialogue, record.MetaOf(items)); err != nil {
			return nil, err
		}
		o.Started = true
		p, err := s.verify(ctx, ks, dialogue, items)
		if o.KeyID = ""; p.metaKeys != nil {
			o.KeyID = p.metaKeys.ID()
		}
		if s.isMetaReplaced(ctx, dialogue, items, err) {
			continue
		}
		if err != nil {
			return nil, s.checkRetired(dialogue, items, remembered, err)
		}
		if len(p.damage) == 0 {
			return p, nil
		}
		unchanged, err := s.hasSameMeta(ctx, dialogue, items)
		if err != nil {
			return nil, err
		}
		if confirmed, err := c.recordDamage(ctx, p.damage, unchanged); err != nil || confirmed {
			return p, err
		}
		q.Exact = true
	}
	return nil, fmt.Errorf("%w: dialogue %s changed each time it was read", blue.ErrBusy, dialogue)
}

// A confirmation decides whether an inconsistent read is real damage or a
// commit in progress. One read is enough on a store that reads a snapshot. A
// record.Unsteady store sets how many equal reads are needed, and over how long
// a time.
type confirmation struct {
	reads  int
	over   time.Duration
	first  time.Time // time of the first of the equal reads
	equal  int
	damage []blue.Damage
}

func newConfirmation(records record.Store) *confirmation {
	c := &confirmation{reads: 1}
	if u, ok := records.(record.Unsteady); ok {
		c.reads, c.over = u.Settle()
	}
	return c
}

// recordDamage counts consecutive reads that reported the same damage.
// unchanged reports whether meta was the same before and after the read. If the
// damage is not yet confirmed, recordDamage waits until the next read is due.
func (c *confirmation) recordDamage(ctx context.Context, damage []blue.Damage, unchanged bool) (confirmed bool, err error) {
	switch {
	case !unchanged:
		c.equal = 0
	case c.equal > 0 && slices.Equal(c.damage, damage):
		c.equal++
	default:
		c.equal, c.first, c.damage = 1, time.Now(), slices.Clone(damage)
	}
	if c.equal >= c.reads && time.Since(c.first) >= c.over {
		return true, nil
	}
	if c.reads == 1 {
		return false, nil
	}
	return false, retry.Sleep(ctx, c.over/time.Duration(c.reads-1))
}

// hasSameMeta reports whether the stored meta item is still the one among the
// items.
func (s *Store) hasSameMeta(ctx context.Context, dialogue string, items []record.Record) (bool, error) {
	now, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	if meta := record.MetaOf(items); meta.Key.Item != "" {
		return err == nil && now.Equal(meta), nil
	}
	return err != nil, nil
}

// A rotation retires old keys. A reader that fetched items before the rotation
// finds that their key is missing. Then meta has been replaced, and the reader
// must read again.

// isMetaReplaced reports whether a missing key is explained by a newer meta
// item.
func (s *Store) isMetaReplaced(ctx context.Context, dialogue string, items []record.Record, cause error) bool {
	if !errors.Is(cause, blue.ErrSealed) {
		return false
	}
	same, err := s.hasSameMeta(ctx, dialogue, items)
	return err == nil && !same
}

// isReplaced reports whether a missing key is explained by a newer version of
// the item.
func (s *Store) isReplaced(ctx context.Context, r record.Record, cause error) bool {
	if !errors.Is(cause, blue.ErrSealed) {
		return false
	}
	now, err := s.Records.Get(ctx, record.Dialogues, r.Key)
	return err == nil && !now.Attrs[attrMAC].Equal(r.Attrs[attrMAC])
}

// checkRetired returns blue.ErrRolledBack if the stored state is older than the
// freshness record and its key was retired. Otherwise it returns cause.
func (s *Store) checkRetired(dialogue string, items []record.Record, remembered *freshness.Record, cause error) error {
	meta := record.MetaOf(items)
	version := uint64(meta.Attrs[attrVersion].Int())
	if remembered == nil || s.AcceptRollback || !errors.Is(cause, blue.ErrSealed) || meta.Key.Item == "" || version >= remembered.Version {
		return cause
	}
	return rolledBack(dialogue, "version %d is stored, this client has seen version %d, and its key is gone", version, remembered.Version)
}

// checkCopyFinished returns blue.ErrBusy for a partition that internal/copier
// has not finished. A dialogue that this client or the audit log knows was
// complete before. Then the mark of an unfinished copy is damage, and verify
// reports it.
func (s *Store) checkCopyFinished(ctx context.Context, dialogue string, remembered *freshness.Record, items []record.Record) error {
	if remembered != nil || !slices.ContainsFunc(items, record.IsUnfinished) {
		return nil
	}
	if _, err := audit.ReadCommit(ctx, s.Records, dialogue, 1); !errors.Is(err, blue.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%w: the copy of dialogue %s into this store is not finished: run the same blue-store copy again", blue.ErrBusy, dialogue)
}

// remembered returns the freshness record of a dialogue, or nil. It must be
// read before the items. If it were read later, a commit of another process of
// this client between the two reads would look like a rollback.
func (s *Store) remembered(dialogue string) (*freshness.Record, error) {
	if s.Freshness == nil {
		return nil, nil
	}
	r, ok, err := s.Freshness.Get(dialogue)
	if err != nil && s.AcceptRollback {
		return nil, nil
	}
	if err != nil || !ok {
		return nil, err
	}
	return &r, nil
}

// checkFreshness returns blue.ErrRolledBack if the stored state is older than
// the freshness record, or belongs to another dialogue that had the same id.
func (s *Store) checkFreshness(dialogue string, remembered *freshness.Record, r root) error {
	if remembered == nil || s.AcceptRollback {
		return nil
	}
	switch {
	case remembered.Incarnation != r.Incarnation:
		return rolledBack(dialogue, "this client has seen the dialogue in another incarnation")
	case r.Version < remembered.Version:
		return rolledBack(dialogue, "version %d is stored, this client has seen version %d", r.Version, remembered.Version)
	case r.Version == remembered.Version && r.hash != remembered.RootHash:
		return rolledBack(dialogue, "this client has seen another version %d", r.Version)
	}
	return nil
}
