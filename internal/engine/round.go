package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
	"github.com/superviber/blue-encrypted-store/internal/plainjson"
)

// RegisterRound implements blue.DialogueStore. The order of work is Blue's
// (SPEC §7): validate, find the dialogue, number, then store the round, its
// entities kind by kind with their events, tension updates, scores and moves.
func (e *Engine) RegisterRound(ctx context.Context, id blue.DialogueID, b blue.RoundBatch) (blue.Scoped[blue.Registered], error) {
	if err := b.Validate(); err != nil {
		return blue.Scoped[blue.Registered]{}, err
	}
	text, err := plainjson.Marshal(b)
	if err != nil {
		return blue.Scoped[blue.Registered]{}, fmt.Errorf("%w: the batch has no JSON form: %w", blue.ErrInvalid, err)
	}
	sum := sha256.Sum256(text)
	request := hex.EncodeToString(sum[:])
	return change(ctx, e, id, func(tx *transaction, answer *blue.Registered) error {
		if found, ok := tx.snapshot.Round(b.Round); ok && b.Step == nil {
			if found.Request != request {
				return fmt.Errorf("%w: dialogue %s already has round %d with other content; nothing was written", blue.ErrConflict, id, b.Round)
			}
			*answer = repeatedRound(tx.snapshot, b)
			return nil
		}
		if err := checkBatch(b, tx.snapshot); err != nil {
			return err
		}
		if *answer, err = registerRound(tx, b, request); err != nil {
			return err
		}
		return tx.step(b.Step)
	})
}

// repeatedRound returns the answer to a batch that is stored already.
func repeatedRound(s *blue.Snapshot, b blue.RoundBatch) blue.Registered {
	answer := blue.Registered{Round: b.Round, Score: b.Score, Entities: map[blue.Kind][]blue.Numbered{}, Moves: len(b.Moves), Repeated: true}
	for _, e := range s.Contributed() {
		if c := e.Common(); c.ID.Round == b.Round {
			answer.Entities[c.ID.Kind] = append(answer.Entities[c.ID.Kind], blue.Numbered{ID: c.ID, LocalID: c.LocalID})
			answer.References += len(c.References)
		}
	}
	answer.Scores, answer.Warnings = knownExperts(b, s)
	return answer
}

// registerRound puts the whole batch into the transaction.
func registerRound(tx *transaction, b blue.RoundBatch, request string) (blue.Registered, error) {
	answer := blue.Registered{Round: b.Round, Score: b.Score, Entities: numberDrafts(b, tx.snapshot), Moves: len(b.Moves)}
	b = resolveDraftIDs(b, answer.Entities)
	err := tx.add(&blue.RoundRecord{
		Round: b.Round, Status: blue.StatusOpen, Score: b.Score,
		Wisdom: b.Wisdom, Consistency: b.Consistency, Truth: b.Truth, Relationships: b.Relationships,
		OpenTensions: b.OpenTensions, NewPerspectives: b.NewPerspectives, ConvergeSignals: b.ConvergeSignals, PanelSize: b.PanelSize,
		CreatedAt: tx.now, Title: b.Title, Summary: b.Summary, Request: request,
	})
	if err != nil {
		return answer, err
	}
	d := &tx.snapshot.Dialogue
	d.TotalRounds = max(d.TotalRounds, int64(b.Round)+1)
	d.TotalAlignment = bounded.Sum(d.TotalAlignment, b.Score)
	tx.touched = true
	for _, kind := range blue.NumberedKinds() {
		for i, draft := range b.Drafts[kind] {
			stored, err := tx.addDraft(answer.Entities[kind][i].ID, draft)
			if err != nil {
				return answer, err
			}
			answer.References += len(stored.References)
		}
	}
	for _, u := range b.TensionUpdates {
		if err := tx.updateTension(b.Round, u); err != nil {
			return answer, err
		}
	}
	answer.Scores, answer.Warnings = knownExperts(b, tx.snapshot)
	for _, slug := range slices.Sorted(maps.Keys(answer.Scores)) {
		tx.addScore(b.Round, slug, answer.Scores[slug])
	}
	for _, slug := range slices.Sorted(maps.Keys(b.RawContent)) {
		tx.addRawContent(b.Round, slug, b.RawContent[slug])
	}
	return answer, tx.addMoves(b)
}

