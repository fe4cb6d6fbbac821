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
	return change(ctx, s, id, func(tx *transaction, answer *blue.Decided) error {
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
