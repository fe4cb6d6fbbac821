package storetest

import (
	"encoding/json"

	blue "github.com/superviber/blue-encrypted-store"
)

func newDialogue() blue.NewDialogue { return blue.NewDialogue{Title: "How large is a muffin?"} }

func newExpert(slug blue.ExpertSlug) blue.NewExpert {
	return blue.NewExpert{Slug: slug, Role: "baker", Tier: "Core", Source: "pool"}
}

// draft returns a minimal entity of a batch.
func draft(label string) blue.Draft { return blue.Draft{Label: label, Text: "about " + label} }

// batch returns a round with one entity of each numbered kind. Its counts pass
// the gate for a final verdict.
func batch(round blue.Round) blue.RoundBatch {
	b := blue.RoundBatch{
		Round: round, Score: 7, ConvergeSignals: 2, PanelSize: 2,
		Drafts:       map[blue.Kind][]blue.Draft{},
		ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 4},
		Moves:        []blue.MoveDraft{{Expert: "Muffin", Type: "defend", Targets: []string{"P0001"}}},
	}
	for _, kind := range blue.NumberedKinds() {
		b.Drafts[kind] = []blue.Draft{draft(string(kind))}
	}
	return b
}

// seed makes a dialogue with two experts, round 0 of batch, and a verdict.
func (w *env) seed() {
	w.Helper()
	w.create(newDialogue())
	w.expert(newExpert("Muffin"))
	w.expert(newExpert("Scone"))
	w.round(batch(0))
	w.verdict(blue.NewVerdict{ID: "first", Type: "interim", Recommendation: "wait"})
}

// fullBatch sets every field of a round's request.
func fullBatch(round blue.Round) blue.RoundBatch {
	refs := []blue.RefDraft{{Type: "support", Target: "P0099"}, {Type: "resolve", Target: "SCONE-T1"}}
	b := blue.RoundBatch{
		Round: round, Score: 41, Wisdom: 11, Consistency: 12, Truth: 13, Relationships: 5,
		OpenTensions: 1, NewPerspectives: 2, ConvergeSignals: 1, PanelSize: 2,
		Title: "Opening", Summary: "All spoke.",
		Drafts:         map[blue.Kind][]blue.Draft{},
		TensionUpdates: []blue.TensionUpdate{{ID: "SCONE-T1", Status: "addressed", By: []blue.ExpertSlug{"Muffin"}, Via: "MUFFIN-R1"}},
		ExpertScores:   map[blue.ExpertSlug]int64{"Muffin": 9, "Scone": -3},
		RawContent:     map[blue.ExpertSlug]string{"Muffin": "As I wrote it."},
		Moves:          []blue.MoveDraft{{Expert: "Muffin", Type: "bridge", Targets: []string{"SCONE-T1", "E0001"}, Context: "between both"}},
	}
	locals := map[blue.Kind]string{
		blue.KindPerspective: "MUFFIN-P1", blue.KindTension: "SCONE-T1", blue.KindRecommendation: "MUFFIN-R1",
		blue.KindEvidence: "MUFFIN-E1", blue.KindClaim: "SCONE-C1",
	}
	for kind, local := range locals {
		d := draft(string(kind))
		d.LocalID, d.Contributors, d.References = local, []blue.ExpertSlug{"Muffin", "Scone"}, refs
		if kind == blue.KindRecommendation {
			d.Parameters = json.RawMessage(`{"grams":120,"<why>":[null,1.50]}`)
		}
		b.Drafts[kind] = []blue.Draft{d}
	}
	return b
}