// addDraft adds the numbered entity of a draft with its created event.
func (tx *transaction) addDraft(id blue.EntityID, d blue.Draft) (*blue.Contribution, error) {
	e := id.Kind.New()
	e.SetText(d.Text)
	if r, ok := e.(*blue.Recommendation); ok {
		r.Parameters = d.Parameters
	}
	c := e.Common()
	*c = blue.Contribution{ID: id, Status: id.Kind.InitialStatus(), CreatedAt: tx.now, Label: d.Label, Contributors: d.Contributors, LocalID: d.LocalID}
	if c.Contributors == nil {
		c.Contributors = []blue.ExpertSlug{}
	}
	for _, r := range d.References {
		target, err := blue.ParseEntityID(r.Target)
		if err != nil {
			return nil, err
		}
		c.References = append(c.References, blue.Reference{Type: blue.RefType(r.Type), Target: target})
	}
	if err := tx.add(e); err != nil {
		return nil, err
	}
	_, err := tx.addEvent(blue.Event{Of: id, Type: "created", Round: id.Round, Actors: d.Contributors})
	return c, err
}

// updateTension changes a tension to the status in the batch and adds an event. Every change passes, a repeat too (SPEC §5).
func (tx *transaction) updateTension(round blue.Round, u blue.TensionUpdate) error {
	id, err := blue.ParseEntityID(u.ID)
	if err != nil {
		return err
	}
	found, ok := tx.find(id)
	if !ok {
		return fmt.Errorf("%s of dialogue %s: %w", id, tx.id, blue.ErrNotFound)
	}
	status, event := u.Status, string(u.Status)
	if status == "" || status == blue.StatusOpen {
		status, event = blue.StatusOpen, "created"
	}
	found.Common().Status = status
	tx.keep(found)
	_, err = tx.addEvent(blue.Event{Of: id, Type: event, Round: round, Actors: u.By, Reference: u.Via})
	return err
}

// addScore stores an expert's score of a round. The total is the sum of all
// scores, in the order of the rounds.
func (tx *transaction) addScore(round blue.Round, slug blue.ExpertSlug, score int64) {
	e, _ := tx.snapshot.Expert(slug)
	if e.Scores == nil {
		e.Scores = map[blue.Round]int64{}
	}
	e.Scores[round] = score
	e.TotalScore = 0
	for _, r := range slices.Sorted(maps.Keys(e.Scores)) {
		e.TotalScore = bounded.Sum(e.TotalScore, e.Scores[r])
	}
	tx.keep(e)
}

