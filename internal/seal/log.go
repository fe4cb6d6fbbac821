package seal

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
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
	damaged := func(class, format string) error {
		return tampered(dialogue, blue.Damage{Class: class, Item: record.Meta, Detail: fmt.Sprintf(format, version)})
	}
	event, err := audit.ReadCommit(ctx, s.Records, dialogue, version)
	if errors.Is(err, blue.ErrNotFound) {
		return damaged(record.DamageMissing, "the audit log holds no event of version %d")
	}
	if err != nil {
		return err
	}
	isSame, err := s.isEventOf(ctx, dialogue, meta.Attrs, event)
	if s.isReplaced(ctx, meta, err) {
		return s.compareWithLog(ctx, o)
	}
	if err != nil {
		return err
	}
	if !isSame {
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

// isEventOf reports whether the sealed root of meta names the event.
func (s *Store) isEventOf(ctx context.Context, dialogue string, meta record.Attrs, event audit.Event) (bool, error) {
	ks := newKeyset(s.Ring)
	defer ks.destroy()
	k, err := ks.open(ctx, meta[attrKeyID].Str())
	if err != nil {
		return false, err
	}
	r, err := openRoot(k, dialogue, meta)
	if err != nil {
		return false, err
	}
	return event.RootHash == r.hash && event.CoreHash() == r.CoreHash && event.Chain == r.Chain && event.Seq == r.Seq, nil
}
