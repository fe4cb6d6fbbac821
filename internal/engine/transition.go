package engine

import (
	"context"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// Transition implements blue.DialogueStore.
func (s *Store) Transition(ctx context.Context, id blue.DialogueID, t blue.Transition) (blue.Scoped[blue.Event], error) {
	if !t.Round.Valid() || !t.ID.Kind.HasStatus(t.To) {
		return blue.Scoped[blue.Event]{}, fmt.Errorf("%w: %s cannot become %q in round %d", blue.ErrRefused, t.ID, t.To, t.Round)
	}
	var answer blue.Event
	err := s.update(ctx, id, func(tx *transaction) error {
		e, ok := tx.find(t.ID)
		if !ok {
			return fmt.Errorf("%s of dialogue %s: %w", t.ID, id, blue.ErrNotFound)
		}
		event := blue.Event{Of: t.ID, Type: string(t.To), Round: t.Round, Actors: t.By, Reason: t.Reason, Reference: t.Reference, ResultID: t.ResultID}
		from := e.Common().Status
		if last := tx.eventsOf(t.ID); from == t.To && len(last) > 0 && sameEvent(last[len(last)-1], &event) {
			answer = *last[len(last)-1]
			return nil
		}
		if !t.ID.Kind.CanChange(from, t.To) {
			return notInLifecycle(t.ID, from, t.To)
		}
		e.Common().Status = t.To
		tx.keep(e)
		stored, err := tx.event(event)
		if err != nil {
			return err
		}
		answer = *stored
		return nil
	})
	return answered(id, answer, err)
}

// sameEvent reports whether a request repeats the one that made the event.
func sameEvent(a, b *blue.Event) bool {
	return a.Type == b.Type && a.Round == b.Round && a.Reason == b.Reason && a.Reference == b.Reference &&
		a.ResultID == b.ResultID && slices.Equal(a.Actors, b.Actors)
}

// notInLifecycle is the refusal of a transition, in Blue's words for it.
func notInLifecycle(id blue.EntityID, from, to blue.Status) error {
	return &blue.ValidationError{Errors: []blue.FieldError{{
		Code: "invalid_status_transition", Field: "status",
		Message: fmt.Sprintf("Invalid state transition: %s from '%s' to '%s'", id, from, to),
	}}}
}
