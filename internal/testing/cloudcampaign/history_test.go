package cloudcampaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
	"github.com/superviber/blue-encrypted-store/record"
)

// historyFigures are the figures of the campaign.
type historyFigures struct {
	Histories    int                     `json:"histories"`
	Operations   int                     `json:"operations"`
	Writers      int                     `json:"writers"`
	Outcomes     map[string]int          `json:"outcomes"`
	Big          int                     `json:"big_commits"`
	Faults       map[faultproxy.Kind]int `json:"faults"`
	Requests     int                     `json:"requests"`
	Linearizable int                     `json:"linearizable"`
	Undecided    int                     `json:"not_decided_in_time"`
	FalseAlarms  int                     `json:"false_alarms"`
	Seed         uint64                  `json:"seed"`

	auditFigures
}

const historyWriters = 8

// lanes is how many histories run at once, each of a dialogue of its own. A
// history alone leaves some of two cores idle, in backoffs and behind leases;
// more lanes than this only make each slower: one takes 2 to 3 s of a core, most
// of them in DynamoDB Local.
const lanes = 4

// TestLinearizable runs histories of 100 operations of eight writers under
// random faults, and has each checked.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := newHistoryFigures()
	all.Writers, all.Seed = historyWriters, 1
	start := time.Now()
	numbers := make(chan int)
	var mu sync.Mutex
	var runs sync.WaitGroup
	for range lanes {
		runs.Go(func() {
			for n := range numbers {
				one := newHistoryFigures()
				h := &history{t: t, world: w, figures: one, seed: all.Seed + uint64(n), faulty: true, id: blue.DialogueID(fmt.Sprintf("history-%d", n))}
				switch h.run(100) {
				case porcupine.Ok:
					one.Linearizable++
				case porcupine.Unknown:
					one.Undecided++
				default:
					t.Errorf("the history of seed %d is not linearizable:\n%s", h.seed, h)
				}
				one.Histories++
				mu.Lock()
				all.add(one)
				mu.Unlock()
			}
		})
	}
	for n := range campaigntest.Length(4, 100, 400) {
		if t.Failed() {
			break
		}
		numbers <- n
	}
	close(numbers)
	runs.Wait()
	t.Logf("%d histories in %v", all.Histories, time.Since(start).Round(time.Second))
	if all.Undecided > 0 {
		t.Errorf("%d histories were not decided in time", all.Undecided)
	}
	all.auditFigures = w.audited(t)
	campaigntest.Figures(t, "cloud-linearizable", all)
}

func newHistoryFigures() *historyFigures {
	return &historyFigures{Outcomes: map[string]int{}, Faults: map[faultproxy.Kind]int{}}
}

// add sums the figures of one history up.
func (f *historyFigures) add(one *historyFigures) {
	f.Histories += one.Histories
	f.Operations += one.Operations
	f.Big += one.Big
	f.Requests += one.Requests
	f.Linearizable += one.Linearizable
	f.Undecided += one.Undecided
	f.FalseAlarms += one.FalseAlarms
	for outcome, n := range one.Outcomes {
		f.Outcomes[outcome] += n
	}
	for kind, n := range one.Faults {
		f.Faults[kind] += n
	}
}

// early acknowledges before it commits: the bug that the checker must find.
type early struct {
	record.Store
	commits *sync.WaitGroup
}

func (e early) Commit(ctx context.Context, writes []record.Write) error {
	e.commits.Go(func() {
		time.Sleep(100 * time.Millisecond)
		_ = e.Store.Commit(context.WithoutCancel(ctx), writes)
	})
	return nil
}

// TestCheckerFindsEarlyAcknowledgement: a store with that bug and no fault has
// histories that the checker refuses.
func TestCheckerFindsEarlyAcknowledgement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := newHistoryFigures()
	var commits sync.WaitGroup
	h := &history{t: t, world: w, figures: f, seed: 7, id: "planted", below: func(s record.Store) record.Store { return early{s, &commits} }}
	got := h.run(40)
	commits.Wait()
	if got != porcupine.Illegal {
		t.Errorf("the checker says %v", got)
	}
}

