package encrypted

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Two things say that a dialogue was erased: its keys, whose head is erasing or
// erased, and the tombstone in the place of meta (erase.go). The keys are
// believed alone: after a restore of older data no tombstone may stand there.
// A tombstone is not: whoever holds the data could put one over a dialogue that
// is to seem erased.

// States of a key head after keys.Ring.BeginErase.
const (
	stateErasing = "erasing"
	stateErased  = "erased"
)

// erased returns ErrErased if the dialogue's keys say so, nil if they do not.
func (s *sealing) erased(ctx context.Context, dialogue string) error {
	status, err := s.ring.Status(ctx, dialogue)
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return nil
	case err != nil:
		return err
	case status.State == stateErasing, status.State == stateErased:
		return fmt.Errorf("dialogue %s: %w", dialogue, blue.ErrErased)
	}
	return nil
}

// checkTombstone answers for a head that is one: ErrErased, or damage where the
// keys know nothing of an erasure. Nil for any other head.
func (s *sealing) checkTombstone(ctx context.Context, dialogue string, head record.Record) error {
	if !record.IsErased(head) {
		return nil
	}
	if err := s.erased(ctx, dialogue); err != nil {
		return err
	}
	return &blue.TamperError{Dialogue: blue.DialogueID(dialogue), Damage: []blue.Damage{{Class: blue.DamageChanged, Item: record.Meta,
		Detail: "a tombstone stands there, and the keys of the dialogue were not erased"}}}
}

// checkTombstoneOf is checkTombstone of the head among a partition's records.
func (s *sealing) checkTombstoneOf(ctx context.Context, dialogue string, items []record.Record) error {
	return s.checkTombstone(ctx, dialogue, headAmong(items))
}

// absent answers for an item that is not there: erased with its dialogue, or
// what the store said.
func (s *sealing) absent(ctx context.Context, dialogue string, cause error) error {
	if !errors.Is(cause, blue.ErrNotFound) {
		return cause
	}
	head, err := s.inner.Get(ctx, record.Dialogues, headKey(dialogue))
	if err != nil {
		return cause
	}
	if err := s.checkTombstone(ctx, dialogue, head); err != nil {
		return err
	}
	return cause
}

func headKey(dialogue string) record.Key {
	return record.MetaKey(dialogue)
}

// headAmong returns the head of a partition's records, without a key if it is
// not there.
func headAmong(items []record.Record) record.Record {
	for _, r := range items {
		if r.Key.Item == record.Meta {
			return r
		}
	}
	return record.Record{}
}
