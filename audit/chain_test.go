package audit_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCommits compares the keys of every commit of a short log. An operation on
// a free chain makes one commit.
func TestCommits(t *testing.T) {
	w, c := newFaultStore(), &clock{at: noon}
	anchor := &memoryAnchor{}
	log := audit.NewLog(w, "muffin", &audit.Options{Now: c.now, Signer: signs(t), Anchors: []audit.Anchor{anchor}, Every: 4})
	mustRead(t, log)
	mustRead(t, log)
	c.set(noon.Add(12 * time.Hour))
	mustRead(t, log) // on the next day, when a checkpoint is due by age
	mustRead(t, log)
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for n := range w.commits {
		got = append(got, w.keys(n))
	}
	want := [][]string{
		{"audit#{chain} 000000000001", "chains#{digit} 2026-02-03#{chain}"},
		{"audit#{chain} 000000000002"},
		{"audit#{chain} 000000000003"},
		{"checkpoint#{chain} 000000000003"},
		{"audit#{chain} 000000000004", "chains#{digit} 2026-02-04#{chain}"},
		{"audit#{chain} 000000000005"},
		{"audit#{chain} 000000000006", "checkpoint#{chain} 000000000006"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
	if got := anchor.sizes(t, w); !slices.Equal(got, []uint64{3, 6}) {
		t.Errorf("published %v", got)
	}
	if got := stored(t, w); !slices.Equal(got, []string{"3", "6"}) {
		t.Errorf("stored %v", got)
	}
	chain := chainsIn(t, w)[0]
	events := eventsIn(t, w, chain)
	if got := operations(events); got != "genesis decrypt decrypt decrypt decrypt close" {
		t.Errorf("events %s", got)
	}
	if events[0].KeyID != newSigner(t).VerifierKey() || events[5].KeyID != "" {
		t.Errorf("key ids %q, %q", events[0].KeyID, events[5].KeyID)
	}
	for day, first := range map[string]int64{"2026-02-03": 1, "2026-02-04": 4} {
		r, err := w.Get(t.Context(), record.Audit, record.Key{Partition: record.IndexPartition(chain), Item: day + "#" + chain})
		if want := (record.Attrs{"first": record.N(first)}); err != nil || !r.Equal(record.Record{Key: r.Key, Attrs: want}) {
			t.Errorf("index of %s: %v, %v", day, r.Attrs, err)
		}
	}
}

// TestGenesis gives each answer of the store to a genesis, and counts commits
// and chains.
func TestGenesis(t *testing.T) {
	conflict := &record.ConflictError{Table: record.Audit, Key: record.Key{Partition: "audit#0", Item: "000000000001"}}
	for name, c := range map[string]struct {
		before, after func(int, []record.Write) error
		want          error // of the operation
		commits       int
		chains        int // in the day index
	}{
		"definite failure":             {nth(1, record.ErrBusy), nil, blue.ErrBusy, 1, 0},
		"too large":                    {nth(1, record.ErrTooLarge), nil, blue.ErrTooLarge, 1, 0},
		"unknown, not landed":          {nth(1, errLost), nil, nil, 3, 1},
		"unknown, landed":              {nil, nth(1, errLost), nil, 3, 2},
		"a stranger in the chain":      {nth(1, conflict), nil, nil, 3, 1},
		"unknown twice":                {to("chains#", errLost), nil, errLost, 2, 0},
		"unknown twice, landed":        {nil, to("chains#", errLost), errLost, 2, 2},
		"fine, and the event unstored": {nth(2, errLost), nil, errLost, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFaultStore()
			w.before, w.after = c.before, c.after
			log := newLog(w)
			err := read(t.Context(), log)
			if (c.want == nil) != (err == nil) || c.want != nil && (!errors.Is(err, c.want) || !errors.Is(err, blue.ErrAudit)) {
				t.Errorf("%v, want %v as ErrAudit", err, c.want)
			}
			if n, chains := w.count(), len(chainsIn(t, w)); n != c.commits || chains != c.chains {
				t.Errorf("%d commits and %d chains, want %d and %d", n, chains, c.commits, c.chains)
			}
			w.heal()
			mustRead(t, log)
		})
	}
}

// TestAppendUnavailable fails the store, and then closes the log. Append and
// Lease must return ErrAudit.
func TestAppendUnavailable(t *testing.T) {
	w := newFaultStore()
	w.before = to("audit#", blue.ErrUnavailable)
	if err := read(t.Context(), newLog(w)); !errors.Is(err, blue.ErrAudit) || !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("%v, want ErrAudit", err)
	}
	w.before = to("audit#", blue.ErrUnavailable)
	if _, err := newLog(w).Lease(t.Context()); !errors.Is(err, blue.ErrAudit) || !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("%v, want ErrAudit", err)
	}
	log := newLog(newFaultStore())
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Lease(t.Context()); !errors.Is(err, blue.ErrAudit) {
		t.Errorf("on a closed log: %v, want ErrAudit", err)
	}
}

