package blue

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

func localBatch() RoundBatch {
	return RoundBatch{
		Round: 1,
		Drafts: map[Kind][]Draft{
			KindPerspective: {
				{LocalID: "MUFFIN-P0101", Label: "L", Text: "C"},
				{LocalID: "MUFFIN-P0102", Label: "L", Text: "C", References: []RefDraft{
					{"support", "MUFFIN-P0101"}, {"support", "P0103"}, {"resolve", "CUPCAKE-T0101"}, {"support", "P9999"}, {"refine", "MUFFIN-P0101"}}},
			},
			KindTension: {{LocalID: "CUPCAKE-T0101", Label: "L", Text: "D"}},
			KindClaim:   {{Label: "L", Text: "C"}},
		},
		TensionUpdates: []TensionUpdate{{ID: "CUPCAKE-T0101", Status: "addressed", Via: "MUFFIN-P0102"}, {ID: "T0001", Status: "resolved", Via: "in passing"}},
		Moves:          []MoveDraft{{Expert: "Muffin", Type: "bridge", Targets: []string{"CUPCAKE-T0101", "P0001", "words"}}},
	}
}

func TestNumberAndResolve(t *testing.T) {
	b := localBatch()
	before, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	highest := map[Kind]Seq{KindPerspective: 2, KindClaim: 98}
	ids, err := b.Number(func(k Kind) Seq { return highest[k] })
	if err != nil {
		t.Fatal(err)
	}
	want := map[Kind][]Numbered{
		KindPerspective: {{EntityID{KindPerspective, 1, 3}, "MUFFIN-P0101"}, {EntityID{KindPerspective, 1, 4}, "MUFFIN-P0102"}},
		KindTension:     {{EntityID{KindTension, 1, 1}, "CUPCAKE-T0101"}},
		KindClaim:       {{EntityID{KindClaim, 1, 99}, ""}},
	}
	if !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %v, want %v", ids, want)
	}
	got := b.Resolve(ids)
	// "support P0103" repeats the resolved "support MUFFIN-P0101".
	wantRefs := []RefDraft{{"support", "P0103"}, {"resolve", "T0101"}, {"support", "P9999"}, {"refine", "P0103"}}
	if refs := got.Drafts[KindPerspective][1].References; !reflect.DeepEqual(refs, wantRefs) {
		t.Errorf("references %v, want %v", refs, wantRefs)
	}
	wantUpdates := []TensionUpdate{{ID: "T0101", Status: "addressed", Via: "P0104"}, {ID: "T0001", Status: "resolved", Via: "in passing"}}
	if !reflect.DeepEqual(got.TensionUpdates, wantUpdates) {
		t.Errorf("updates %v, want %v", got.TensionUpdates, wantUpdates)
	}
	if targets := got.Moves[0].Targets; !reflect.DeepEqual(targets, []string{"T0101", "P0001", "words"}) {
		t.Errorf("move targets %v", targets)
	}
	if after, _ := json.Marshal(b); string(after) != string(before) {
		t.Errorf("the batch was modified:\n%s\n%s", before, after)
	}
}

func TestNumberRefusesTheHundredth(t *testing.T) {
	b := localBatch()
	ids, err := b.Number(func(Kind) Seq { return MaxSeq })
	if ids != nil || !errors.Is(err, ErrRefused) || codesOf(err)[0] != CodeInvalidRound {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := (RoundBatch{}).Number(func(Kind) Seq { return MaxSeq }); err != nil || len(ids) != 0 {
		t.Errorf("nothing to number in a full round: %v, %v", ids, err)
	}
}

// A local id in the form of a display id would hide a real one.
func TestResolveKeepsDisplayIDs(t *testing.T) {
	b := RoundBatch{Round: 1, Drafts: map[Kind][]Draft{KindPerspective: {{LocalID: "P0001", References: []RefDraft{{"support", "P0001"}}}}}}
	ids, err := b.Number(func(Kind) Seq { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Resolve(ids).Drafts[KindPerspective][0].References[0].Target; got != "P0001" {
		t.Errorf("P0001 became %s", got)
	}
}

func TestHighestSeq(t *testing.T) {
	s := &errorCases().snapshot
	s.Add(&Tension{Contribution: Contribution{ID: EntityID{KindTension, 1, 7}}})
	for _, test := range []struct {
		round Round
		kind  Kind
		want  Seq
	}{{0, KindTension, 1}, {1, KindTension, 7}, {1, KindPerspective, 0}, {2, KindTension, 0}} {
		if got := s.HighestSeq(test.round, test.kind); got != test.want {
			t.Errorf("round %d, %s: %d, want %d", test.round, test.kind, got, test.want)
		}
	}
}

func TestKnown(t *testing.T) {
	s := &errorCases().snapshot
	b := RoundBatch{
		ExpertScores: map[ExpertSlug]int64{"muffin": 4, "Nobody": 9, "Cupcake": 2},
		RawContent:   map[ExpertSlug]string{"Nobody": "x", "Anybody": "y", "Muffin": "z"},
	}
	scores, warnings := b.Known(s)
	if !reflect.DeepEqual(scores, []ExpertScore{{"Cupcake", 2}, {"Muffin", 4}}) {
		t.Errorf("scores %v", scores)
	}
	if len(warnings) != 2 || warnings[0].Expert != "Anybody" || warnings[1].Expert != "Nobody" || warnings[1].Type != "unknown_expert" {
		t.Errorf("warnings %+v", warnings)
	}
}
