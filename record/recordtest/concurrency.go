package recordtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// Concurrency.
//
// Of several commits on top of the same meta item, exactly one succeeds and the
// others are ErrConflict. A query returns the records as of one moment: it never
// shows a part of a commit, and never an older state than an earlier query.

// oneWinner runs sixteen concurrent commits on top of each generation of meta.
func oneWinner(t *testing.T, s record.Store) {
	const writers, generations = 16, 12
	mustCommit(t, s)
	for gen := range generations {
		var winners atomic.Int32
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				err := s.Commit(t.Context(), []record.Write{
					put(fmt.Sprintf("item#%02d#%02d", gen, w), one),
					change(record.Meta, generation(gen), generation(gen+1)),
					inTable(record.Audit, put(fmt.Sprintf("event#%02d#%02d", gen, w), one)),
				})
				switch {
				case err == nil:
					winners.Add(1)
				case !errors.Is(err, record.ErrConflict):
					t.Errorf("generation %d: %v", gen, err)
				}
			})
		}
		group.Wait()
		if n := winners.Load(); n != 1 {
			t.Fatalf("generation %d: %d commits were acknowledged, want 1", gen, n)
		}
	}
	if n := len(query(t, s, record.Dialogues, pk)); n != generations+1 {
		t.Errorf("%d records are stored, want %d and meta", n-1, generations)
	}
	if n := len(query(t, s, record.Audit, pk)); n != generations {
		t.Errorf("%d events are stored, want %d", n, generations)
	}
}

// queryIsOneMoment reads while commits change meta and twenty records together.
// No reader may see two generations in one query, or an older one than before.
func queryIsOneMoment(t *testing.T, s record.Store) {
	const commits, readers = 40, 2
	sks := append(numbered("claim", 10), numbered("zeta", 10)...) // sort keys before and after meta
	writes := []record.Write{put(record.Meta, generation(0))}
	for _, sk := range sks {
		writes = append(writes, put(sk, generation(0)))
	}
	if err := s.Commit(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var group sync.WaitGroup
	for range readers {
		group.Go(func() { readMoments(t, s, len(sks)+1, &done) })
	}
	for gen := range commits {
		writes := []record.Write{change(record.Meta, generation(gen), generation(gen+1))}
		for _, sk := range sks {
			writes = append(writes, change(sk, generation(gen), generation(gen+1)))
		}
		if err := s.Commit(t.Context(), writes); err != nil {
			t.Errorf("commit %d: %v", gen, err)
			break
		}
	}
	done.Store(true)
	group.Wait()
}

// readMoments queries until done is set, and once after that.
func readMoments(t *testing.T, s record.Store, want int, done *atomic.Bool) {
	last := int64(0)
	for {
		final := done.Load() // one more read after the last commit
		records, err := s.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: pk})
		if err != nil || len(records) != want {
			t.Errorf("query: %d records, %v", len(records), err)
			return
		}
		gen := records[0].Attrs["gen"].Int()
		for _, r := range records {
			if g := r.Attrs["gen"].Int(); g != gen {
				t.Errorf("one query saw the generations %d and %d", gen, g)
				return
			}
		}
		if gen < last {
			t.Errorf("a query saw generation %d after %d", gen, last)
			return
		}
		last = gen
		if final {
			return
		}
	}
}