// TestAnswers gives each answer of the store to the commit of an event, and
// compares the chains afterwards.
func TestAnswers(t *testing.T) {
	voids := func(w *faultStore) func(int, []record.Write) error { // puts the fence, as a store does after a lost response
		return func(n int, writes []record.Write) error {
			if n != 1 {
				return nil
			}
			fence := record.Write{Table: record.Audit, Record: record.Record{Key: writes[0].Record.Key, Attrs: writes[0].Fence}}
			if err := w.Store.Commit(t.Context(), []record.Write{fence}); err != nil {
				return err
			}
			return &record.VoidedError{Table: record.Audit, Key: fence.Record.Key}
		}
	}
	for name, c := range map[string]struct {
		fault  func(w *faultStore)
		want   error
		chains map[string]int // operations of each chain
	}{
		"definite": {func(w *faultStore) { w.before = nth(1, record.ErrBusy) }, blue.ErrBusy, map[string]int{"genesis decrypt decrypt close": 1}},
		"unknown":  {func(w *faultStore) { w.before = nth(1, errLost) }, errLost, map[string]int{"genesis decrypt": 1, "genesis decrypt close": 1}},
		"unknown, landed": {func(w *faultStore) { w.after = nth(1, errLost) }, errLost,
			map[string]int{"genesis decrypt decrypt": 1, "genesis decrypt close": 1}},
		"unknown, of a store too busy to find out": {func(w *faultStore) { w.before = nth(1, fmt.Errorf("%w: %w", record.ErrUnavailable, record.ErrBusy)) },
			blue.ErrBusy, map[string]int{"genesis decrypt": 1, "genesis decrypt close": 1}},
		"void": {func(w *faultStore) { w.before = voids(w) }, nil, map[string]int{"genesis decrypt void decrypt decrypt close": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFaultStore()
			log := newLog(w)
			mustRead(t, log)
			w.heal()
			c.fault(w)
			if err := read(t.Context(), log); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			w.heal()
			mustRead(t, log)
			if err := log.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, chain := range chainsIn(t, w) {
				got[operations(eventsIn(t, w, chain))]++
			}
			if diff := cmp.Diff(c.chains, got); diff != "" {
				t.Errorf("chains (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDays checks that each day of a chain gets one index record, in the commit
// of an event.
func TestDays(t *testing.T) {
	w, c := newFaultStore(), &clock{at: noon}
	log := audit.NewLog(w, "muffin", &audit.Options{Now: c.now})
	day := func(days int) { c.set(noon.Add(time.Duration(days) * 24 * time.Hour)) }
	index := func() map[string]int64 {
		found := map[string]int64{}
		chain := chainsIn(t, w)[0]
		for _, r := range query(t, w, record.IndexPartition(chain)) {
			found[r.Key.Item[:10]] = r.Attrs["first"].Int()
		}
		return found
	}
	expect := func(what string, want map[string]int64) {
		t.Helper()
		if diff := cmp.Diff(want, index()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	mustRead(t, log)
	want := map[string]int64{"2026-02-03": 1}
	expect("the first day", want)
	day(-1)
	mustRead(t, log)
	expect("a clock put back", want)

	day(1)
	w.heal()
	w.before = nth(1, record.ErrBusy)
	if err := read(t.Context(), log); err == nil {
		t.Fatal("the fault was not injected")
	}
	expect("a definite failure on a new day", want)
	mustRead(t, log)
	want["2026-02-04"] = 4
	expect("a new day", want)

	// If the first event of a day is voided, the next event stores the record.
	day(2)
	w.heal()
	w.before = func(n int, writes []record.Write) error {
		if n > 1 {
			return nil
		}
		fence := record.Write{Table: record.Audit, Record: record.Record{Key: writes[0].Record.Key, Attrs: writes[0].Fence}}
		if err := w.Store.Commit(t.Context(), []record.Write{fence}); err != nil {
			t.Fatal(err)
		}
		return &record.VoidedError{Table: record.Audit, Key: fence.Record.Key}
	}
	mustRead(t, log)
	want["2026-02-05"] = 5
	expect("a void on a new day", want)

	// An existing record is accepted.
	day(3)
	w.heal()
	chain := chainsIn(t, w)[0]
	there := record.Record{Key: record.Key{Partition: record.IndexPartition(chain), Item: "2026-02-06#" + chain}, Attrs: record.Attrs{"first": record.N(7)}}
	if err := w.Store.Commit(t.Context(), []record.Write{{Table: record.Audit, Record: there}}); err != nil {
		t.Fatal(err)
	}
	mustRead(t, log)
	mustRead(t, log)
	want["2026-02-06"] = 7
	expect("a conflict on the index", want)
	if got := operations(eventsIn(t, w, chain)); got != "genesis decrypt decrypt decrypt void decrypt decrypt decrypt" {
		t.Errorf("events %s", got)
	}
}

// TestTrace checks that events carry the trace of the operation's context.
func TestTrace(t *testing.T) {
	w := newFaultStore()
	log := newLog(w)
	mustRead(t, log)
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2, 15: 3}, SpanID: trace.SpanID{4, 7: 5}})
	if err := read(trace.ContextWithSpanContext(t.Context(), sc), log); err != nil {
		t.Fatal(err)
	}
	events := eventsIn(t, w, chainsIn(t, w)[0])
	if e := events[1]; e.TraceID != "" || e.SpanID != "" {
		t.Errorf("without a span: %q, %q", e.TraceID, e.SpanID)
	}
	if e := events[2]; e.TraceID != "01020000000000000000000000000003" || e.SpanID != "0400000000000005" {
		t.Errorf("%q, %q", e.TraceID, e.SpanID)
	}
}

// TestApart runs 16 operations at the same time. Each must hold its own chain and
// must not wait for another.
func TestApart(t *testing.T) {
	w := newFaultStore()
	log := newLog(w)
	inside, all := make(chan struct{}), make(chan struct{})
	w.before = func(_ int, writes []record.Write) error {
		if len(writes) > 1 { // a genesis
			return nil
		}
		inside <- struct{}{}
		<-all
		return nil
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := read(t.Context(), log); err != nil {
				t.Error(err)
			}
		})
	}
	for range 16 {
		<-inside // all are in their commits before one ends
	}
	close(all)
	wg.Wait()
	w.heal()
	if n := len(chainsIn(t, w)); n != 16 {
		t.Errorf("%d chains, want 16", n)
	}
	mustRead(t, log)
	if n := w.count(); n != 1 {
		t.Errorf("an operation on a free chain makes %d commits", n)
	}
}
