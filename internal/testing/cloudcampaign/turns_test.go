package cloudcampaign

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
)

// mostTries is how often a commit may be encrypted again because another was
// faster, half of what the engine allows before it returns ErrBusy.
const mostTries = 32

// turnFigures are the figures of the test of turns.
type turnFigures struct {
	BigWrites   int         `json:"writes_of_a_big_commit"`
	SmallWrites int         `json:"writes_of_a_small_commit"`
	Writers     map[int]int `json:"writers_by_writes_of_a_commit"`
	Each        int         `json:"commits_of_each_writer"`
	Landed      map[int]int `json:"commits_by_writes"`
	Failed      int         `json:"failed"`
	MostTries   map[int]int `json:"most_tries_of_a_commit"`
	AllTries    map[int]int `json:"tries_of_all_commits"`
	Bound       int         `json:"bound_of_tries"`

	auditFigures
}

// TestTurns: two big and two busy small writers of one dialogue, ten commits
// each, all are committed, and none needs more than mostTries tries.
func TestTurns(t *testing.T) {
	w := newWorld(t)
	clean := w.clean(t)
	_, err := clean.Create(t.Context(), "busy", blue.NewDialogue{Title: "busy"})
	check(t, err)
	big, small := writes(101), writes(10)
	f := &turnFigures{
		BigWrites: big.writes, SmallWrites: small.writes, Each: campaigntest.Length(3, 10, 40), Bound: mostTries,
		Writers: map[int]int{big.writes: 2, small.writes: 2}, Landed: map[int]int{}, MostTries: map[int]int{}, AllTries: map[int]int{},
	}
	start := time.Now()
	var mu sync.Mutex
	var writers sync.WaitGroup
	for n, size := range []size{big, small, big, small} {
		records := &tried{Store: w.records(t, w.endpoint, nil)}
		store := w.open(t, records)
		writers.Go(func() {
			for i := range f.Each {
				records.tries = 0
				_, err := store.RegisterRound(t.Context(), "busy", batch(1+n*f.Each+i, size.entities, size.moves))
				mu.Lock()
				if err != nil {
					f.Failed++
					t.Errorf("writer %d, commit %d of %d writes, after %d tries: %v", n, i, size.writes, records.tries, err)
				}
				f.Landed[size.writes]++
				f.MostTries[size.writes] = max(f.MostTries[size.writes], records.tries)
				f.AllTries[size.writes] += records.tries
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	for writes, most := range f.MostTries {
		if most > mostTries {
			t.Errorf("a commit of %d writes took %d tries", writes, most)
		}
	}
	s, err := clean.Verify(t.Context(), "busy")
	check(t, err)
	if want := 4 * f.Each; len(s.Rounds) != want || s.Version != uint64(1+want) {
		t.Errorf("%d rounds, version %d; want %d", len(s.Rounds), s.Version, want)
	}
	t.Log(fmt.Sprint(time.Since(start).Round(time.Second)))
	f.auditFigures = w.audited(t)
	campaigntest.Figures(t, "cloud-turns", f)
}

// tried counts the tries of one writer's commit.
type tried struct {
	*dynamo.Store
	tries int
}

func (r *tried) Commit(ctx context.Context, writes []record.Write) error {
	r.tries++
	return r.Store.Commit(ctx, writes)
}
