package seal

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/record"
)

// CheckLog compares a dialogue with the tables next to it. The audit log must
// hold the event of the stored root and no later one. The active key must
// descend from the key in use. The error is *blue.TamperError, blue.ErrAudit,
// or an error of the store below.
func (s *Store) CheckLog(ctx context.Context, dialogue string) error {
	if err := s.checkNextKey(ctx, dialogue); err != nil {
		return err
	}
	return s.Run(ctx, "verify", audit.Decrypt, dialogue, s.compareWithLog)
}

func (s *Store) compareWithLog(ctx context.Context, o *Operation) error {
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
func (s *Store) checkErased(ctx context.Context, dialogue string) error {
	status, err := s.Ring.Status(ctx, dialogue)
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return nil
	case err != nil:
		return err
	case status.State == StateErasing, status.State == StateErased:
		return fmt.Errorf("dialogue %s: %w", dialogue, blue.ErrErased)
	}
	return nil
}

// checkTombstone returns blue.ErrErased if a record is the tombstone of an
// erased dialogue, and *blue.TamperError if it is a tombstone and the key header
// does not confirm it.
func (s *Store) checkTombstone(ctx context.Context, dialogue string, meta record.Record) error {
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
func (s *Store) explainAbsence(ctx context.Context, dialogue string, cause error) error {
	meta, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return cause
	}
	return cmp.Or(s.checkTombstone(ctx, dialogue, meta), cause)
}

// checkAbsence is called when no item of a dialogue was found. It returns
// *blue.TamperError if the audit log or the freshness record knows the dialogue.
// isPresent reports whether the dialogue has appeared since.
func (s *Store) checkAbsence(ctx context.Context, dialogue string, remembered *freshness.Record) (isPresent bool, err error) {
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
func (s *Store) checkUnused(ctx context.Context, dialogue string) error {
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
