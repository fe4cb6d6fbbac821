package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// RegisterRound implements blue.DialogueStore. Order of work as in Blue
// (SPEC §7): validate, find the dialogue, number, then the round, its
// entities kind by kind with their events, tension updates, scores.
func (s *Store) RegisterRound(ctx context.Context, id blue.DialogueID, b blue.RoundBatch) (blue.Scoped[blue.Registered], error) {
	if err := b.Validate(); err != nil {
		return blue.Scoped[blue.Registered]{}, err
	}
	request, err := requestDigest(b)
	if err != nil {
		return blue.Scoped[blue.Registered]{}, err
	}
	var answer blue.Registered
	err = s.update(ctx, id, func(tx *transaction) error {
		if found, ok := tx.snapshot.Round(b.Round); ok && b.Step == nil {
			if found.Request != request {
				return fmt.Errorf("%w: dialogue %s already has round %d with other content; nothing was written", blue.ErrConflict, id, b.Round)
			}
			answer = repeated(tx.snapshot, b)
			return nil
		}
		if err := checkBatch(b, tx.snapshot); err != nil {
			return err
		}
		if answer, err = registerRound(tx, b, request); err != nil {
			return err
		}
		return tx.step(b.Step)
	})
	return answered(id, answer, err)
}

// requestDigest is the SHA-256 of a batch's JSON form, in hex.
func requestDigest(b blue.RoundBatch) (string, error) {
	text, err := marshal(b)
	if err != nil {
		return "", fmt.Errorf("%w: the batch has no JSON form: %w", blue.ErrInvalid, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// repeated rebuilds the answer to a batch that is there already.
func repeated(s *blue.Snapshot, b blue.RoundBatch) blue.Registered {
	answer := blue.Registered{Round: b.Round, Score: b.Score, Entities: map[blue.Kind][]blue.Numbered{}, Repeated: true}
	for _, e := range s.Contributed() {
		if c := e.Common(); c.ID.Round == b.Round {
			answer.Entities[c.ID.Kind] = append(answer.Entities[c.ID.Kind], blue.Numbered{ID: c.ID, LocalID: c.LocalID})
			answer.References += len(c.References)
		}
	}
	answer.Scores, answer.Warnings = knownExperts(b, s)
	answer.Moves = len(b.Moves)
	return answer
}

// registerRound puts everything a batch says into the transaction.
func registerRound(tx *transaction, b blue.RoundBatch, request string) (blue.Registered, error) {
	answer := blue.Registered{Round: b.Round, Score: b.Score}
	numbered := number(b, tx.snapshot)
	answer.Entities = numbered
	b = resolve(b, numbered)
	if err := tx.add(roundOf(tx, b, request)); err != nil {
		return answer, err
	}
	d := &tx.snapshot.Dialogue
	d.TotalRounds = max(d.TotalRounds, int64(b.Round)+1)
	d.TotalAlignment = bounded.Sum(d.TotalAlignment, b.Score)
	tx.touched = true
	for _, kind := range blue.NumberedKinds() {
		for i, draft := range b.Drafts[kind] {
			refs, err := tx.addDraft(numbered[kind][i].ID, draft)
			if err != nil {
				return answer, err
			}
			answer.References += refs
		}
	}
	for _, u := range b.TensionUpdates {
		if err := tx.updateTension(b.Round, u); err != nil {
			return answer, err
		}
	}
	answer.Scores, answer.Warnings = knownExperts(b, tx.snapshot)
	for _, slug := range slices.Sorted(maps.Keys(answer.Scores)) {
		tx.score(b.Round, slug, answer.Scores[slug])
	}
	for _, slug := range slices.Sorted(maps.Keys(b.RawContent)) {
		tx.wrote(b.Round, slug, b.RawContent[slug])
	}
	answer.Moves = len(b.Moves)
	return answer, tx.addMoves(b)
}

func roundOf(tx *transaction, b blue.RoundBatch, request string) *blue.RoundRecord {
	return &blue.RoundRecord{
		Round: b.Round, Status: blue.StatusOpen, Score: b.Score,
		Wisdom: b.Wisdom, Consistency: b.Consistency, Truth: b.Truth, Relationships: b.Relationships,
		OpenTensions: b.OpenTensions, NewPerspectives: b.NewPerspectives, ConvergeSignals: b.ConvergeSignals, PanelSize: b.PanelSize,
		CreatedAt: tx.now, Title: b.Title, Summary: b.Summary, Request: request,
	}
}

// addDraft puts a numbered entity with its references and created event, and
// returns how many references it holds.
func (tx *transaction) addDraft(id blue.EntityID, d blue.Draft) (int, error) {
	common := blue.Contribution{ID: id, Status: id.Kind.InitialStatus(), CreatedAt: tx.now, Label: d.Label, Contributors: d.Contributors, LocalID: d.LocalID}
	if common.Contributors == nil {
		common.Contributors = []blue.ExpertSlug{}
	}
	for _, r := range d.References {
		target, err := blue.ParseEntityID(r.Target)
		if err != nil {
			return 0, err
		}
		common.References = append(common.References, blue.Reference{Type: blue.RefType(r.Type), Target: target})
	}
	e := id.Kind.New()
	*e.Common() = common
	e.SetText(d.Text)
	if r, ok := e.(*blue.Recommendation); ok {
		r.Parameters = d.Parameters
	}
	if err := tx.add(e); err != nil {
		return 0, err
	}
	_, err := tx.event(blue.Event{Of: id, Type: "created", Round: id.Round, Actors: d.Contributors})
	return len(common.References), err
}

// updateTension moves a tension wherever the batch says (SPEC §5: every
// transition passes, a repeat too) and leaves an event.
func (tx *transaction) updateTension(round blue.Round, u blue.TensionUpdate) error {
	id, err := blue.ParseEntityID(u.ID)
	if err != nil {
		return err
	}
	found, ok := tx.find(id)
	if !ok {
		return fmt.Errorf("%s of dialogue %s: %w", id, tx.id, blue.ErrNotFound)
	}
	status := u.Status
	if status == "" {
		status = blue.StatusOpen
	}
	found.Common().Status = status
	tx.keep(found)
	event := string(status)
	if status == blue.StatusOpen {
		event = "created"
	}
	_, err = tx.event(blue.Event{Of: id, Type: event, Round: round, Actors: u.By, Reference: u.Via})
	return err
}

// score sets an expert's score of a round and with it the total.
func (tx *transaction) score(round blue.Round, slug blue.ExpertSlug, score int64) {
	e, _ := tx.snapshot.Expert(slug)
	if e.Scores == nil {
		e.Scores = map[blue.Round]int64{}
	}
	e.Scores[round] = score
	e.TotalScore = 0
	for _, in := range slices.Sorted(maps.Keys(e.Scores)) {
		e.TotalScore = bounded.Sum(e.TotalScore, e.Scores[in])
	}
	tx.keep(e)
}

// wrote keeps what an expert wrote in a round. An unknown expert has been
// warned of (knownExperts).
func (tx *transaction) wrote(round blue.Round, slug blue.ExpertSlug, text string) {
	e, ok := tx.snapshot.Expert(slug)
	if !ok {
		return
	}
	if e.RawContent == nil {
		e.RawContent = map[blue.Round]string{}
	}
	e.RawContent[round] = text
	tx.keep(e)
}

// addMoves numbers and puts the moves, per expert in batch order.
func (tx *transaction) addMoves(b blue.RoundBatch) error {
	seq := map[string]blue.Seq{}
	for _, m := range b.Moves {
		key := m.Expert.Key()
		seq[key]++
		move := &blue.Move{
			Round: b.Round, Expert: m.Expert, Seq: seq[key], Type: blue.MoveType(m.Type), CreatedAt: tx.now,
			Display: m.Expert, Targets: m.Targets, Context: m.Context,
		}
		if err := tx.add(move); err != nil {
			return err
		}
	}
	return nil
}
