package view

import (
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

// TestRecordedClaims compares what the recorded verdicts say they resolved
// with what the dialogue says at their time: the authors agree with the graph,
// but for one tension that one author forgot. In the project's own dialogues
// one verdict forgets a tension and one names a tension that is not resolved.
func TestRecordedClaims(t *testing.T) {
	want := map[string]string{
		"supersession":  "verdict V01: T0201 is resolved, but tensions_resolved does not name it",
		"night-bus":     "verdict final: T0001 is resolved, but tensions_resolved does not name it",
		"library-hours": "verdict final: tensions_resolved names T0004, which is addressed",
	}
	for _, name := range dialogues {
		t.Run(name, func(t *testing.T) { checkRecordedClaims(t, name, want[name]) })
	}
}

func checkRecordedClaims(t *testing.T, name, want string) {
	r := readRecording(t, name)
	s := r.snapshot()
	for _, v := range r.rows("verdicts") {
		if v.text("verdict_type") != "final" {
			continue // the state of the snapshot is that of the last, final verdict
		}
		var got []string
		for _, w := range CheckClaims(blue.NewVerdict{
			ID: blue.VerdictID(v.text("verdict_id")), TensionsResolved: v.texts("tensions_resolved"), RecommendationsAdopted: v.texts("recommendations_adopted"),
		}, s) {
			got = append(got, w.Message)
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

// TestRecordedResolved pins the computed lists: the order of ids, and the time
// of each verdict rather than the end of the dialogue.
func TestRecordedResolved(t *testing.T) {
	want := map[string]map[blue.VerdictID][2]string{ // resolved, adopted
		"supersession": {"V01": {
			"T0001 T0002 T0003 T0004 T0005 T0006 T0007 T0008 T0009 T0010 T0101 T0102 T0103 T0104 T0105 T0106 T0107 T0201",
			"R0301 R0302 R0303 R0304 R0305 R0306 R0307 R0308 R0309 R0310"}},
		"ukfs": {"final": {
			"T0001 T0002 T0003 T0004 T0005 T0006 T0007 T0008 T0009 T0013 T0014 T0101 T0102 T0103 T0104 T0105 T0106",
			"R0201 R0202 R0203 R0204 R0205 R0206 R0207 R0208"}},
		"local-prod-parity": {"V01": {"T0001 T0002 T0004 T0101", ""}, "V02": {"T0001 T0002 T0004 T0101", "R0301 R0302 R0303"}},
		"synthetic-coverage": {
			"V01":             {"T0002", ""}, // reopened a round later
			"final":           {"T0001", "R0001"},
			"minority-esg":    {"T0001", ""},
			"dissent-galette": {"T0001", ""},
		},
		"every-kind": {
			"V01":             {"T0002", ""}, // reopened a round later
			"final":           {"T0001", "R0001"},
			"minority-depth":  {"T0001", ""},
			"dissent-galette": {"T0001", ""},
		},
		"night-bus":     {"final": {"T0001 T0002 T0003 T0004 T0005 T0101", "R0201 R0202 R0203"}},
		"library-hours": {"final": {"T0001 T0002 T0003 T0101", "R0201 R0202 R0203"}},
	}
	for _, name := range dialogues {
		t.Run(name, func(t *testing.T) {
			g := NewGraph(readRecording(t, name).snapshot())
			for v, lists := range want[name] {
				p, err := g.Provenance(v)
				if err != nil {
					t.Fatal(err)
				}
				if got := idText(p.TensionsResolved()); got != lists[0] {
					t.Errorf("%s resolved %q, want %q", v, got, lists[0])
				}
				if got := idText(p.RecommendationsAdopted()); got != lists[1] {
					t.Errorf("%s adopted %q, want %q", v, got, lists[1])
				}
			}
			if len(g.Edges) != references[name] || len(g.Dangling) != 0 {
				t.Errorf("%d edges, %d of them dangling", len(g.Edges), len(g.Dangling))
			}
		})
	}
}

func idText(ids []blue.EntityID) string {
	var words []string
	for _, id := range ids {
		words = append(words, id.String())
	}
	return strings.Join(words, " ")
}
