package blue

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// replay applies requests to a snapshot in memory, with the rules of this
// package and nothing else: no store, no times.
type replay struct {
	snapshot Snapshot
}

// recordedOp is one operation of a recorded dialogue.
type recordedOp struct {
	Op      string          `json:"op"`
	Round   Round           `json:"round"`
	Data    json.RawMessage `json:"data"`
	Refused bool            `json:"refused"` // in the project's own dialogues
}

// replayed builds the snapshot of a recorded dialogue from its operations.
func replayed(t *testing.T, name string) *Snapshot {
	t.Helper()
	var inputs struct{ Ops []recordedOp }
	fixtures.ReadJSON(t, fixtures.Dialogue(t, name, "inputs.json"), &inputs)
	var r replay
	for i, op := range inputs.Ops {
		err := r.apply(op)
		if err != nil && !r.expected(op, err) || err == nil && op.Refused {
			t.Fatalf("%s: operation %d, %s: %v", name, i, op.Op, err)
		}
	}
	return &r.snapshot
}

// expected lets the refusals pass that are part of a dialogue: those that it
// marks, and the one of the recordings.
func (r *replay) expected(op recordedOp, err error) bool {
	if op.Refused {
		return true
	}
	_, gate := err.(*GateError)
	return gate && op.Op == "verdict-register" && strings.Contains(string(op.Data), "too-early")
}

func (r *replay) apply(op recordedOp) error {
	s := &r.snapshot
	switch op.Op {
	case "create":
		d, _, err := ParseNewDialogue(op.Data)
		if err != nil {
			return err
		}
		id, err := SlugID(d.Title)
		s.Dialogue = Dialogue{ID: id, Title: d.Title, Status: StatusOpen}
		return err
	case "expert-register", "expert-create":
		n, _, err := ParseNewExpert(op.Data)
		if _, taken := s.Expert(n.Slug); taken {
			return ErrConflict
		}
		if err == nil {
			s.Experts = append(s.Experts, &Expert{Slug: n.Slug, FirstRound: n.FirstRound, Tier: n.Tier, Source: n.Source})
			slices.SortFunc(s.Experts, func(a, b *Expert) int { return strings.Compare(a.Slug.Key(), b.Slug.Key()) })
		}
		return err
	case "round-register":
		_, err := r.round(op.Round, op.Data)
		return err
	case "verdict-register":
		return r.verdict(op.Data)
	case "signal":
		if op.Refused { // this file knows no signals
			return ErrInvalid
		}
		return nil
	}
	return fmt.Errorf("unknown operation %q", op.Op)
}

func (r *replay) round(round Round, data []byte) ([]Warning, error) {
	s := &r.snapshot
	b, warnings, err := ParseRoundBatch(s.Dialogue.ID, round, data)
	if err != nil {
		return warnings, err
	}
	if err := b.ValidateAgainst(s); err != nil {
		return warnings, err
	}
	ids, err := b.Number(func(k Kind) Seq { return s.HighestSeq(round, k) })
	if err != nil {
		return warnings, err
	}
	b = b.Resolve(ids)
	s.Rounds = append(s.Rounds, &RoundRecord{
		Round: b.Round, Score: b.Score, Wisdom: b.Wisdom, Consistency: b.Consistency, Truth: b.Truth, Relationships: b.Relationships,
		OpenTensions: b.OpenTensions, NewPerspectives: b.NewPerspectives, ConvergeSignals: b.ConvergeSignals, PanelSize: b.PanelSize,
	})
	s.Dialogue.TotalRounds = max(s.Dialogue.TotalRounds, int64(round)+1)
	s.Dialogue.TotalAlignment += b.Score
	for _, kind := range NumberedKinds() {
		for i, d := range b.Drafts[kind] {
			if err := r.add(ids[kind][i].ID, d); err != nil {
				return warnings, err
			}
		}
	}
	for _, u := range b.TensionUpdates {
		id, err := ParseEntityID(u.ID)
		if err != nil {
			return warnings, err
		}
		e, _ := s.Find(id)
		e.Common().Status = u.Status
	}
	scores, unknown := b.Known(s)
	for _, score := range scores {
		e, _ := s.Expert(score.Slug)
		if e.Scores == nil {
			e.Scores = map[Round]int64{}
		}
		e.Scores[round] = score.Score
		e.TotalScore += score.Score
	}
	return append(warnings, unknown...), nil
}

func (r *replay) add(id EntityID, d Draft) error {
	c := Contribution{ID: id, Label: d.Label, Contributors: d.Contributors, LocalID: d.LocalID}
	for _, ref := range d.References {
		target, err := ParseEntityID(ref.Target)
		if err != nil {
			return err
		}
		c.References = append(c.References, Reference{RefType(ref.Type), target})
	}
	c.Status = id.Kind.InitialStatus()
	e := id.Kind.New()
	*e.Common() = c
	e.SetText(d.Text)
	if rec, ok := e.(*Recommendation); ok {
		rec.Parameters = d.Parameters
	}
	r.snapshot.Add(e)
	return nil
}

func (r *replay) verdict(data []byte) error {
	s := &r.snapshot
	n, _, err := ParseNewVerdict(s.Dialogue.ID, data)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(s.Verdicts, func(v *Verdict) bool { return v.ID == n.ID }) {
		return ErrConflict
	}
	if n.Type == VerdictFinal {
		rows := s.Scoreboard()
		if ok, blockers := Converge(rows); !ok && !n.Force {
			return NewGateError(rows, blockers)
		}
		s.Dialogue.Status, s.Dialogue.ConvergedAt = StatusConverged, time.Unix(0, 0)
	}
	s.Verdicts = append(s.Verdicts, &Verdict{ID: n.ID, Type: n.Type, Round: n.Round, Recommendation: n.Recommendation, Description: n.Description})
	return nil
}

// sameJSON compares a value's JSON form with a recorded one.
func sameJSON(t *testing.T, what string, got any, want []byte) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var g, w any
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s:\n got %s\nwant %s", what, text, want)
	}
}
