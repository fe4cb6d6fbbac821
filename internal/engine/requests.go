package engine

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// RegisterExpert implements blue.DialogueStore.
func (e *Engine) RegisterExpert(ctx context.Context, id blue.DialogueID, n blue.NewExpert) (blue.Scoped[blue.Expert], error) {
	if err := n.Validate(); err != nil {
		return blue.Scoped[blue.Expert]{}, err
	}
	return change(ctx, e, id, func(tx *transaction, answer *blue.Expert) error {
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
func (e *Engine) RecordSignal(ctx context.Context, id blue.DialogueID, n blue.Signal) (blue.Scoped[blue.Signal], error) {
	if _, err := blue.ParseExpertSlug(string(n.Expert)); err != nil {
		return blue.Scoped[blue.Signal]{}, err
	}
	return change(ctx, e, id, func(tx *transaction, answer *blue.Signal) error {
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
func (e *Engine) Transition(ctx context.Context, id blue.DialogueID, t blue.Transition) (blue.Scoped[blue.Event], error) {
	if !t.Round.Valid() || !t.ID.Kind.HasStatus(t.To) {
		return blue.Scoped[blue.Event]{}, fmt.Errorf("%w: %s cannot become %q in round %d", blue.ErrRefused, t.ID, t.To, t.Round)
	}
	return change(ctx, e, id, func(tx *transaction, answer *blue.Event) error {
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
func (e *Engine) Amend(ctx context.Context, id blue.DialogueID, a blue.Amendment) (blue.Scoped[blue.Dialogue], error) {
	if a.Status != nil && !blue.KindDialogue.HasStatus(*a.Status) {
		return blue.Scoped[blue.Dialogue]{}, fmt.Errorf("%w: %q is not a status of a dialogue; one of %v", blue.ErrRefused, *a.Status, blue.KindDialogue.Statuses())
	}
	return change(ctx, e, id, func(tx *transaction, answer *blue.Dialogue) error {
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

// checkBatch returns a *blue.ValidationError for what only the dialogue can
// show: a kind that has not enough numbers left in the round, and an update of a tension
// that neither exists nor is made by the batch. The batch is valid on its own
// (blue.RoundBatch.Validate).
func checkBatch(b blue.RoundBatch, s *blue.Snapshot) error {
	var errs []blue.FieldError
	for _, kind := range blue.NumberedKinds() {
		if held := int(highestSeq(s, b.Round, kind)) + len(b.Drafts[kind]); held > int(blue.MaxSeq) && len(b.Drafts[kind]) > 0 {
			errs = append(errs, blue.FieldError{
				Code: "invalid_round", Field: kind.Plural(), Suggestion: new("Register the rest in another round"),
				Message: fmt.Sprintf("Round %d would hold %d %s. At most %d can be numbered", b.Round, held, kind.Plural(), blue.MaxSeq),
			})
		}
	}
	for i, u := range b.TensionUpdates {
		if id, err := blue.ParseEntityID(u.ID); err == nil && !isTensionOf(id, b, s) {
			errs = append(errs, blue.FieldError{
				Code: "entity_not_found", Field: fmt.Sprintf("tension_updates[%d].id", i), Suggestion: new("Use the ID of a tension of this dialogue"),
				Message: fmt.Sprintf("Tension '%s' exists neither in the dialogue nor in this batch", id),
			})
		}
	}
	if errs != nil {
		return &blue.ValidationError{Errors: errs}
	}
	return nil
}

// isTensionOf reports whether a tension exists in the dialogue or gets its
// number from the batch.
func isTensionOf(id blue.EntityID, b blue.RoundBatch, s *blue.Snapshot) bool {
	if _, found := s.Find(id); found {
		return true
	}
	taken := int(highestSeq(s, b.Round, id.Kind))
	return id.Round == b.Round && int(id.Seq) > taken && int(id.Seq) <= taken+len(b.Drafts[id.Kind])
}

// highestSeq returns the highest seq of a kind in a round, or 0.
func highestSeq(s *blue.Snapshot, round blue.Round, kind blue.Kind) blue.Seq {
	var highest blue.Seq
	for _, e := range s.Numbered(kind) {
		if id := e.Common().ID; id.Round == round {
			highest = max(highest, id.Seq)
		}
	}
	return highest
}

// numberDrafts gives every draft its display id: per kind from the first free seq
// upwards, in batch order.
func numberDrafts(b blue.RoundBatch, s *blue.Snapshot) map[blue.Kind][]blue.Numbered {
	ids := make(map[blue.Kind][]blue.Numbered, len(b.Drafts))
	for kind, drafts := range b.Drafts {
		first := highestSeq(s, b.Round, kind) + 1
		for i, d := range drafts {
			id := blue.EntityID{Kind: kind, Round: b.Round, Seq: first + blue.Seq(i)}
			ids[kind] = append(ids[kind], blue.Numbered{ID: id, LocalID: d.LocalID})
		}
	}
	return ids
}

// resolveDraftIDs returns a copy of the batch in which display ids replace the
// local ids of its own drafts: in targets of references, tension updates, their
// via, and targets of moves. Other texts stay. A reference that a source makes
// twice is kept once.
func resolveDraftIDs(b blue.RoundBatch, ids map[blue.Kind][]blue.Numbered) blue.RoundBatch {
	global := map[string]string{}
	for _, numbered := range ids {
		for _, n := range numbered {
			// A local id that reads as a display id would hide a real one.
			if _, err := blue.ParseEntityID(n.LocalID); err != nil && n.LocalID != "" {
				global[n.LocalID] = n.ID.String()
			}
		}
	}
	named := func(text string) string {
		if id, ok := global[text]; ok {
			return id
		}
		return text
	}
	drafts := make(map[blue.Kind][]blue.Draft, len(b.Drafts))
	for kind, list := range b.Drafts {
		drafts[kind] = editedEntities(list, func(d *blue.Draft) { d.References = resolveRefs(d.References, named) })
	}
	b.Drafts = drafts
	b.TensionUpdates = editedEntities(b.TensionUpdates, func(u *blue.TensionUpdate) { u.ID, u.Via = named(u.ID), named(u.Via) })
	b.Moves = editedEntities(b.Moves, func(m *blue.MoveDraft) {
		m.Targets = editedEntities(m.Targets, func(target *string) { *target = named(*target) })
	})
	return b
}

// editedEntities returns a copy of a list with each element changed.
func editedEntities[T any](list []T, change func(*T)) []T {
	list = slices.Clone(list)
	for i := range list {
		change(&list[i])
	}
	return list
}

func resolveRefs(refs []blue.RefDraft, named func(string) string) []blue.RefDraft {
	var resolved []blue.RefDraft
	seen := make(map[blue.RefDraft]bool, len(refs))
	for _, r := range refs {
		r.Target = named(r.Target)
		if !seen[r] {
			seen[r] = true
			resolved = append(resolved, r)
		}
	}
	return resolved
}

// knownExperts returns the scores of a batch that can be stored, under the slug
// that each expert is registered with, and a warning of type
// unknown_expert for each expert that is not in the dialogue. Blue reports
// those scores as stored, and loses them (bug 7).
func knownExperts(b blue.RoundBatch, s *blue.Snapshot) (map[blue.ExpertSlug]int64, []blue.Warning) {
	scores := map[blue.ExpertSlug]int64{}
	unknown := map[blue.ExpertSlug]bool{}
	for slug, score := range b.ExpertScores {
		if e, found := s.Expert(slug); found {
			scores[e.Slug] = score
		} else {
			unknown[slug] = true
		}
	}
	for slug := range b.RawContent {
		if _, found := s.Expert(slug); !found {
			unknown[slug] = true
		}
	}
	var warnings []blue.Warning
	for _, slug := range slices.Sorted(maps.Keys(unknown)) {
		warnings = append(warnings, blue.Warning{
			Type: "unknown_expert", Expert: slug, Round: &b.Round,
			Message: "Expert '" + bounded.Text(string(slug)) + "' is not in this dialogue; nothing was stored for it",
		})
	}
	return scores, warnings
}
