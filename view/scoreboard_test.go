package view

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// recordedLibrary is what Blue's library answers about a recorded dialogue.
type recordedLibrary struct {
	Progress    json.RawMessage `json:"progress"`
	Scoreboard  json.RawMessage `json:"scoreboard"`
	CanConverge struct {
		Blockers    []string `json:"blockers"`
		CanConverge bool     `json:"can_converge"`
	} `json:"can_converge"`
	Citations struct {
		IDs    []string          `json:"ids"`
		Result []json.RawMessage `json:"result"`
	} `json:"expand_citations"`
}

func TestRecordedDialogues(t *testing.T) {
	for _, name := range fixtures.Dialogues() {
		t.Run(name, func(t *testing.T) {
			var want recordedLibrary
			fixtures.ReadJSON(t, fixtures.Dialogue(t, name, "library.json"), &want)
			s := replayed(t, name)
			rows := Scoreboard(s)
			fixtures.SameJSON(t, "scoreboard", rows, want.Scoreboard)
			fixtures.SameJSON(t, "progress", NewProgress(s), want.Progress)
			var blockers []string
			if gate := s.CheckConvergence(); gate != nil {
				blockers = gate.Blockers
			}
			if (blockers == nil) != want.CanConverge.CanConverge || !slices.Equal(blockers, want.CanConverge.Blockers) {
				t.Errorf("CheckConvergence = %q; want %+v", blockers, want.CanConverge)
			}
			for i, c := range Cite(s, want.Citations.IDs) {
				if recorded := want.Citations.Result[i]; c.Err == nil {
					fixtures.SameJSON(t, "citation of "+c.ID, c, recorded)
				} else if !strings.HasPrefix(string(recorded), `{"error"`) && !strings.Contains(string(recorded), `"error"`) {
					t.Errorf("citation of %s: %v; want %s", c.ID, c.Err, recorded)
				}
			}
		})
	}
}

// The tensions that stay open and the experts without scores are counted in
// the notes about the recordings (SPEC §14).
func TestRecordedWarnings(t *testing.T) {
	want := map[string]map[string]int{
		"supersession":       {},
		"ukfs":               {"unresolved_tension": 3},
		"local-prod-parity":  {"unresolved_tension": 2, "missing_score": 11},
		"synthetic-coverage": {"unresolved_tension": 2},
		"every-kind":         {"unresolved_tension": 2, "orphaned_perspective": 1},
		"night-bus":          {},
		"library-hours":      {"unresolved_tension": 2},
	}
	for _, name := range fixtures.Dialogues() {
		t.Run(name, func(t *testing.T) {
			got := map[string]int{}
			for _, w := range Warnings(replayed(t, name)) {
				got[w.Type]++
			}
			if !maps.Equal(got, want[name]) {
				t.Errorf("warnings %v, want %v", got, want[name])
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	round := blue.Round(1)
	s := &blue.Snapshot{
		Dialogue: blue.Dialogue{Status: blue.StatusOpen},
		Experts: []*blue.Expert{
			{Slug: "Late", FirstRound: &round}, {Slug: "Muffin", Scores: map[blue.Round]int64{0: 0}}, {Slug: "Scone"},
		},
		Rounds: []*blue.RoundRecord{{Round: 0}},
		Entities: map[blue.Kind][]blue.Contributed{
			blue.KindPerspective: {&blue.Perspective{Contribution: blue.Contribution{
				ID: blue.EntityID{Kind: blue.KindPerspective, Round: 0, Seq: 1}, Contributors: []blue.ExpertSlug{"MUFFIN", "judge", "Nobody"}}}},
			blue.KindTension: {&blue.Tension{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}, Status: "addressed"}}},
		},
		Verdicts: []*blue.Verdict{{ID: "V01", Recommendation: "x"}},
	}
	types := func() (list []string) {
		for _, w := range Warnings(s) {
			list = append(list, w.Type+" "+string(w.Expert))
		}
		return list
	}
	want := []string{"missing_score Scone", "orphaned_perspective Nobody", "verdict_incomplete "}
	if got := types(); !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
	s.Dialogue.Status = blue.StatusConverged
	if got := types(); !slices.Contains(got, "unresolved_tension ") {
		t.Errorf("converged: warnings %q lack the tension", got)
	}
}

func TestScoreboardDoesNotWrap(t *testing.T) {
	s := &blue.Snapshot{Rounds: []*blue.RoundRecord{
		{Round: 0, Score: math.MaxInt64, OpenTensions: math.MaxInt64, NewPerspectives: 1},
		{Round: 1, Score: 1, Wisdom: math.MinInt64},
		{Round: 2, Wisdom: -1},
	}}
	rows := Scoreboard(s)
	if rows[0].Velocity != math.MaxInt64 || rows[1].CumulativeScore != math.MaxInt64 || rows[2].CumulativeWisdom != math.MinInt64 {
		t.Errorf("a sum wrapped: %+v", rows)
	}
	if p := NewProgress(s); p.Velocity != -1 {
		t.Errorf("velocity %d", p.Velocity)
	}
}

func TestProgress(t *testing.T) {
	tests := []struct {
		name       string
		scores     []int64
		open       int
		converging bool
		velocity   int64
		remaining  int64 // -1: none
	}{
		{"nothing", nil, 0, false, 0, 1},
		{"one round", []int64{9}, 3, false, 0, -1},
		{"rising", []int64{1, 9}, 5, false, 8, 2},
		{"rising, one open", []int64{1, 9}, 1, false, 8, 1},
		{"falling", []int64{9, 1}, 3, false, -8, -1},
		{"calm", []int64{9, 5, 1}, 3, true, -4, 1},
		{"a step of 5 is not calm", []int64{0, 5, 6}, 4, false, 1, 2},
	}
	for _, test := range tests {
		s := &blue.Snapshot{}
		for i, score := range test.scores {
			s.Rounds = append(s.Rounds, &blue.RoundRecord{Round: blue.Round(i), Score: score})
		}
		for range test.open {
			s.Add(&blue.Tension{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindTension}, Status: "reopened"}})
		}
		p := NewProgress(s)
		remaining := int64(-1)
		if p.EstRoundsRemaining != nil {
			remaining = *p.EstRoundsRemaining
		}
		if p.Converging != test.converging || p.Velocity != test.velocity || remaining != test.remaining {
			t.Errorf("%s: %v %d %d", test.name, p.Converging, p.Velocity, remaining)
		}
	}
}

