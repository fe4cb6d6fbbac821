package dynamo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// mostTries is the stated bound of tries (a load and a Commit) of each commit
// in a contest. Under its lease a large commit loses only to the other large
// writer, which lands 10 times, and before it has taken the lease again to
// a small one each time: 2·10 + 1, with room. The engine allows 64.
const mostTries = 24

// contest is 2 large and 2 busy small writers, 10 commits each, without pause
// and without faults; with endless, the small ones continue until the large ones are
// done. oneProcess: all in one process, with one lease owner.
func contest(seed uint64, sc scale, b bug, oneProcess, endless bool) (big, small, total int, finished bool) {
	h := &history{
		w: newModel(rand.New(rand.NewPCG(seed, 5))), scale: sc, bug: b,
		acked: map[string]bool{}, refused: map[string]bool{}, events: map[string]record.Key{},
	}
	h.w.pageSize = sc.pageSize
	common := h.process("all", &link{w: h.w})
	var all sync.WaitGroup
	var mu sync.Mutex
	bigLeft := 2
	for i := range 4 {
		name, isBig := "w"+strconv.Itoa(i), i < 2
		w := &writer{h: h, name: name, store: common, isLarge: func() bool { return isBig }}
		if !oneProcess {
			w.store = h.process(name, &link{w: h.w})
		}
		at := h.w.upTo(10 * time.Millisecond)
		all.Go(func() {
			time.Sleep(at)
			for n := 0; n < 10 || endless && !isBig; n++ {
				mu.Lock()
				over := endless && bigLeft == 0
				mu.Unlock()
				if over {
					return
				}
				tries, _ := w.commit(context.Background(), fmt.Sprintf("%s-%d", name, n), 64)
				mu.Lock()
				if isBig {
					big, total = max(big, tries), total+tries
				} else {
					small = max(small, tries)
				}
				mu.Unlock()
			}
			if isBig {
				mu.Lock()
				bigLeft--
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return big, small, total, h.busy == 0 && len(h.acked) >= 20
}

func TestNobodyStarves(t *testing.T) {
	for _, oneProcess := range []bool{false, true} {
		t.Run(fmt.Sprintf("one-process=%v", oneProcess), func(t *testing.T) {
			big, small, total, runs := 0, 0, 0, 0
			for seed := range uint64(40) {
				sc := short
				if seed%20 == 0 {
					sc = full
				}
				synctest.Test(t, func(t *testing.T) {
					b, s, n, finished := contest(seed+1, sc, bug{}, oneProcess, false)
					if !finished || b > mostTries || s > mostTries {
						t.Errorf("seed %d: finished %v, tries of a large commit %d, of a small one %d, bound %d", seed+1, finished, b, s, mostTries)
					}
					big, small, total, runs = max(big, b), max(small, s), total+n, runs+1
				})
			}
			t.Logf("%d contests: at most %d tries of a large commit (%.1f on average), %d of a small one", runs, big, float64(total)/float64(20*runs), small)
		})
	}
}

// TestLeaseMatters: without the lease large writers do need more tries.
func TestLeaseMatters(t *testing.T) {
	noLease := bug{wrap: editing(func(actions []action) func(action) (action, bool) {
		return func(a action) (action, bool) {
			a.when.missing = nil
			if _, leased := a.record.Attrs[attrLease]; leased {
				a.record = a.record.Clone()
				delete(a.record.Attrs, attrLease)
			}
			return a, true
		}
	})}
	sum := func(b bug) (total, most int) {
		for seed := range uint64(3) {
			synctest.Test(t, func(*testing.T) {
				m, _, n, _ := contest(seed+1, short, b, false, true)
				total, most = total+n, max(most, m)
			})
		}
		return total, most
	}
	with, mostWith := sum(bug{})
	without, mostWithout := sum(noLease)
	t.Logf("with small writers that never stop, 60 large commits: %d tries, at most %d for one; without the lease %d, at most %d", with, mostWith, without, mostWithout)
	if mostWith > mostTries || mostWithout < 2*mostWith {
		t.Error("the lease does not help: this contest proves nothing")
	}
}

// TestDeadLease: the lease of a writer that died delays others by the lease
// time once, whether they saw it before they began or met it at their commit.
func TestDeadLease(t *testing.T) {
	for _, met := range []string{"at the load", "at the commit"} {
		t.Run(strings.ReplaceAll(met, " ", "-"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &history{
					w: newModel(rand.New(rand.NewPCG(1, 6))), scale: short,
					acked: map[string]bool{}, refused: map[string]bool{}, events: map[string]record.Key{},
				}
				ctx := context.Background()
				small := func() bool { return false }
				dead := h.process("dead", &link{w: h.w})
				w := &writer{h: h, name: "w", store: h.process("w", &link{w: h.w}), isLarge: small}
				w.commit(ctx, "first", 1)
				begun := time.Now()
				if met == "at the load" {
					dead.leases.take(ctx, dead, simPK)
				} else {
					v, err := h.load(ctx, w.store, true)
					if err != nil {
						t.Fatal(err)
					}
					dead.leases.take(ctx, dead, simPK)
					if err := w.store.Commit(ctx, w.writes(v, "second", "second.1", false, false)); err != nil {
						t.Fatalf("the commit that met a dead lease: %v", err)
					}
					w.seq++
				}
				for i := range 3 {
					if tries, acked := w.commit(ctx, fmt.Sprintf("later-%d", i), 2); !acked || tries > 1 {
						t.Errorf("commit %d: acknowledged %v after %d tries", i, acked, tries)
					}
				}
				delay := time.Since(begun)
				t.Logf("4 commits took %v", delay)
				if lease := short.limits.lease; delay < lease || delay > lease+2*time.Second {
					t.Errorf("the dead lease cost %v, want once %v", delay, lease)
				}
			})
		})
	}
}