// addRawContent stores what an expert wrote in a round. For an unknown expert
// there is a warning (knownExperts).
func (tx *transaction) addRawContent(round blue.Round, slug blue.ExpertSlug, text string) {
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

// addMoves adds the moves, numbered per expert in batch order.
func (tx *transaction) addMoves(b blue.RoundBatch) error {
	seq := map[string]blue.Seq{}
	for _, m := range b.Moves {
		seq[m.Expert.Key()]++
		err := tx.add(&blue.Move{
			Round: b.Round, Expert: m.Expert, Seq: seq[m.Expert.Key()], Type: blue.MoveType(m.Type), CreatedAt: tx.now,
			Display: m.Expert, Targets: m.Targets, Context: m.Context,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RegisterVerdict implements blue.DialogueStore.
func (e *Engine) RegisterVerdict(ctx context.Context, id blue.DialogueID, n blue.NewVerdict) (blue.Scoped[blue.Decided], error) {
	if err := n.Validate(); err != nil {
		return blue.Scoped[blue.Decided]{}, err
	}
	return change(ctx, e, id, func(tx *transaction, answer *blue.Decided) error {
		*answer = blue.Decided{Verdict: newVerdict(tx, n)}
		if found, ok := tx.snapshot.Verdict(n.ID); ok && n.Step == nil {
			if !isSameVerdict(found, &answer.Verdict) {
				return fmt.Errorf("%w: dialogue %s already has the verdict %s; nothing was written", blue.ErrConflict, id, n.ID)
			}
			answer.Verdict, answer.Repeated, answer.Forced = *found, true, found.Forced
			return nil
		}
		if n.Type == blue.VerdictFinal {
			if gate := tx.snapshot.CheckConvergence(); gate != nil {
				if !n.Force {
					return gate
				}
				answer.Forced, answer.Blockers, answer.Verdict.Forced = true, gate.Blockers, true
			}
			tx.snapshot.Dialogue.Status, tx.snapshot.Dialogue.ConvergedAt = blue.StatusConverged, tx.now
		}
		if err := tx.add(&answer.Verdict); err != nil {
			return err
		}
		answer.Warnings = adopt(tx, n)
		return tx.step(n.Step)
	})
}

// newVerdict returns the entity of a request. A confidence of one word and at
// most 32 bytes is a clear attribute; any other text is sealed (docs/format.md).
func newVerdict(tx *transaction, n blue.NewVerdict) blue.Verdict {
	v := blue.Verdict{
		ID: n.ID, Type: n.Type, Round: n.Round, CreatedAt: tx.now, AuthorExpert: n.AuthorExpert,
		Recommendation: n.Recommendation, Description: n.Description, Conditions: n.Conditions, Vote: n.Vote,
		SupportingExperts: n.SupportingExperts, EthosCompliance: n.EthosCompliance, TensionsAccepted: n.TensionsAccepted,
	}
	if len(n.Confidence) <= 32 && !strings.ContainsFunc(n.Confidence, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		v.Confidence = n.Confidence
	} else {
		v.ConfidenceText = n.Confidence
	}
	return v
}

// isSameVerdict reports whether a request repeats the one that made the verdict.
func isSameVerdict(a, b *blue.Verdict) bool {
	return a.Type == b.Type && a.Round == b.Round && a.AuthorExpert == b.AuthorExpert &&
		a.Recommendation == b.Recommendation && a.Description == b.Description && a.Vote == b.Vote &&
		a.Confidence == b.Confidence && a.ConfidenceText == b.ConfidenceText &&
		slices.Equal(a.Conditions, b.Conditions) && slices.Equal(a.SupportingExperts, b.SupportingExperts) &&
		slices.Equal(a.TensionsAccepted, b.TensionsAccepted) && string(a.EthosCompliance) == string(b.EthosCompliance)
}

// adopt stores on each recommendation which verdict adopted it. It is the only
// place of that link (RFC 0058, Amendment 2). A later verdict of another type
// does not replace the adoption by a final verdict. A name without a
// recommendation in the dialogue is a warning.
func adopt(tx *transaction, n blue.NewVerdict) []blue.Warning {
	var warnings []blue.Warning
	for _, name := range n.RecommendationsAdopted {
		id, _ := blue.ParseEntityID(name)
		e, _ := tx.find(id)
		r, ok := e.(*blue.Recommendation)
		if !ok {
			warnings = append(warnings, blue.Warning{Type: "verdict_claim", Round: &n.Round,
				Message: fmt.Sprintf("verdict %s adopts %q, which is no recommendation of this dialogue", n.ID, name)})
			continue
		}
		if by, ok := tx.snapshot.Verdict(r.AdoptedInVerdict); ok && by.Type == blue.VerdictFinal && n.Type != blue.VerdictFinal {
			continue
		}
		r.AdoptedInVerdict = n.ID
		tx.keep(r)
	}
	return warnings
}