// history is one history under way.
type history struct {
	t       *testing.T
	world   *world
	figures *historyFigures
	seed    uint64
	faulty  bool
	below   func(record.Store) record.Store // a bug to plant, or nil
	id      blue.DialogueID

	start time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (h *history) run(operations int) porcupine.CheckResult {
	clean := h.world.clean(h.t)
	_, err := clean.Create(h.t.Context(), h.id, blue.NewDialogue{Title: string(h.id)})
	check(h.t, err)
	proxy := faultproxy.New(h.world.endpoint)
	defer proxy.Close()
	if h.faulty {
		proxy.Play(randomFaults(h.seed))
	}
	h.start = time.Now()
	var writers sync.WaitGroup
	for n := range historyWriters {
		var records record.Store = h.world.records(h.t, proxy.URL, nil)
		if h.below != nil {
			records = h.below(records)
		}
		store := h.world.open(h.t, records)
		writers.Go(func() { h.write(store, n, (operations+historyWriters-1)/historyWriters) })
	}
	writers.Wait()
	proxy.Settle()
	h.do(clean, historyWriters, call{})
	proxy.Release()
	h.do(clean, historyWriters, call{})
	for _, e := range proxy.Log() {
		if h.figures.Requests++; e.Fault != faultproxy.None {
			h.figures.Faults[e.Fault]++
		}
	}
	h.figures.Operations += len(h.ops)
	return porcupine.CheckOperationsTimeout(dialogueModel, h.ops, 20*time.Second)
}

// write is one writer: half of its operations read; the others register what
// another may be registering, with the same text or another. In nine histories
// of ten the big round comes among the last operations: what is there is read by
// each one after it, and a hundred records more are most of what it costs.
func (h *history) write(store sealedStore, n, operations int) {
	rng := rand.New(rand.NewPCG(h.seed, uint64(n)))
	for i := range operations {
		c, late := call{}, i >= operations*4/5 || h.seed%10 == 0
		switch text, kind := fmt.Sprintf("text-%d", rng.IntN(2)), rng.IntN(6); {
		case kind == 0:
			c = call{name: fmt.Sprintf("expert %d", rng.IntN(20)), text: text}
		case kind == 1 || kind == 2 && !late:
			c = call{name: fmt.Sprintf("round %d", 1+rng.IntN(bigRound-1)), text: text}
		case kind == 2:
			c = call{name: fmt.Sprintf("round %d", bigRound), text: text, big: true}
		}
		h.do(store, n, c)
	}
}

// do makes one call and notes it. What certainly said nothing is left out.
func (h *history) do(store sealedStore, client int, c call) {
	op := porcupine.Operation{ClientId: client, Input: c, Call: int64(time.Since(h.start))}
	r := h.ask(store, c)
	op.Return = int64(time.Since(h.start))
	if r.outcome == "unknown" {
		op.Return = int64(time.Hour) // open-ended
	}
	op.Output = r
	h.mu.Lock()
	defer h.mu.Unlock()
	h.figures.Outcomes[r.outcome]++
	if c.big && r.outcome == "done" {
		h.figures.Big++
	}
	if c.name != "" || r.outcome == "read" {
		h.ops = append(h.ops, op)
	}
}

func (h *history) ask(store sealedStore, c call) reply {
	ctx := h.t.Context()
	if c.name == "" {
		s, err := store.Load(ctx, h.id)
		if err != nil {
			return h.outcome(err)
		}
		return reply{outcome: "read", contents: contents(h.t, s), version: s.Version}
	}
	kind, number, _ := strings.Cut(c.name, " ")
	if kind == "expert" {
		_, err := store.RegisterExpert(ctx, h.id, blue.NewExpert{Slug: blue.ExpertSlug("expert-" + number), Role: c.text, Tier: "Core", Source: "pool"})
		return h.outcome(err)
	}
	var round int
	fmt.Sscan(number, &round)
	b := batch(round, entitiesIn(round), 0)
	b.Title = c.text
	registered, err := store.RegisterRound(ctx, h.id, b)
	if err == nil && registered.Value.Repeated {
		return reply{outcome: "repeated"}
	}
	return h.outcome(err)
}

func (h *history) outcome(err error) reply {
	switch {
	case err == nil:
		return reply{outcome: "done"}
	case errors.Is(err, blue.ErrUnavailable), h.below != nil && !errors.Is(err, blue.ErrConflict):
		return reply{outcome: "unknown"}
	case errors.Is(err, blue.ErrConflict):
		return reply{outcome: "conflict"}
	case errors.Is(err, blue.ErrBusy):
		return reply{outcome: "nothing"}
	}
	h.t.Errorf("seed %d: %v", h.seed, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.figures.FalseAlarms++
	return reply{outcome: "unknown"}
}

// String lists the operations in the order of their beginning.
func (h *history) String() string {
	slices.SortFunc(h.ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, op := range h.ops {
		fmt.Fprintf(&b, "%d %v–%v %+v → %+v\n", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), op.Input, op.Output)
	}
	return b.String()
}

// randomFaults strikes one request in ten: of writes in every way there is, of
// reads in those that reads have.
func randomFaults(seed uint64) func(faultproxy.Request) faultproxy.Fault {
	rng := rand.New(rand.NewPCG(seed, 99))
	return func(r faultproxy.Request) faultproxy.Fault {
		if rng.IntN(10) != 0 {
			return faultproxy.Fault{}
		}
		after := 1 + rng.IntN(30)
		if rng.IntN(4) == 0 {
			after = 1 << 20 // at the end of all
		}
		faults := map[string]faultproxy.Fault{
			"a": faultproxy.Lose(), "b": faultproxy.LoseAnswer(), "c": faultproxy.Throttle(), "d": faultproxy.InternalError(),
			"e": faultproxy.Unavailable(), "f": faultproxy.Truncate(), "g": faultproxy.Reset(),
		}
		switch r.Operation {
		case "TransactWriteItems":
			maps.Copy(faults, map[string]faultproxy.Fault{
				"h": faultproxy.Late(after), "i": faultproxy.Double(after), "j": faultproxy.Double(0), "k": faultproxy.Cancel("TransactionConflict"),
				"l": faultproxy.InternalError().Afterwards(), "m": faultproxy.InProgress(), "n": faultproxy.Late(after), "o": faultproxy.Cancel("ThrottlingError"),
			})
		case "TransactGetItems":
			faults["h"] = faultproxy.Cancel("TransactionConflict")
		}
		names := slices.Sorted(maps.Keys(faults))
		return faults[names[rng.IntN(len(names))]]
	}
}
