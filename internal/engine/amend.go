package engine

import (
	"context"
	"fmt"
	"maps"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// RecordSignal implements blue.DialogueStore.
func (s *Store) RecordSignal(ctx context.Context, id blue.DialogueID, n blue.Signal) (blue.Scoped[blue.Signal], error) {
	if _, err := blue.ParseExpertSlug(string(n.Expert)); err != nil {
		return blue.Scoped[blue.Signal]{}, err
	}
	answer := n
	err := s.update(ctx, id, func(tx *transaction) error {
		round, ok := tx.snapshot.Round(n.Round)
		if !ok {
			return fmt.Errorf("round %d of dialogue %s: %w", n.Round, id, blue.ErrNotFound)
		}
		if round.Signals == nil {
			round.Signals = make(map[blue.ExpertSlug]time.Time)
		}
		maps.DeleteFunc(round.Signals, func(slug blue.ExpertSlug, _ time.Time) bool { return slug.Key() == n.Expert.Key() })
		round.Signals[n.Expert] = tx.now
		answer.At = tx.now
		tx.keep(round)
		return tx.step(n.Step)
	})
	return answered(id, answer, err)
}

// Amend implements blue.DialogueStore.
func (s *Store) Amend(ctx context.Context, id blue.DialogueID, a blue.Amendment) (blue.Scoped[blue.Dialogue], error) {
	if a.Status != nil && !blue.KindDialogue.HasStatus(*a.Status) {
		return blue.Scoped[blue.Dialogue]{}, fmt.Errorf("%w: %q is no status of a dialogue; one of %v", blue.ErrRefused, *a.Status, blue.KindDialogue.Statuses())
	}
	var answer blue.Dialogue
	err := s.update(ctx, id, func(tx *transaction) error {
		d := &tx.snapshot.Dialogue
		set(tx, &d.Status, a.Status)
		set(tx, &d.Calibrated, a.Calibrated)
		set(tx, &d.DomainID, a.DomainID)
		set(tx, &d.EthosID, a.EthosID)
		if a.Background != nil {
			d.Background, tx.touched = a.Background, true
		}
		if err := tx.step(a.Step); err != nil {
			return err
		}
		if a.Refused != nil && a.Step != nil {
			progress := d.Imports[a.Step.Source]
			progress.Refused = append(progress.Refused, *a.Refused)
			d.Imports[a.Step.Source] = progress
		}
		if tx.touched {
			d.UpdatedAt = tx.now
		}
		answer = *d
		return nil
	})
	return answered(id, answer, err)
}

// set changes a field of the dialogue if the request names another value.
func set[T comparable](tx *transaction, field *T, to *T) {
	if to != nil && *field != *to {
		*field, tx.touched = *to, true
	}
}
