package seal

import (
	"cmp"
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
func (s *Sealer) loadIntact(ctx context.Context, ks *keyset, o *Operation, q record.Query) (*partition, *freshness.Record, error) {
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
func (s *Sealer) load(ctx context.Context, ks *keyset, o *Operation, q record.Query, remembered *freshness.Record) (*partition, error) {
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
func (s *Sealer) hasSameMeta(ctx context.Context, dialogue string, items []record.Record) (bool, error) {
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
func (s *Sealer) isMetaReplaced(ctx context.Context, dialogue string, items []record.Record, cause error) bool {
	if !errors.Is(cause, blue.ErrSealed) {
		return false
	}
	same, err := s.hasSameMeta(ctx, dialogue, items)
	return err == nil && !same
}

// isReplaced reports whether a missing key is explained by a newer version of
// the item.
func (s *Sealer) isReplaced(ctx context.Context, r record.Record, cause error) bool {
	if !errors.Is(cause, blue.ErrSealed) {
		return false
	}
	now, err := s.Records.Get(ctx, record.Dialogues, r.Key)
	return err == nil && !now.Attrs[attrMAC].Equal(r.Attrs[attrMAC])
}

// checkRetired returns blue.ErrRolledBack if the stored state is older than the
// freshness record and its key was retired. Otherwise it returns cause.
func (s *Sealer) checkRetired(dialogue string, items []record.Record, remembered *freshness.Record, cause error) error {
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
func (s *Sealer) checkCopyFinished(ctx context.Context, dialogue string, remembered *freshness.Record, items []record.Record) error {
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
func (s *Sealer) remembered(dialogue string) (*freshness.Record, error) {
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
func (s *Sealer) checkFreshness(dialogue string, remembered *freshness.Record, r root) error {
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

// CheckLog compares a dialogue with the tables next to it. The audit log must
// hold the event of the stored root and no later one. The active key must
// descend from the key in use. The error is *blue.TamperError, blue.ErrAudit,
// or an error of the store below.
func (s *Sealer) CheckLog(ctx context.Context, dialogue string) error {
	if err := s.checkNextKey(ctx, dialogue); err != nil {
		return err
	}
	return s.Run(ctx, "verify", audit.Decrypt, dialogue, s.compareWithLog)
}

func (s *Sealer) compareWithLog(ctx context.Context, o *Operation) error {
	dialogue := o.dialogue
	meta, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return err
	}
	o.Started, o.KeyID = true, keyIDOf(dialogue, meta.Attrs)
	version := uint64(meta.Attrs[attrVersion].Int())
	damaged := func(class, detail string) error {
		return tampered(dialogue, *damageOf(class, record.Meta, detail, version))
	}
	ks := newKeyset(s.Ring)
	defer ks.destroy()
	k, err := ks.open(ctx, meta.Attrs[attrKeyID].Str())
	var r root
	if err == nil {
		r, err = openRoot(k, dialogue, meta.Attrs)
	}
	if s.isReplaced(ctx, meta, err) {
		return s.compareWithLog(ctx, o)
	}
	if err != nil {
		return err
	}
	event, err := audit.ReadCommit(ctx, s.Records, dialogue, version)
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return damaged(record.DamageMissing, "the audit log holds no event of version %d")
	case err != nil:
		return err
	case event.RootHash != r.hash || event.CoreHash() != r.CoreHash || event.Chain != r.Chain || event.Seq != r.Seq:
		return damaged(record.DamageChanged, "the audit event of version %d belongs to another root")
	}
	_, err = audit.ReadCommit(ctx, s.Records, dialogue, version+1)
	if errors.Is(err, blue.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// Another writer may have committed since meta was read.
	now, err := s.Records.Get(ctx, record.Dialogues, meta.Key)
	if err != nil {
		return err
	}
	if now.Equal(meta) {
		return rolledBack(dialogue, "version %d is stored, the audit log holds a later one", version)
	}
	return nil
}

// Two records say that a dialogue was erased: the state in its key header, and
// the tombstone that replaces its meta item. Only the key header is trusted.
// After a restore of older data the tombstone can be missing, and an attacker
// with access to the data could put a tombstone over any dialogue.

// States of a key header after keys.Ring.BeginErase.
const (
	StateErasing = "erasing" // the erasure has begun
	StateErased  = "erased"  // the wrapped keys are destroyed
)

// checkErased returns blue.ErrErased if the state in the key header is erasing
// or erased.
func (s *Sealer) checkErased(ctx context.Context, dialogue string) error {
	status, err := s.Ring.Status(ctx, dialogue)
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	if status.State == StateErasing || status.State == StateErased {
		return fmt.Errorf("dialogue %s: %w", dialogue, blue.ErrErased)
	}
	return nil
}

// checkTombstone returns blue.ErrErased if a record is the tombstone of an
// erased dialogue, and *blue.TamperError if it is a tombstone and the key header
// does not confirm it.
func (s *Sealer) checkTombstone(ctx context.Context, dialogue string, meta record.Record) error {
	if !record.IsErased(meta) {
		return nil
	}
	if err := s.checkErased(ctx, dialogue); err != nil {
		return err
	}
	return tampered(dialogue, *damageOf(record.DamageChanged, record.Meta, "a tombstone is stored, and the keys of the dialogue were not erased"))
}

// explainAbsence returns blue.ErrErased if an item is missing because its
// dialogue was erased. Otherwise it returns cause.
func (s *Sealer) explainAbsence(ctx context.Context, dialogue string, cause error) error {
	meta, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return cause
	}
	return cmp.Or(s.checkTombstone(ctx, dialogue, meta), cause)
}

// checkAbsence is called when no item of a dialogue was found. It returns
// *blue.TamperError if the audit log or the freshness record knows the dialogue.
// isPresent reports whether the dialogue has appeared since.
func (s *Sealer) checkAbsence(ctx context.Context, dialogue string, remembered *freshness.Record) (isPresent bool, err error) {
	_, err = audit.ReadCommit(ctx, s.Records, dialogue, 1)
	isLogged := err == nil
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	if !isLogged && (remembered == nil || s.AcceptRollback) {
		return false, nil
	}
	meta, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err == nil {
		return true, s.checkTombstone(ctx, dialogue, meta)
	}
	if !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	if err := s.checkErased(ctx, dialogue); err != nil {
		return false, err
	}
	gone := tampered(dialogue, *damageOf(record.DamageMissing, record.Meta, "the whole dialogue is gone"))
	gone.RolledBack = !isLogged
	return false, gone
}

// checkUnused returns an error if a dialogue exists or existed before:
// *record.ConflictError, blue.ErrErased or *blue.TamperError.
func (s *Sealer) checkUnused(ctx context.Context, dialogue string) error {
	remembered, err := s.remembered(dialogue)
	if err != nil {
		return err
	}
	isPresent, err := s.checkAbsence(ctx, dialogue, remembered)
	if err != nil || !isPresent {
		return err
	}
	if err := s.checkErased(ctx, dialogue); err != nil {
		return err // the items come from a restored backup
	}
	return &record.ConflictError{Table: record.Dialogues, Key: record.MetaKey(dialogue)}
}
