package blue

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestValidateOwnRules(t *testing.T) {
	ok := func(local string, refs ...RefDraft) Draft {
		return Draft{LocalID: local, Label: "L", Text: "C", References: refs}
	}
	tests := []struct {
		name  string
		batch RoundBatch
		want  []string // "field code"
	}{
		{"nothing wrong", RoundBatch{}, nil},
		{"round", RoundBatch{Round: 100}, []string{"round invalid_round"}},
		{"negative round", RoundBatch{Round: -1}, []string{"round invalid_round"}},
		{"local id as target", RoundBatch{Drafts: map[Kind][]Draft{
			KindPerspective: {ok("MUFFIN-P0101", RefDraft{"resolve", "CUPCAKE-T0101"})}, KindTension: {ok("CUPCAKE-T0101")}}}, nil},
		{"kind of a local target", RoundBatch{Drafts: map[Kind][]Draft{
			KindPerspective: {ok("a", RefDraft{"resolve", "a"}, RefDraft{"refine", "b"})}, KindTension: {ok("b", RefDraft{"refine", "b"})}}},
			[]string{"perspectives[0].references[0] invalid_ref_target", "perspectives[0].references[1] invalid_ref_target"}},
		{"unknown local target", RoundBatch{Drafts: map[Kind][]Draft{KindClaim: {ok("a", RefDraft{"support", "b"})}}},
			[]string{"claims[0].references[0].target invalid_display_id"}},
		{"a display id is not a local id", RoundBatch{Drafts: map[Kind][]Draft{KindClaim: {ok("T0001", RefDraft{"resolve", "T0001"})}}}, nil},
		{"local id twice, across kinds", RoundBatch{Drafts: map[Kind][]Draft{KindPerspective: {ok("a")}, KindClaim: {ok("a"), ok(""), ok("")}}},
			[]string{"claims[0].local_id duplicate_entity"}},
		{"tension update of a local tension", RoundBatch{Drafts: map[Kind][]Draft{KindTension: {ok("x")}, KindClaim: {ok("y")}},
			TensionUpdates: []TensionUpdate{{ID: "x", Status: "resolved"}, {ID: "y", Status: "resolved"}, {ID: "z", Status: ""}}},
			[]string{"tension_updates[1].id type_id_mismatch", "tension_updates[2].id invalid_display_id",
				"tension_updates[2].status invalid_status_transition"}},
		{"moves", RoundBatch{Moves: []MoveDraft{{Expert: "Muffin", Type: "bridge", Targets: []string{"anything"}},
			{}, {Expert: "a#b", Type: "attack"}}},
			[]string{"moves[1].expert missing_field", "moves[1].type missing_field", "moves[2].expert expert_not_in_dialogue",
				"moves[2].type invalid_status_transition"}},
		{"too many moves of one expert", RoundBatch{Moves: slices.Repeat([]MoveDraft{{Expert: "Muffin", Type: "defend"}}, 101)},
			[]string{"moves[99] invalid_round"}},
		{"too many", RoundBatch{Drafts: map[Kind][]Draft{KindEvidence: slices.Repeat([]Draft{ok("")}, 100)}},
			[]string{"evidence invalid_round"}},
		{"as many as fit", RoundBatch{Drafts: map[Kind][]Draft{KindEvidence: slices.Repeat([]Draft{ok("")}, 99)}}, nil},
		{"not a kind", RoundBatch{Drafts: map[Kind][]Draft{KindVerdict: {ok("")}}}, []string{"drafts invalid_entity_type"}},
		{"one expert in two cases", RoundBatch{ExpertScores: map[ExpertSlug]int64{"Muffin": 1, "muffin": 2}},
			[]string{"expert_scores duplicate_entity"}},
	}
	for _, test := range tests {
		var got []string
		if err := test.batch.Validate(); err != nil {
			for _, e := range err.(*ValidationError).Errors {
				got = append(got, e.Field+" "+e.Code)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
	}
}

// A refusal names fields and codes, and no entity's text.
func TestValidationErrorHidesText(t *testing.T) {
	b := RoundBatch{Drafts: map[Kind][]Draft{KindPerspective: slices.Repeat([]Draft{{Text: "secret words"}}, 7)}}
	err := b.Validate()
	if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "and 2 more") {
		t.Error(err)
	}
}
