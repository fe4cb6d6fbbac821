package dynamo

import (
	"cmp"
	"flag"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "run this one history of the simulation, full ones with -sim.full")
	simFull = flag.Bool("sim.full", false, "with -sim.seed: the seed of a full-size history")
	simRuns = flag.Int("sim.runs", 0, "short histories of the simulation, by default as many as BLUE_CAMPAIGN asks for")
)

// histories returns how many short histories the simulation runs.
func histories() int { return cmp.Or(*simRuns, campaigntest.Length(500, 2000, 20_000)) }

func replay(t *testing.T, seed uint64, sc scale, b bug) *history {
	var h *history
	synctest.Test(t, func(*testing.T) { h = play(seed, sc, b) })
	return h
}

// figures are what many histories sum up to.
type figures struct {
	histories, ops, attempts, acked, refused, requests, exacts, maxTries int
}

func (f *figures) add(h *history) {
	f.histories++
	f.ops += h.ops
	f.attempts += h.attempts
	f.acked += len(h.acked)
	f.refused += len(h.refused)
	f.requests += h.w.requests
	f.exacts += h.exacts
	f.maxTries = max(f.maxTries, h.maxTries)
}

func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		sc := short
		if *simFull {
			sc = full
		}
		h := replay(t, *simSeed, sc, bug{})
		t.Logf("seed %d: %d operations, %d requests", *simSeed, h.ops, h.w.requests)
		report(t, h)
		return
	}
	simulate(t, short, histories())
}

func TestSimulationOfFullSize(t *testing.T) {
	if *simSeed != 0 {
		t.Skip("one seed is selected")
	}
	simulate(t, full, max(2, histories()/200))
}

func simulate(t *testing.T, sc scale, runs int) {
	var f figures
	begun := time.Now()
	for seed := range uint64(runs) {
		h := replay(t, seed+1, sc, bug{})
		f.add(h)
		report(t, h)
	}
	t.Logf("%d histories in %v: %d operations, %d attempts, %d acknowledged, %d attempts refused, %d requests, %d exact reads, at most %d tries",
		f.histories, time.Since(begun).Round(time.Millisecond), f.ops, f.attempts, f.acked, f.refused, f.requests, f.exacts, f.maxTries)
}

func report(t *testing.T, h *history) {
	if len(h.broken) > 0 {
		t.Errorf("seed %d (go test ./dynamo -run TestSimulation$ -sim.seed=%d):\n%s", h.seed, h.seed, strings.Join(h.broken, "\n"))
	}
}

// TestSimulationRepeats: a seed is one history, so a failure can be run again.
func TestSimulationRepeats(t *testing.T) {
	for seed := range uint64(20) {
		a, b := replay(t, seed+1, short, bug{}), replay(t, seed+1, short, bug{})
		if a.w.requests != b.w.requests || a.w.bytes != b.w.bytes || a.attempts != b.attempts {
			t.Errorf("seed %d: %d requests, then %d", seed+1, a.w.requests, b.w.requests)
		}
	}
}
