package engine

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/wire"
)

func localBatch() blue.RoundBatch {
	return blue.RoundBatch{
		Round: 1,
		Drafts: map[blue.Kind][]blue.Draft{
			blue.KindPerspective: {
				{LocalID: "MUFFIN-P0101", Label: "L", Text: "C"},
				{LocalID: "MUFFIN-P0102", Label: "L", Text: "C", References: []blue.RefDraft{
					{Type: "support", Target: "MUFFIN-P0101"}, {Type: "support", Target: "P0103"}, {Type: "resolve", Target: "CUPCAKE-T0101"}, {Type: "support", Target: "P9999"}, {Type: "refine", Target: "MUFFIN-P0101"}}},
			},
			blue.KindTension: {{LocalID: "CUPCAKE-T0101", Label: "L", Text: "D"}},
			blue.KindClaim:   {{Label: "L", Text: "C"}},
		},
		TensionUpdates: []blue.TensionUpdate{{ID: "CUPCAKE-T0101", Status: "addressed", Via: "MUFFIN-P0102"}, {ID: "T0001", Status: "resolved", Via: "in passing"}},
		Moves:          []blue.MoveDraft{{Expert: "Muffin", Type: "bridge", Targets: []string{"CUPCAKE-T0101", "P0001", "words"}}},
	}
}

func TestNumberAndResolve(t *testing.T) {
	b := localBatch()
	before, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var s blue.Snapshot
	s.Add(&blue.Perspective{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindPerspective, Round: 1, Seq: 2}}},
		&blue.Claim{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindClaim, Round: 1, Seq: 98}}})
	ids := numberDrafts(b, &s)
	want := map[blue.Kind][]blue.Numbered{
		blue.KindPerspective: {{ID: blue.EntityID{Kind: blue.KindPerspective, Round: 1, Seq: 3}, LocalID: "MUFFIN-P0101"}, {ID: blue.EntityID{Kind: blue.KindPerspective, Round: 1, Seq: 4}, LocalID: "MUFFIN-P0102"}},
		blue.KindTension:     {{ID: blue.EntityID{Kind: blue.KindTension, Round: 1, Seq: 1}, LocalID: "CUPCAKE-T0101"}},
		blue.KindClaim:       {{ID: blue.EntityID{Kind: blue.KindClaim, Round: 1, Seq: 99}, LocalID: ""}},
	}
	if !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %v, want %v", ids, want)
	}
	got := resolveDraftIDs(b, ids)
	// "support P0103" repeats the resolved "support MUFFIN-P0101".
	wantRefs := []blue.RefDraft{{Type: "support", Target: "P0103"}, {Type: "resolve", Target: "T0101"}, {Type: "support", Target: "P9999"}, {Type: "refine", Target: "P0103"}}
	if refs := got.Drafts[blue.KindPerspective][1].References; !reflect.DeepEqual(refs, wantRefs) {
		t.Errorf("references %v, want %v", refs, wantRefs)
	}
	wantUpdates := []blue.TensionUpdate{{ID: "T0101", Status: "addressed", Via: "P0104"}, {ID: "T0001", Status: "resolved", Via: "in passing"}}
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

// A local id in the form of a display id would hide a real one.
func TestResolveKeepsDisplayIDs(t *testing.T) {
	b := blue.RoundBatch{Round: 1, Drafts: map[blue.Kind][]blue.Draft{blue.KindPerspective: {{LocalID: "P0001", References: []blue.RefDraft{{Type: "support", Target: "P0001"}}}}}}
	if got := resolveDraftIDs(b, numberDrafts(b, &blue.Snapshot{})).Drafts[blue.KindPerspective][0].References[0].Target; got != "P0001" {
		t.Errorf("P0001 became %s", got)
	}
}

func TestHighestSeq(t *testing.T) {
	s := firstRound()
	s.Add(&blue.Tension{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindTension, Round: 1, Seq: 7}}})
	for _, test := range []struct {
		round blue.Round
		kind  blue.Kind
		want  blue.Seq
	}{{0, blue.KindTension, 1}, {1, blue.KindTension, 7}, {1, blue.KindPerspective, 0}, {2, blue.KindTension, 0}} {
		if got := highestSeq(s, test.round, test.kind); got != test.want {
			t.Errorf("round %d, %s: %d, want %d", test.round, test.kind, got, test.want)
		}
	}
}

