package view

import (
	"context"
	"os"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/memory"
)

// moves is how many each dialogue has, 0 if it is not here. Blue has a table
// for them and no way to fill it.
var moves = map[string]int{"supersession": 18, "local-prod-parity": 9, "every-kind": 6, "night-bus": 11}

// TestBlue replays the operations that Blue was given into our engine and
// compares our export with the one Blue wrote: each difference must be listed
// in testdata/differences.json, and each listed one must occur.
func TestBlue(t *testing.T) {
	for _, name := range dialogues {
		t.Run(name, func(t *testing.T) {
			ours := parsed(t, replayed(t, name))
			unlisted, unused := judge(readAllowances(t), name, diffExport(ours, any(readRecording(t, name).export)))
			for _, problem := range slices.Concat(unlisted, unused) {
				t.Error(problem)
			}
			checkCounts(t, name, ours)
			if got := len(ours["moves"].([]any)); got != moves[name] {
				t.Errorf("%d moves, want %d", got, moves[name])
			}
			if counts := fixtures.Counts(t, name); counts != nil && counts["moves"] != moves[name] {
				t.Errorf("the recording counts %d moves, this test %d", counts["moves"], moves[name])
			}
		})
	}
}

// replayed is a recorded dialogue as the engine stores it.
func replayed(t *testing.T, name string) *blue.Snapshot {
	t.Helper()
	data, err := os.ReadFile(fixtures.Dialogue(t, name, "inputs.json"))
	if err != nil {
		t.Fatal(err)
	}
	src, err := importer.ReadOperations(data)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	store := engine.New(memory.New(), nil)
	if _, err := importer.Run(ctx, store, src, nil); err != nil {
		t.Fatal(err)
	}
	listed, err := store.List(ctx)
	if err != nil || len(listed) != 1 {
		t.Fatalf("%d dialogues after the import: %v", len(listed), err)
	}
	s, err := store.Load(ctx, listed[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
