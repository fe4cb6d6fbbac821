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
	"sync/atomic"
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
	Histories     int                     `json:"histories"`
	Operations    int                     `json:"operations"`
	Writers       int                     `json:"writers"`
	Burners       int                     `json:"burners"` // processes that only use the CPU
	Outcomes      map[string]int          `json:"outcomes"`
	Big           int                     `json:"big_commits"`
	Faults        map[faultproxy.Kind]int `json:"faults"`
	Requests      int                     `json:"requests"`
	Linearizable  int                     `json:"linearizable"`
	Undecided     int                     `json:"undecided"`      // histories that the checker could not decide in time
	FalseRefusals int                     `json:"false_refusals"` // writes that were stored and answered as refused
	FalseAlarms   int                     `json:"false_alarms"`
	Seeds         [2]uint64               `json:"seeds"` // the first and the last

	auditFigures
}

const historyWriters = 8

// lanes is how many histories run at once, each of a dialogue of its own. A
// history alone leaves some of two cores idle, in backoffs and behind leases;
// more lanes than this only make each slower: one takes 2 to 3 s of a core, most
// of them in DynamoDB Local.
const lanes = 4

// Environment variables of TestLinearizable, next to BLUE_CAMPAIGN and
// BLUE_FIGURES:
//
//	BLUE_BURNERS    how many processes use the CPU in parallel; by default one for
//	                each core in the long form, and none in the others
//	BLUE_HISTORIES  how many histories to run, whatever the form
//	BLUE_SEED       the seed of the first history; 1 by default
const (
	burnersVariable   = "BLUE_BURNERS"
	historiesVariable = "BLUE_HISTORIES"
	seedVariable      = "BLUE_SEED"
)

// TestLinearizable runs histories of 100 operations of eight writers under
// random faults. It checks that each history is linearizable, and that no write
// that was answered as refused is in the final state. The faults depend on the
// order of the requests, so a seed repeats the operations and not the order.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := newHistoryFigures()
	all.Writers, all.Burners = historyWriters, numberFrom(t, burnersVariable, defaultBurners())
	histories, first := numberFrom(t, historiesVariable, campaigntest.Length(4, 50, 500)), numberFrom(t, seedVariable, 1)
	burnCPU(t, all.Burners)
	start := time.Now()
	seeds := make(chan uint64)
	var mu sync.Mutex
	var runs sync.WaitGroup
	for range lanes {
		runs.Go(func() {
			for seed := range seeds {
				one := newHistoryFigures()
				h := &history{t: t, world: w, figures: one, seed: seed, faulty: true, id: blue.DialogueID(fmt.Sprintf("history-%d", seed))}
				switch h.run(100) {
				case porcupine.Ok:
					one.Linearizable++
				case porcupine.Unknown:
					one.Undecided++
				default:
					t.Errorf("the history of seed %d is not linearizable:\n%s", seed, h)
				}
				for _, refusal := range falseRefusals(h.ops) {
					one.FalseRefusals++
					t.Errorf("seed %d: a write was stored and answered as refused: %s", seed, refusal)
				}
				one.Histories++
				mu.Lock()
				all.add(one)
				mu.Unlock()
			}
		})
	}
	all.Seeds[0] = uint64(first)
	for n := range histories {
		if t.Failed() {
			break
		}
		all.Seeds[1] = uint64(first + n)
		seeds <- all.Seeds[1]
	}
	close(seeds)
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
	f.FalseRefusals += one.FalseRefusals
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
		t.Errorf("the checker reports %v", got)
	}
}

// refusing commits and answers every third commit with a conflict: the bug that
// falseRefusals must find.
type refusing struct {
	record.Store
	commits *atomic.Int64
}

func (r refusing) Commit(ctx context.Context, writes []record.Write) error {
	err := r.Store.Commit(ctx, writes)
	if err == nil && writes[0].Table == record.Dialogues && r.commits.Add(1)%3 == 0 {
		return &record.ConflictError{Table: record.Dialogues, Key: writes[0].Record.Key}
	}
	return err
}

// TestCheckerFindsFalseRefusals checks that a store with that bug and no fault
// has false refusals, and that its histories are not linearizable.
func TestCheckerFindsFalseRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var commits atomic.Int64
	h := &history{t: t, world: w, figures: newHistoryFigures(), seed: 7, id: "refused", below: func(s record.Store) record.Store { return refusing{s, &commits} }}
	got := h.run(40)
	if found := falseRefusals(h.ops); len(found) == 0 || got != porcupine.Illegal {
		t.Errorf("%d false refusals, and the checker reports %v", len(found), got)
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
	return porcupine.CheckOperationsTimeout(dialogueModel, h.ops, time.Minute)
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

// outcome returns the outcome of a write by its error. ErrAudit means that nothing
// happened, unless the store was out of reach. A conflict in an own audit chain,
// to which no other process writes, is a false alarm.
func (h *history) outcome(err error) reply {
	if err == nil {
		return reply{outcome: "done"}
	}
	detail := err.Error()
	switch {
	case errors.Is(err, blue.ErrUnavailable):
		return reply{outcome: "unknown", detail: detail}
	case errors.Is(err, blue.ErrAudit) && errors.Is(err, blue.ErrConflict):
		h.alarm(err)
		return reply{outcome: "nothing", detail: detail}
	case errors.Is(err, blue.ErrConflict):
		return reply{outcome: "conflict", detail: detail}
	case errors.Is(err, blue.ErrBusy):
		return reply{outcome: "nothing", detail: detail}
	}
	h.alarm(err)
	return reply{outcome: "unknown", detail: detail}
}

// alarm reports an error that the store must not return here. With a planted
// bug there is no such error.
func (h *history) alarm(err error) {
	if h.below != nil {
		return
	}
	h.t.Errorf("seed %d: %v", h.seed, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.figures.FalseAlarms++
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
				"p": faultproxy.AnswerSecond(),
			})
		case "PutItem":
			faults["h"], faults["i"] = faultproxy.AnswerSecond(), faultproxy.Double(after)
		case "TransactGetItems":
			faults["h"] = faultproxy.Cancel("TransactionConflict")
		}
		names := slices.Sorted(maps.Keys(faults))
		return faults[names[rng.IntN(len(names))]]
	}
}
