package demo

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/importer"
)

func read(t *testing.T) *importer.Source {
	t.Helper()
	src, err := importer.ReadFolder(FS())
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// TestSourceIsCompleteAndClean checks that the importer reports no note and reads
// every kind of entity.
func TestSourceIsCompleteAndClean(t *testing.T) {
	src := read(t)
	for _, n := range src.Notes {
		t.Errorf("%s:%d: %s: %s", n.File, n.Line, n.Kind, n.Message)
	}
	want := map[string]int{
		"rounds": 3, "experts": 6, "perspectives": 18, "tensions": 6, "recommendations": 3, "evidence": 3, "claims": 14,
		"references": 33, "tension_updates": 6, "moves": 11, "convergence_signals": 6, "expert_scores": 17, "verdicts": 1,
	}
	if diff := cmp.Diff(want, src.Found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// TestReferencesAndTensions checks that every reference has a target, every
// tension ends resolved, and every batch passes Blue's validation.
func TestReferencesAndTensions(t *testing.T) {
	src := read(t)
	placed := map[string]bool{}
	status := map[string]string{}
	types := map[string]bool{}
	for _, op := range src.Ops {
		b := op.Round
		if b == nil {
			continue
		}
		if err := b.Validate(); err != nil {
			t.Errorf("round %d: %v", b.Round, err)
		}
		for kind, drafts := range b.Drafts {
			for i := range drafts {
				id := blue.EntityID{Kind: kind, Round: b.Round, Seq: blue.Seq(i + 1)}.String()
				placed[id] = true
				if kind == blue.KindTension {
					status[id] = "open"
				}
			}
		}
		for _, drafts := range b.Drafts {
			for _, d := range drafts {
				for _, ref := range d.References {
					types[ref.Type] = true
					if !placed[ref.Target] {
						t.Errorf("%s refers to %s, which does not exist", d.LocalID, ref.Target)
					}
				}
			}
		}
		for _, u := range b.TensionUpdates {
			status[u.ID] = string(u.Status)
			if !placed[u.Via] {
				t.Errorf("%s is %s via %q, which does not exist", u.ID, u.Status, u.Via)
			}
		}
	}
	for id, s := range status {
		if s != "resolved" {
			t.Errorf("%s ends %s", id, s)
		}
	}
	for _, want := range []string{"support", "oppose", "refine", "address", "resolve", "question", "depend"} {
		if !types[want] {
			t.Errorf("no reference of type %s", want)
		}
	}
}

// TestVerdictPassesTheGate checks Blue's gate (SPEC §9): velocity 0, and one
// signal of each member.
func TestVerdictPassesTheGate(t *testing.T) {
	src := read(t)
	var last *blue.RoundBatch
	signals := map[blue.ExpertSlug]bool{}
	for _, op := range src.Ops {
		if op.Round != nil {
			last = op.Round
			clear(signals)
		}
		if op.Signal != nil {
			signals[op.Signal.Expert] = true
		}
	}
	if last.OpenTensions+last.NewPerspectives != 0 || last.ConvergeSignals != last.PanelSize || int64(len(signals)) != last.PanelSize {
		t.Errorf("last round: open %d, new %d, signals %d of %d, recorded %d",
			last.OpenTensions, last.NewPerspectives, last.ConvergeSignals, last.PanelSize, len(signals))
	}
	v := src.Ops[len(src.Ops)-1].Verdict
	if v == nil {
		t.Fatal("the last operation is not a verdict")
	}
	if v.Type != blue.VerdictFinal || v.Force || v.Round != last.Round || v.Vote != "6-0" || v.Confidence != "unanimous" {
		t.Errorf("verdict: %s, forced %v, round %d, vote %q, confidence %q", v.Type, v.Force, v.Round, v.Vote, v.Confidence)
	}
	if want := "INLINE. References are stored once, as a list in the sealed payload of their source."; v.Recommendation != want {
		t.Errorf("recommendation %q, want %q", v.Recommendation, want)
	}
	got := [][]string{v.TensionsResolved, v.RecommendationsAdopted, v.KeyEvidence, v.KeyClaims}
	want := [][]string{{"T0001", "T0002", "T0003", "T0004", "T0101", "T0102"}, {"R0101", "R0202", "R0201"}, {"E0001", "E0102", "E0101"}, {"C0105", "C0202"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the basis of the verdict (-want +got):\n%s", diff)
	}
	if len(v.Conditions) != 3 || len(v.SupportingExperts) != 6 {
		t.Errorf("%d conditions, %d supporters", len(v.Conditions), len(v.SupportingExperts))
	}
}

// TestNumbersInTheText computes the numbers in the text.
func TestNumbersInTheText(t *testing.T) {
	const entities, events, references, head, limit = 30, 30, 40, 2, 100
	longest := 0
	for _, kind := range blue.RefTypes() {
		longest = max(longest, len(`{"type":"`+string(kind)+`","target":"P0101"}`))
	}
	got := map[string]int{
		"inline": entities + events + head, "items": entities + events + references + head,
		"spare": limit - entities - events - head, "bytes": longest, "round": 99 * len(blue.NumberedKinds()) * (longest + 1),
	}
	want := map[string]int{"inline": 62, "items": 102, "spare": 38, "bytes": 36, "round": 18315}
	if !maps.Equal(got, want) {
		t.Errorf("the text has %v, computed are %v", want, got)
	}
}
