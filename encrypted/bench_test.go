package encrypted_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
)

// benchItems is how many records the dialogue of a benchmark has.
const benchItems = 1000

// fillBench makes a dialogue of benchItems records with payloads of about 600
// bytes: rounds of moves with a long context, which cost one record each.
func fillBench(b *testing.B, s blue.DialogueStore, id blue.DialogueID) {
	b.Helper()
	if _, err := s.Create(b.Context(), id, blue.NewDialogue{Title: "T"}); err != nil {
		b.Fatal(err)
	}
	left := benchItems - 1
	for round := blue.Round(0); left > 0; round++ {
		move := blue.MoveDraft{Expert: "Muffin", Type: "defend", Targets: []string{"P0001"}, Context: strings.Repeat("because ", 70)}
		moves := slices.Repeat([]blue.MoveDraft{move}, min(99, left-1))
		if _, err := s.RegisterRound(b.Context(), id, blue.RoundBatch{Round: round, Moves: moves}); err != nil {
			b.Fatal(err)
		}
		left -= len(moves) + 1
	}
}

// BenchmarkLoad1000 loads 1,000 items from SQLite, sealed and unsealed in
// turn, and reports how many times longer the sealed load takes.
func BenchmarkLoad1000(b *testing.B) {
	records := dialoguetest.OpenSQLite(b)
	sealed := sealedtest.Open(filepath.Join(b.TempDir(), "umk.key"), records, nil)
	unsealed := engine.New(records, nil)
	fillBench(b, sealed, "sealed")
	fillBench(b, unsealed, "unsealed")
	load := func(s blue.DialogueStore, id blue.DialogueID) time.Duration {
		start := time.Now()
		snapshot, err := s.Load(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		if n := 1 + len(snapshot.Rounds) + len(snapshot.Moves); n != benchItems {
			b.Fatal(fmt.Sprint(n, " items"))
		}
		return took
	}
	var with, without time.Duration
	for b.Loop() {
		with += load(sealed, "sealed")
		b.StopTimer()
		without += load(unsealed, "unsealed")
		b.StartTimer()
	}
	b.ReportMetric(float64(with)/float64(without), "x-unsealed")
	b.ReportMetric(float64(benchItems*b.N)/with.Seconds(), "items/s")
}
