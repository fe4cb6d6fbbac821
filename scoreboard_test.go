package blue

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

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
			rows := s.Scoreboard()
			sameJSON(t, "scoreboard", rows, want.Scoreboard)
			sameJSON(t, "progress", s.Progress(), want.Progress)
			ok, blockers := Converge(rows)
			if ok != want.CanConverge.CanConverge || !slices.Equal(blockers, want.CanConverge.Blockers) {
				t.Errorf("Converge = %v, %q; want %+v", ok, blockers, want.CanConverge)
			}
			for i, c := range Cite(s, want.Citations.IDs) {
				if recorded := want.Citations.Result[i]; c.Err == nil {
					sameJSON(t, "citation of "+c.ID, c, recorded)
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
			for _, w := range replayed(t, name).Warnings() {
				got[w.Type]++
			}
			if !maps.Equal(got, want[name]) {
				t.Errorf("warnings %v, want %v", got, want[name])
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	round := Round(1)
	s := &Snapshot{
		Dialogue: Dialogue{Status: StatusOpen},
		Experts: []*Expert{
			{Slug: "Late", FirstRound: &round}, {Slug: "Muffin", Scores: map[Round]int64{0: 0}}, {Slug: "Scone"},
		},
		Rounds: []*RoundRecord{{Round: 0}},
		Entities: map[Kind][]Contributed{
			KindPerspective: {&Perspective{Contribution: Contribution{
				ID: EntityID{KindPerspective, 0, 1}, Contributors: []ExpertSlug{"MUFFIN", "judge", "Nobody"}}}},
			KindTension: {&Tension{Contribution: Contribution{ID: EntityID{KindTension, 0, 1}, Status: "addressed"}}},
		},
		Verdicts: []*Verdict{{ID: "V01", Recommendation: "x"}},
	}
	types := func() (list []string) {
		for _, w := range s.Warnings() {
			list = append(list, w.Type+" "+string(w.Expert))
		}
		return list
	}
	want := []string{"missing_score Scone", "orphaned_perspective Nobody", "verdict_incomplete "}
	if got := types(); !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
	s.Dialogue.Status = StatusConverged
	if got := types(); !slices.Contains(got, "unresolved_tension ") {
		t.Errorf("converged: warnings %q lack the tension", got)
	}
}

func TestConverge(t *testing.T) {
	tests := []struct {
		name   string
		rounds []*RoundRecord
		want   []string
	}{
		{"no rounds", nil, []string{"no rounds registered"}},
		{"no metrics", []*RoundRecord{{}}, []string{"converge_percent=0% (0/0)"}},
		{"both", []*RoundRecord{{OpenTensions: 1, NewPerspectives: 1, PanelSize: 2}},
			[]string{"velocity=2 (open_tensions=1, new_perspectives=1)", "converge_percent=0% (0/2)"}},
		{"rounds up to 100", []*RoundRecord{{ConvergeSignals: 199, PanelSize: 200}}, []string{"converge_percent=100% (199/200)"}},
		{"half to even, down", []*RoundRecord{{ConvergeSignals: 5, PanelSize: 8}}, []string{"converge_percent=62% (5/8)"}},
		{"half to even, up", []*RoundRecord{{ConvergeSignals: 3, PanelSize: 8}}, []string{"converge_percent=38% (3/8)"}},
		{"over the panel", []*RoundRecord{{ConvergeSignals: 5, PanelSize: 2}}, nil},
		{"negative velocity", []*RoundRecord{{OpenTensions: -3, NewPerspectives: 1, ConvergeSignals: 2, PanelSize: 2}}, nil},
		{"the highest round counts, not the last registered",
			[]*RoundRecord{{Round: 5, ConvergeSignals: 1, PanelSize: 1}, {Round: 2, OpenTensions: 9}}, nil},
	}
	for _, test := range tests {
		ok, got := Converge((&Snapshot{Rounds: test.rounds}).Scoreboard())
		if ok != (test.want == nil) || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v %q, want %q", test.name, ok, got, test.want)
		}
	}
}

func TestGateErrorUnwraps(t *testing.T) {
	err := NewGateError(nil, []string{"no rounds registered"})
	if !errors.Is(err, ErrRefused) || err.State.Velocity != -1 ||
		err.Error() != "refused by a rule: the dialogue has not converged: no rounds registered" {
		t.Errorf("%v %+v", err, err.State)
	}
}

func TestScoreboardDoesNotWrap(t *testing.T) {
	s := &Snapshot{Rounds: []*RoundRecord{
		{Round: 0, Score: math.MaxInt64, OpenTensions: math.MaxInt64, NewPerspectives: 1},
		{Round: 1, Score: 1, Wisdom: math.MinInt64},
		{Round: 2, Wisdom: -1},
	}}
	rows := s.Scoreboard()
	if rows[0].Velocity != math.MaxInt64 || rows[1].CumulativeScore != math.MaxInt64 || rows[2].CumulativeWisdom != math.MinInt64 {
		t.Errorf("a sum wrapped: %+v", rows)
	}
	if p := s.Progress(); p.Velocity != -1 {
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
		var s Snapshot
		for i, score := range test.scores {
			s.Rounds = append(s.Rounds, &RoundRecord{Round: Round(i), Score: score})
		}
		for range test.open {
			s.Add(&Tension{Contribution: Contribution{ID: EntityID{Kind: KindTension}, Status: "reopened"}})
		}
		p := s.Progress()
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
	first, later := Round(1), Round(2)
	s := &Snapshot{
		Dialogue: Dialogue{TotalRounds: 2},
		Experts: []*Expert{
			{Slug: "A", FirstRound: &later, TotalScore: 9}, {Slug: "B", FirstRound: &first, TotalScore: -1}, {Slug: "C"},
			{Slug: "E", FirstRound: &first, TotalScore: 3}, {Slug: "D", FirstRound: &first, TotalScore: 3},
		},
	}
	p := s.Progress()
	if want := []ExpertSlug{"D", "E", "B"}; !slices.Equal(p.ActiveExperts, want) {
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
		if got := snippet(test.text); got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestCiteErrors(t *testing.T) {
	got := Cite(&Snapshot{}, []string{"P9999", "X0101", "P01", "é012"})
	for i, want := range []error{ErrNotFound, ErrInvalid, ErrInvalid, ErrInvalid} {
		if !errors.Is(got[i].Err, want) {
			t.Errorf("%s: %v, want %v", got[i].ID, got[i].Err, want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for f, want := range map[Decimal]string{
		0: "0.0", 100: "100.0", 250: "250.0", 500.0 / 6: "83.33333333333333", 0.95: "0.95", -1: "-1.0",
		1e15: "1000000000000000.0", 1e16: "1e16", 1.5e300: "1.5e300", 1e-5: "0.00001", 1.5e-7: "1.5e-7",
	} {
		if f.String() != want {
			t.Errorf("%v: %s, want %s", float64(f), f, want)
		}
	}
	if _, err := json.Marshal(Decimal(math.Inf(1))); err == nil {
		t.Error("an infinite number was written")
	}
}
