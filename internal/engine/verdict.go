package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// RegisterVerdict implements blue.DialogueStore.
func (s *Store) RegisterVerdict(ctx context.Context, id blue.DialogueID, n blue.NewVerdict) (blue.Scoped[blue.Decided], error) {
	if err := n.Validate(); err != nil {
		return blue.Scoped[blue.Decided]{}, err
	}
	var answer blue.Decided
	err := s.update(ctx, id, func(tx *transaction) error {
		answer = blue.Decided{Verdict: newVerdict(tx, n)}
		if found := findVerdict(tx.snapshot, n.ID); found != nil && n.Step == nil {
			if !sameVerdict(found, &answer.Verdict) {
				return fmt.Errorf("%w: dialogue %s already has the verdict %s; nothing was written", blue.ErrConflict, id, n.ID)
			}
			answer.Verdict, answer.Repeated, answer.Forced = *found, true, found.Forced
			return nil
		}
		if n.Type == blue.VerdictFinal {
			if err := converge(tx, n, &answer); err != nil {
				return err
			}
		}
		if err := tx.add(&answer.Verdict); err != nil {
			return err
		}
		answer.Warnings = adopt(tx, n)
		return tx.step(n.Step)
	})
	return answered(id, answer, err)
}

func findVerdict(s *blue.Snapshot, id blue.VerdictID) *blue.Verdict {
	i := slices.IndexFunc(s.Verdicts, func(v *blue.Verdict) bool { return v.ID == id })
	if i < 0 {
		return nil
	}
	return s.Verdicts[i]
}

// newVerdict makes the entity of a request.
func newVerdict(tx *transaction, n blue.NewVerdict) blue.Verdict {
	v := blue.Verdict{
		ID: n.ID, Type: n.Type, Round: n.Round, CreatedAt: tx.now, AuthorExpert: n.AuthorExpert,
		Recommendation: n.Recommendation, Description: n.Description, Conditions: n.Conditions, Vote: n.Vote,
		SupportingExperts: n.SupportingExperts, EthosCompliance: n.EthosCompliance, TensionsAccepted: n.TensionsAccepted,
	}
	if oneWord(n.Confidence) {
		v.Confidence = n.Confidence
	} else {
		v.ConfidenceText = n.Confidence
	}
	return v
}

// oneWord reports whether a confidence may stand in clear: one word of at
// most 32 bytes (design §3).
func oneWord(s string) bool {
	return len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// sameVerdict reports whether a request repeats the one that made the verdict.
func sameVerdict(a, b *blue.Verdict) bool {
	return a.Type == b.Type && a.Round == b.Round && a.AuthorExpert == b.AuthorExpert &&
		a.Recommendation == b.Recommendation && a.Description == b.Description && a.Vote == b.Vote &&
		a.Confidence == b.Confidence && a.ConfidenceText == b.ConfidenceText &&
		slices.Equal(a.Conditions, b.Conditions) && slices.Equal(a.SupportingExperts, b.SupportingExperts) &&
		slices.Equal(a.TensionsAccepted, b.TensionsAccepted) && string(a.EthosCompliance) == string(b.EthosCompliance)
}

// converge passes the gate, or forces it, and converges the dialogue.
func converge(tx *transaction, n blue.NewVerdict, answer *blue.Decided) error {
	gate := tx.snapshot.CheckConvergence()
	if gate != nil && !n.Force {
		return gate
	}
	if gate != nil {
		answer.Forced, answer.Blockers, answer.Verdict.Forced = true, gate.Blockers, true
	}
	d := &tx.snapshot.Dialogue
	d.Status, d.ConvergedAt = blue.StatusConverged, tx.now
	return nil
}

// adopt notes on each recommendation which verdict adopted it. The link is
// kept there, once (RFC 0058, Amendment 2). A final verdict's adoption is not
// taken over by a later verdict of another type.
func adopt(tx *transaction, n blue.NewVerdict) []blue.Warning {
	var warnings []blue.Warning
	for _, name := range n.RecommendationsAdopted {
		r, ok := tx.recommendation(name)
		if !ok {
			warnings = append(warnings, blue.Warning{Type: "verdict_claim", Round: &n.Round,
				Message: fmt.Sprintf("verdict %s adopts %q, which is no recommendation of this dialogue", n.ID, name)})
			continue
		}
		if by := findVerdict(tx.snapshot, r.AdoptedInVerdict); by != nil && by.Type == blue.VerdictFinal && n.Type != blue.VerdictFinal {
			continue
		}
		r.AdoptedInVerdict = n.ID
		tx.keep(r)
	}
	return warnings
}

// recommendation returns the recommendation that a display id names.
func (tx *transaction) recommendation(name string) (*blue.Recommendation, bool) {
	id, err := blue.ParseEntityID(name)
	if err != nil {
		return nil, false
	}
	e, _ := tx.find(id)
	r, ok := e.(*blue.Recommendation)
	return r, ok
}