func TestKnown(t *testing.T) {
	s := firstRound()
	b := blue.RoundBatch{
		ExpertScores: map[blue.ExpertSlug]int64{"muffin": 4, "Nobody": 9, "Cupcake": 2},
		RawContent:   map[blue.ExpertSlug]string{"Nobody": "x", "Anybody": "y", "Muffin": "z"},
	}
	scores, warnings := knownExperts(b, s)
	if !reflect.DeepEqual(scores, map[blue.ExpertSlug]int64{"Cupcake": 2, "Muffin": 4}) {
		t.Errorf("scores %v", scores)
	}
	if len(warnings) != 2 || warnings[0].Expert != "Anybody" || warnings[1].Expert != "Nobody" || warnings[1].Type != "unknown_expert" {
		t.Errorf("warnings %+v", warnings)
	}
}

// firstRound is a dialogue with P0001, T0001 and two experts.
func firstRound() *blue.Snapshot {
	s := &blue.Snapshot{
		Dialogue: blue.Dialogue{ID: "first-round", Status: blue.StatusOpen},
		Experts:  []*blue.Expert{{Slug: "Cupcake"}, {Slug: "Muffin"}},
	}
	s.Add(&blue.Perspective{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindPerspective, Seq: 1}}},
		&blue.Tension{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindTension, Seq: 1}}})
	return s
}

func TestCheckBatch(t *testing.T) {
	s := firstRound()
	draft := blue.Draft{Label: "L", Text: "D", LocalID: "local"}
	update := func(id string) blue.RoundBatch {
		return blue.RoundBatch{Round: 1, Drafts: map[blue.Kind][]blue.Draft{blue.KindTension: {draft}}, TensionUpdates: []blue.TensionUpdate{{ID: id, Status: "resolved"}}}
	}
	for id, want := range map[string]string{
		"T0001": "ok", "local": "ok", "T0101": "ok", // the batch makes T0101
		"T0102": "entity_not_found", "T0100": "entity_not_found", "T0000": "entity_not_found", "T9901": "entity_not_found",
	} {
		b := update(id)
		if got := codesOf(errors.Join(b.Validate(), checkBatch(b, s))); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", id, got, want)
		}
	}
	full := blue.RoundBatch{Drafts: map[blue.Kind][]blue.Draft{blue.KindTension: slices.Repeat([]blue.Draft{{Label: "L", Text: "D"}}, 99)}}
	if got := codesOf(checkBatch(full, s)); !slices.Equal(got, []string{"invalid_round"}) {
		t.Errorf("99 more after T0001: %v", got)
	}
	if err := errors.Join(full.Validate(), checkBatch(full, &blue.Snapshot{})); err != nil {
		t.Errorf("99 alone: %v", err)
	}
	if err := checkBatch(blue.RoundBatch{}, s); err != nil {
		t.Errorf("nothing to number: %v", err)
	}
}

// A batch that can be read and is valid can be numbered and resolved into
// references that all are display ids.
func FuzzNumberAndResolve(f *testing.F) {
	for _, s := range []string{
		`{"score":1}`,
		`{"score":1,"perspectives":[{"label":"L","content":"C","local_id":"a","references":[{"type":"support","target":"a"}]}]}`,
		`{"score":1,"tensions":[{"label":"L","description":"D","local_id":"t"}],"tension_updates":[{"id":"t","status":"resolved","by":"M","via":"t"}]}`,
		`{"score":1,"recommendations":[{"label":"L","content":"C","parameters":null}],"moves":[{"expert":"M","type":"bridge","targets":["t"]}]}`,
		`{"score":1,"claims":[{"references":[{"type":"refine","target":"P0001"},{}]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, _, err := wire.ParseRoundBatch("d", 1, data)
		if err != nil || b.Validate() != nil || checkBatch(b, &blue.Snapshot{}) != nil {
			return
		}
		resolved := resolveDraftIDs(b, numberDrafts(b, &blue.Snapshot{}))
		for kind, drafts := range resolved.Drafts {
			for _, d := range drafts {
				for _, r := range d.References {
					target, err := blue.ParseEntityID(r.Target)
					if err != nil || blue.RefType(r.Type).Check(kind, target.Kind) != nil {
						t.Fatalf("%s %+v passed", kind, r)
					}
				}
			}
		}
		for _, u := range resolved.TensionUpdates {
			if id, err := blue.ParseEntityID(u.ID); err != nil || id.Kind != blue.KindTension {
				t.Fatalf("update of %q passed", u.ID)
			}
		}
	})
}
