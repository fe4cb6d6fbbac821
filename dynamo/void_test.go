package dynamo_test

import (
	"errors"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestVoidEvent loses a commit with all its repeats and delivers them late or
// never: the void event that settled it is read back, the chain continues from
// it, and late deliveries change nothing. Where one came before the void event
// could be put, the commit is stored and there is none.
func TestVoidEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		late  faultproxy.Fault
		voids int
	}{
		{"never delivered", faultproxy.Lose(), 1},
		{"delivered behind the void event", faultproxy.Late(0), 1},
		{"delivered just before it", faultproxy.Late(3), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newFixture(t)
			w.round(moves(0, 3, 50))
			fenced := false
			w.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
				if fenced = fenced || r.Operation == "PutItem"; !fenced && r.Operation == "TransactWriteItems" {
					return c.late
				}
				return faultproxy.Fault{}
			})
			w.round(moves(1, 3, 50)) // a voided one is made again
			if !fenced {
				t.Fatalf("the commit was settled without a fence: %v", w.proxy.Log())
			}
			w.proxy.Release()
			w.proxy.Settle()
			w.proxy.Play(nil)
			snapshot, err := w.store.Verify(t.Context(), id)
			if err != nil || len(snapshot.Rounds) != 2 || len(snapshot.Moves) != 6 {
				t.Fatalf("after the late deliveries: %v", err)
			}
			w.checkVoid(snapshot.Version, c.voids)
		})
	}
}

// checkVoid follows the chain of the dialogue's last commit by its hashes and
// expects so many void events, just before that commit.
func (w *fixture) checkVoid(version uint64, want int) {
	w.Helper()
	commits, err := audit.ReadCommits(w.Context(), w.records, string(id))
	if err != nil || uint64(len(commits)) != version {
		w.Fatalf("%d commits of version %d, %v", len(commits), version, err)
	}
	last := commits[len(commits)-1]
	var before audit.Event
	voids := 0
	for seq := uint64(1); ; seq++ {
		e, err := audit.ReadEvent(w.Context(), w.records, last.Chain, seq)
		if errors.Is(err, record.ErrNotFound) {
			break
		}
		if err != nil || seq > 1 && e.Previous != before.EventHash {
			w.Fatalf("event %d does not hang on the one before (%v)", seq, err)
		}
		if e.Operation == audit.Void {
			voids++
			if e.Outcome != audit.Failure || e.Dialogue != string(id) || e.Seq+1 != last.Seq || e.RootVersion != 0 || e.RootHash != "" {
				w.Errorf("the void event is %+v", e)
			}
		}
		before = e
	}
	if voids != want || before.Seq < last.Seq {
		w.Errorf("%d void events in a chain of %d, the last commit at %d", voids, before.Seq, last.Seq)
	}
	if _, err := audit.ReadCommit(w.Context(), w.records, string(id), version+1); !errors.Is(err, blue.ErrNotFound) {
		w.Errorf("a pointer beyond the last version: %v", err)
	}
}
