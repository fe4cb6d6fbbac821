package dynamo_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// watch loads the dialogue in a process of its own until the round is done,
// and expects all of its moves each time, or none.
func (w *fixture) watch(wait *sync.WaitGroup, moves int) (done func()) {
	reader := w.open(w.records)
	ended := make(chan struct{})
	wait.Go(func() {
		for seen := map[int]int{}; ; {
			final := false
			select {
			case <-ended:
				final = true
			default:
			}
			s, err := reader.Load(w.Context(), id)
			if err != nil {
				w.Errorf("a load in parallel with the round: %v", err)
				return
			}
			seen[len(s.Moves)]++
			if n := len(s.Moves); n != 0 && n != moves {
				w.Errorf("a load saw %d moves of %d", n, moves)
			}
			if final {
				w.Logf("loads that saw nothing: %d; everything: %d", seen[0], seen[moves])
				return
			}
		}
	})
	return func() { close(ended) }
}

// TestRounds registers rounds on both sides of what fits one transaction. A
// reader next to them sees all or nothing; each write is read back equal.
func TestRounds(t *testing.T) {
	t.Parallel()
	for _, writes := range []int{99, 100, 101, 290, 2000} {
		t.Run(fmt.Sprint(writes), func(t *testing.T) {
			w := newFixture(t)
			b := moves(0, writes-others, 20)
			var wait sync.WaitGroup
			done := w.watch(&wait, len(b.Moves))
			w.round(b)
			done()
			wait.Wait()
			if n := w.records.writes.Load(); n != int64(writes) {
				t.Fatalf("the round had %d writes", n)
			}
			w.readBack(b)
		})
	}
}

// readBack expects a round's moves in the dialogue, and nothing left of a log.
func (w *fixture) readBack(b blue.RoundBatch) {
	w.Helper()
	s, err := w.open(w.records).Verify(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	var got []blue.MoveDraft
	for _, m := range s.Moves {
		if m.Round == b.Round {
			got = append(got, blue.MoveDraft{Expert: m.Expert, Type: string(m.Type), Context: m.Context})
		}
	}
	if diff := cmp.Diff(b.Moves, got); diff != "" {
		w.Errorf("moves (-written +read):\n%.2000s", diff)
	}
	log, err := w.records.Query(w.Context(), record.Query{Table: record.Dialogues, Partition: record.Partition("_log#dialogue#" + string(id))})
	if err != nil || len(log) > 0 {
		w.Errorf("%d items of a log are left (%v)", len(log), err)
	}
}

// TestLargeRound: 90 items of 60 KB are more than the 4 MB of a transaction,
// and make a dialogue of more than 5 MB, read in pages of 1 MB.
func TestLargeRound(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	b := moves(0, 90, 60_000)
	for i := range b.Moves {
		b.Moves[i].Context = fmt.Sprintf("%05d", i) + b.Moves[i].Context
	}
	var wait sync.WaitGroup
	done := w.watch(&wait, len(b.Moves))
	w.round(b)
	done()
	wait.Wait()
	w.readBack(b)
	_, bytes := w.stored()
	if bytes < 5_000_000 {
		t.Errorf("the dialogue has %d bytes", bytes)
	}
	counts := w.counted(func() error { _, err := w.store.Load(t.Context(), id); return err })
	if pages := counts["Query"]; pages != 1+bytes/pageSize {
		t.Errorf("%d bytes came in %d pages", bytes, pages)
	}
}

// TestManyItems loads and verifies 3,000 items, written in two rounds.
func TestManyItems(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.round(moves(0, 1800, 20))
	have, _ := w.stored()
	b := moves(1, 3000-len(have)-1, 700)
	w.round(b)
	w.readBack(b)
	items, bytes := w.stored()
	if len(items) != 3000 || bytes < 2*pageSize || !slices.IsSortedFunc(items, func(a, b record.Record) int { return strings.Compare(a.Key.Item, b.Key.Item) }) {
		t.Errorf("%d items of %d bytes, or not in order", len(items), bytes)
	}
	counts := w.counted(func() error { _, err := w.store.Load(t.Context(), id); return err })
	if pages := counts["Query"]; pages != 1+bytes/pageSize {
		t.Errorf("%d bytes came in %d pages", bytes, pages)
	}
}

// TestItemTooLarge: an item that is under 400 KB and, sealed, is not is
// refused before anything is written but the event of the refusal, as on SQLite.
func TestItemTooLarge(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inFile := w.open(file)
	if _, err := inFile.Create(t.Context(), id, blue.NewDialogue{Title: "T"}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{record.MaxRecord - 1000, record.MaxRecord + 1} {
		b := moves(0, 200, 10)
		b.Moves[150].Context = strings.Repeat("x", size)
		w.proxy.Play(nil)
		_, err := w.store.RegisterRound(t.Context(), id, b)
		if counts := w.proxy.Counts(); counts["Query"] != 1 || counts["PutItem"] != 1 || len(counts) != 2 {
			t.Errorf("%d bytes: sent %v", size, counts)
		}
		_, want := inFile.RegisterRound(t.Context(), id, b)
		if !errors.Is(err, blue.ErrTooLarge) || want == nil || err.Error() != want.Error() {
			t.Errorf("%d bytes: DynamoDB returns %v, SQLite %v", size, err, want)
		}
		t.Logf("%v", err)
	}
	w.round(moves(0, 1, 390_000))
}