func TestActiveExperts(t *testing.T) {
	first, later := blue.Round(1), blue.Round(2)
	s := &blue.Snapshot{
		Dialogue: blue.Dialogue{TotalRounds: 2},
		Experts: []*blue.Expert{
			{Slug: "A", FirstRound: &later, TotalScore: 9}, {Slug: "B", FirstRound: &first, TotalScore: -1}, {Slug: "C"},
			{Slug: "E", FirstRound: &first, TotalScore: 3}, {Slug: "D", FirstRound: &first, TotalScore: 3},
		},
	}
	p := NewProgress(s)
	if want := []blue.ExpertSlug{"D", "E", "B"}; !slices.Equal(p.ActiveExperts, want) {
		t.Errorf("active %q, want %q", p.ActiveExperts, want)
	}
	if want := []Standing{{"A", 9}, {"D", 3}, {"E", 3}, {"C", 0}, {"B", -1}}; !slices.Equal(p.Leaderboard, want) {
		t.Errorf("leaderboard %v, want %v", p.Leaderboard, want)
	}
}

func TestSnippet(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"200 bytes", strings.Repeat("a", 200), strings.Repeat("a", 200)},
		{"201 bytes", strings.Repeat("a", 201), strings.Repeat("a", 200) + "..."},
		{"cut between characters", strings.Repeat("é", 101), strings.Repeat("é", 100) + "..."},
		{"cut inside a character (bug 19)", "x" + strings.Repeat("é", 100), "x" + strings.Repeat("é", 99) + "..."},
		{"four bytes", "xx" + strings.Repeat("🧁", 50), "xx" + strings.Repeat("🧁", 49) + "..."},
		{"not UTF-8", strings.Repeat("\x80", 300), "..."},
	}
	for _, test := range tests {
		s := &blue.Snapshot{}
		s.Add(&blue.Claim{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindClaim, Seq: 1}}, Content: test.text})
		if got := Cite(s, []string{"C0001"})[0].Entity.Snippet; got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestCiteErrors(t *testing.T) {
	got := Cite(&blue.Snapshot{}, []string{"P9999", "X0101", "P01", "é012"})
	for i, want := range []error{blue.ErrNotFound, blue.ErrInvalid, blue.ErrInvalid, blue.ErrInvalid} {
		if !errors.Is(got[i].Err, want) {
			t.Errorf("%s: %v, want %v", got[i].ID, got[i].Err, want)
		}
	}
}
