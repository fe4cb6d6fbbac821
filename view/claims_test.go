package view

import (
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

func TestCheckClaims(t *testing.T) {
	tests := []struct {
		name    string
		verdict blue.NewVerdict
		want    []string
	}{
		{"nothing is claimed", blue.NewVerdict{}, nil},
		{"all true", blue.NewVerdict{
			TensionsResolved: []string{"T0001"}, RecommendationsAdopted: []string{"R0001"},
			KeyEvidence: []string{"E0002", "E0001", "E0101"}, KeyClaims: []string{"C0001", "C0003"},
		}, nil},
		{"claimed resolved, but open", blue.NewVerdict{TensionsResolved: []string{"T0101", "T0001", "T0101"}},
			[]string{"tensions_resolved names T0101, which is open"}},
		{"claimed resolved, but reopened", blue.NewVerdict{TensionsResolved: []string{"T0001", "T0002"}},
			[]string{"tensions_resolved names T0002, which is reopened"}},
		{"resolved, but not claimed", blue.NewVerdict{TensionsResolved: []string{}},
			[]string{"T0001 is resolved, but tensions_resolved does not name it"}},
		{"unknown tension", blue.NewVerdict{TensionsResolved: []string{"T0001", "T0909"}},
			[]string{"tensions_resolved names T0909, which is not in the dialogue"}},
		{"no tension", blue.NewVerdict{TensionsResolved: []string{"T0001", "P0001", "the \x1b first"}},
			[]string{`tensions_resolved names "P0001", which is no id of a tension`, `tensions_resolved names "the \x1b first", which is no id of a tension`}},
		{"an unknown recommendation is the store's business", blue.NewVerdict{RecommendationsAdopted: []string{"R0999", "x"}}, nil},
		{"claims of an adopted recommendation", blue.NewVerdict{RecommendationsAdopted: []string{"R0001"}, KeyClaims: []string{"C0002", "C0003"}}, nil},
		{"evidence that joins nothing", blue.NewVerdict{KeyClaims: []string{"C0004"}, RecommendationsAdopted: []string{"R0101"}},
			[]string{"key_claims names C0004, which no reference joins to an adopted recommendation or a resolved tension"}},
		{"evidence of a recommendation that was not adopted", blue.NewVerdict{KeyClaims: []string{"C0002"}},
			[]string{"key_claims names C0002, which no reference joins to an adopted recommendation or a resolved tension"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := tt.verdict
			v.ID, v.Round, v.AuthorExpert = "V09", 3, "Muffin"
			got := CheckClaims(v, sample(t))
			var messages []string
			for _, w := range got {
				if w.Type != "verdict_claim" || w.Expert != "Muffin" || w.Round == nil || *w.Round != 3 {
					t.Errorf("warning %+v", w)
				}
				messages = append(messages, strings.TrimPrefix(w.Message, "verdict V09: "))
			}
			if g, w := strings.Join(messages, "\n"), strings.Join(tt.want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}
