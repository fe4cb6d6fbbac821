package copier_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

// A narrow is a store that refuses commits of many records, as if the dialogue
// were large.
type narrow struct {
	record.Store
	most int
}

func (n narrow) Commit(ctx context.Context, writes []record.Write) error {
	if len(writes) > n.most {
		return fmt.Errorf("%w: a commit of %d records", blue.ErrTooLarge, len(writes))
	}
	return n.Store.Commit(ctx, writes)
}

// stopping returns a store that fails every call from the nth commit on. If lost
// is true, the nth commit takes effect.
func stopping(inner record.Store, n int, lost bool) *storetest.Faulty {
	stopped := false
	f := &storetest.Faulty{Inner: inner}
	f.Before = func(c storetest.Call) error {
		if stopped || c.Method == "Commit" && c.N == n && !lost {
			stopped = true
			return storetest.ErrFault
		}
		return nil
	}
	f.After = func(c storetest.Call) error {
		if c.Method == "Commit" && c.N == n && lost {
			stopped = true
			return storetest.ErrFault
		}
		return nil
	}
	return f
}

// seen returns the state that a reader sees: "none", "whole" or "unfinished". It
// fails the test for any other result.
func (w fixture) seen(to record.Store, items, rounds int) string {
	w.Helper()
	snapshot, err := w.open(to).Load(w.Context(), dialogue)
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return "none"
	case errors.Is(err, blue.ErrBusy) && !errors.Is(err, blue.ErrTampered):
		return "unfinished"
	}
	w.ok(err)
	if n := len(w.dump(to, record.Dialogues)); n != items || len(snapshot.Rounds) != rounds {
		w.Fatalf("a reader sees %d items of %d, %d rounds of %d", n, items, len(snapshot.Rounds), rounds)
	}
	return "whole"
}

// TestStopped stops a copy at each of its commits, before or after it takes
// effect, reads the target, and runs the copy again.
func TestStopped(t *testing.T) {
	for name, most := range map[string]int{"in one commit": record.MaxBatch, "in pieces": 95} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			from := w.seed()
			if most < record.MaxBatch { // more items than one piece has
				s := w.open(from)
				for n := range 3 {
					w.round(s, blue.Round(11+n), 60)
				}
			}
			items, seen := len(w.dump(from, record.Dialogues)), map[string]int{}
			rounds := 11
			if most < record.MaxBatch {
				rounds = 14
			}
			for n := 1; ; n++ {
				finished := false
				for _, lost := range []bool{false, true} {
					to := memory.New()
					_, err := copyTo(w, from, narrow{stopping(to, n, lost), most})
					finished = err == nil
					if finished {
						break
					}
					w.fails(err, storetest.ErrFault)
					seen[w.seen(to, items, rounds)]++
					_, err = copyTo(w, from, narrow{to, most})
					w.ok(err)
					w.whole(from, to)
				}
				if finished {
					t.Logf("stopped at %d commits: %v", n-1, seen)
					break
				}
			}
			if seen["none"] == 0 || seen["whole"] == 0 || (seen["unfinished"] > 0) != (most < record.MaxBatch) {
				t.Errorf("a reader saw %v", seen)
			}
		})
	}
}

// TestUnfinished checks an unfinished copy: it cannot be read or written, it is
// not listed, its id cannot be used, and only a copy of the same dialogue
// completes it.
func TestUnfinished(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	s := w.open(from)
	for n := range 3 {
		w.round(s, blue.Round(11+n), 60)
	}
	n := 0
	_, err := copyTo(w, from, narrow{&storetest.Faulty{Inner: to, Before: func(c storetest.Call) error {
		if c.Method == "Commit" && c.Table == record.Dialogues {
			if n++; n == 3 {
				return storetest.ErrFault
			}
		}
		return nil
	}}, 95})
	w.fails(err, storetest.ErrFault)
	target := w.open(to)
	_, err = target.Load(t.Context(), dialogue)
	w.fails(err, blue.ErrBusy)
	_, err = target.RegisterRound(t.Context(), dialogue, blue.RoundBatch{Round: 20, Score: 1})
	w.fails(err, blue.ErrBusy)
	_, err = target.Create(t.Context(), dialogue, blue.NewDialogue{Title: "Another"})
	w.fails(err, blue.ErrConflict)
	rows, err := target.List(t.Context())
	w.ok(err)
	if len(rows) != 0 {
		t.Errorf("the list shows %v", rows)
	}
	_, err = copyTo(w, to, memory.New())
	w.fails(err, blue.ErrBusy)

	other := memory.New()
	_, err = w.open(other).Create(t.Context(), dialogue, blue.NewDialogue{Title: "Another"})
	w.ok(err)
	_, err = copyTo(w, other, to)
	w.fails(err, blue.ErrConflict)

	// The source changes before the copy is resumed.
	w.round(s, 14, 3)
	_, err = s.Transition(t.Context(), dialogue, blue.Transition{ID: blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}, To: "addressed"})
	w.ok(err)
	got, err := copyTo(w, from, narrow{to, 95})
	w.ok(err)
	if got.Status != "copied" {
		t.Errorf("got %+v", got)
	}
	w.whole(from, to)
}

// TestTooFarBehind checks that an older state is not updated in pieces.
func TestTooFarBehind(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	_, err := copyTo(w, from, to)
	w.ok(err)
	s := w.open(from)
	for n := range 3 {
		w.round(s, blue.Round(11+n), 60)
	}
	before := w.dump(to, record.Dialogues)
	_, err = copyTo(w, from, narrow{to, 95})
	w.fails(err, blue.ErrTooLarge)
	if len(w.dump(to, record.Dialogues)) != len(before) {
		t.Error("items were written")
	}
}
