package engine

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// RegisterExpert implements blue.DialogueStore.
func (s *Store) RegisterExpert(ctx context.Context, id blue.DialogueID, n blue.NewExpert) (blue.Scoped[blue.Expert], error) {
	if err := n.Validate(); err != nil {
		return blue.Scoped[blue.Expert]{}, err
	}
	return change(ctx, s, id, func(tx *transaction, answer *blue.Expert) error {
		e := &blue.Expert{
			Slug: n.Slug, Tier: n.Tier, Source: n.Source, Relevance: n.Relevance, FirstRound: n.FirstRound, CreatedAt: tx.now,
			Role: n.Role, Description: n.Description, Focus: n.Focus, CreationReason: n.CreationReason, Color: n.Color,
		}
		if found, ok := tx.snapshot.Expert(n.Slug); ok && n.Step == nil {
			e.CreatedAt, e.UpdatedAt, e.TotalScore, e.Scores, e.RawContent = found.CreatedAt, found.UpdatedAt, found.TotalScore, found.Scores, found.RawContent
			if !reflect.DeepEqual(e, found) {
				return fmt.Errorf("%w: dialogue %s already has the expert %s; nothing was written", blue.ErrConflict, id, found.Slug)
			}
			*answer = *found
			return nil
		}
		if err := tx.add(e); err != nil {
			return err
		}
		*answer = *e
		return tx.step(n.Step)
	})
}

// RecordSignal implements blue.DialogueStore.
func (s *Store) RecordSignal(ctx context.Context, id blue.DialogueID, n blue.Signal) (blue.Scoped[blue.Signal], error) {
	if _, err := blue.ParseExpertSlug(string(n.Expert)); err != nil {
		return blue.Scoped[blue.Signal]{}, err
	}
	return change(ctx, s, id, func(tx *transaction, answer *blue.Signal) error {
		round, ok := tx.snapshot.Round(n.Round)
		if !ok {
			return fmt.Errorf("round %d of dialogue %s: %w", n.Round, id, blue.ErrNotFound)
		}
		if round.Signals == nil {
			round.Signals = make(map[blue.ExpertSlug]time.Time)
		}
		maps.DeleteFunc(round.Signals, func(slug blue.ExpertSlug, _ time.Time) bool { return slug.Key() == n.Expert.Key() })
		round.Signals[n.Expert] = tx.now
		*answer = n
		answer.At = tx.now
		tx.keep(round)
		return tx.step(n.Step)
	})
}

// Transition implements blue.DialogueStore.
func (s *Store) Transition(ctx context.Context, id blue.DialogueID, t blue.Transition) (blue.Scoped[blue.Event], error) {
	if !t.Round.Valid() || !t.ID.Kind.HasStatus(t.To) {
		return blue.Scoped[blue.Event]{}, fmt.Errorf("%w: %s cannot become %q in round %d", blue.ErrRefused, t.ID, t.To, t.Round)
	}
	return change(ctx, s, id, func(tx *transaction, answer *blue.Event) error {
		e, ok := tx.find(t.ID)
		if !ok {
			return fmt.Errorf("%s of dialogue %s: %w", t.ID, id, blue.ErrNotFound)
		}
		event := blue.Event{Of: t.ID, Type: string(t.To), Round: t.Round, Actors: t.By, Reason: t.Reason, Reference: t.Reference, ResultID: t.ResultID}
		from := e.Common().Status
		if last := tx.lastEvent(t.ID); from == t.To && last != nil && isSameEvent(last, &event) {
			*answer = *last
			return nil
		}
		if !t.ID.Kind.CanChange(from, t.To) { // in Blue's words
			return &blue.ValidationError{Errors: []blue.FieldError{{
				Code: "invalid_status_transition", Field: "status",
				Message: fmt.Sprintf("Invalid state transition: %s from '%s' to '%s'", t.ID, from, t.To),
			}}}
		}
		e.Common().Status = t.To
		tx.keep(e)
		stored, err := tx.addEvent(event)
		if err == nil {
			*answer = *stored
		}
		return err
	})
}

// isSameEvent reports whether a request repeats the one that made the event.
func isSameEvent(a, b *blue.Event) bool {
	return a.Type == b.Type && a.Round == b.Round && a.Reason == b.Reason && a.Reference == b.Reference &&
		a.ResultID == b.ResultID && slices.Equal(a.Actors, b.Actors)
}

// Amend implements blue.DialogueStore.
func (s *Store) Amend(ctx context.Context, id blue.DialogueID, a blue.Amendment) (blue.Scoped[blue.Dialogue], error) {
	if a.Status != nil && !blue.KindDialogue.HasStatus(*a.Status) {
		return blue.Scoped[blue.Dialogue]{}, fmt.Errorf("%w: %q is not a status of a dialogue; one of %v", blue.ErrRefused, *a.Status, blue.KindDialogue.Statuses())
	}
	return change(ctx, s, id, func(tx *transaction, answer *blue.Dialogue) error {
		d := &tx.snapshot.Dialogue
		amend(tx, &d.Status, a.Status)
		amend(tx, &d.Calibrated, a.Calibrated)
		amend(tx, &d.DomainID, a.DomainID)
		amend(tx, &d.EthosID, a.EthosID)
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
		*answer = *d
		return nil
	})
}

// amend changes a field of the dialogue if the request names another value.
func amend[T comparable](tx *transaction, field *T, to *T) {
	if to != nil && *field != *to {
		*field, tx.touched = *to, true
	}
}
