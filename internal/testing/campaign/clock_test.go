package campaign

import (
	"path/filepath"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// TestClock moves the clock back an hour and forward a year between commits.
// Versions and rounds keep their order, every event is kept, and all verify.
func TestClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	home := filepath.Join(t.TempDir(), "home")
	o := openStore(t, home, func() time.Time { return now })
	const id = blue.DialogueID("clock")
	_, err := o.store.Create(t.Context(), id, blue.NewDialogue{Title: "Clock"})
	if err != nil {
		t.Fatal(err)
	}
	steps := []time.Duration{0, -time.Hour, 0, 366 * 24 * time.Hour, -2 * time.Hour}
	for round, step := range steps {
		now = now.Add(step)
		_, err := o.store.RegisterRound(t.Context(), id, blue.RoundBatch{Round: blue.Round(round), Score: 1,
			Drafts: map[blue.Kind][]blue.Draft{blue.KindTension: {{Label: "L", Text: "T"}}}})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for range 3 { // three events of one tension at the same time
			if _, err := o.store.RegisterRound(t.Context(), id, blue.RoundBatch{Round: blue.Round(round), Score: 1,
				Drafts: map[blue.Kind][]blue.Draft{blue.KindTension: {{Label: "L", Text: "T"}}}}); err != nil {
				t.Fatalf("round %d again: %v", round, err)
			}
		}
	}
	first := blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}
	for _, to := range []blue.Status{"addressed", "resolved", "reopened"} {
		if _, err := o.store.Transition(t.Context(), id, blue.Transition{ID: first, To: to, Round: 4, By: []blue.ExpertSlug{"Muffin"}}); err != nil {
			t.Fatalf("%s: %v", to, err)
		}
	}
	s, err := o.store.Verify(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(1 + len(steps) + 3); s.Version != want {
		t.Errorf("version %d; want %d", s.Version, want)
	}
	for i, r := range s.Rounds {
		if int(r.Round) != i {
			t.Errorf("round %d is at position %d", r.Round, i)
		}
	}
	stamps := map[string]bool{}
	for _, e := range s.Events {
		stamps[e.Of.String()+e.Stamp] = true
	}
	if len(stamps) != len(steps)+3 {
		t.Errorf("%d of %d events have different stamps", len(stamps), len(steps)+3)
	}
	if t1, ok := s.Find(first); !ok || t1.Common().Status != "reopened" {
		t.Errorf("T0001 is %s", t1.Common().Status)
	}
}
