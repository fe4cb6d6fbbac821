package dynamo_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
	"github.com/superviber/blue-encrypted-store/record"
)

const pageSize = 1 << 20 // bytes of a page of Query

// counted is what do sends, by operation.
func (w *fixture) counted(do func() error) map[string]int {
	w.Helper()
	w.proxy.Play(nil)
	if err := do(); err != nil {
		w.Fatal(err)
	}
	return w.proxy.Counts()
}

func (w *fixture) sends(what string, want map[string]int, do func() error) {
	w.Helper()
	if diff := cmp.Diff(want, w.counted(do)); diff != "" {
		w.Errorf("requests of %s (-want +got):\n%s", what, diff)
	}
}

// TestRequests counts on the wire, with keys and audit chain warm.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	load := func() error { _, err := w.store.Load(w.Context(), id); return err }
	get := func() error {
		_, err := w.store.Get(w.Context(), id, blue.EntityKey{Kind: blue.KindRound, Key: "0"})
		return err
	}
	register := func(b blue.RoundBatch) func() error {
		return func() error { _, err := w.store.RegisterRound(w.Context(), id, b); return err }
	}

	w.sends("a round of 4 writes", map[string]int{"Query": 1, "TransactWriteItems": 1}, register(moves(0, 0, 0)))
	w.sends("a round of 95 writes", map[string]int{"Query": 1, "TransactWriteItems": 1}, register(moves(1, 95-others, 50)))
	if n := w.records.writes.Load(); n != 95 {
		t.Errorf("the round had %d writes", n)
	}
	w.sends("a get", map[string]int{"GetItem": 1, "PutItem": 1}, get)
	w.sends("a small load", map[string]int{"Query": 1, "PutItem": 1}, load)

	have, _ := w.stored()
	w.round(moves(2, 1000-1-len(have), 190))
	items, bytes := w.stored()
	t.Logf("%d items of %d B in the mean", len(items), bytes/len(items))
	if mean := bytes / len(items); len(items) != 1000 || mean < 550 || mean > 650 {
		t.Errorf("%d items of %d B, want 1000 of 600 B", len(items), mean)
	}
	w.sends("a load of 1,000 items", map[string]int{"Query": 1, "PutItem": 1}, load)

	w.round(moves(3, 90, 20_000))
	_, bytes = w.stored()
	w.sends("a large load", map[string]int{"Query": 1 + bytes/pageSize, "PutItem": 1}, load)
	w.sends("a get from a large dialogue", map[string]int{"GetItem": 1, "PutItem": 1}, get)
}

// TestAuditPut: the event of a read is one PutItem, without a token. Whatever
// becomes of the first one, each load that succeeds has left one event, and the
// chain continues without a gap.
func TestAuditPut(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	loads := 0
	load := func() {
		t.Helper()
		if _, err := w.store.Load(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		loads++
	}
	load()
	for name, fault := range map[string]faultproxy.Fault{
		"lost": faultproxy.Lose(), "answer lost": faultproxy.LoseAnswer(), "late": faultproxy.Late(1), "later": faultproxy.Late(3),
		"doubled": faultproxy.Double(0), "doubled late": faultproxy.Double(2), "truncated": faultproxy.Truncate(), "reset": faultproxy.Reset(),
		"wrong checksum": faultproxy.WrongCRC(), "500": faultproxy.InternalError(), "500 afterwards": faultproxy.InternalError().Afterwards(),
		"throttled": faultproxy.Throttle(), "conflict": faultproxy.Conflict(),
	} {
		w.proxy.Play(faultproxy.Script{{Operation: "PutItem", Nth: 1, Fault: fault}}.Decide)
		load()
		if log := w.proxy.Log(); !slices.ContainsFunc(log, func(e faultproxy.Entry) bool { return e.Fault != faultproxy.None }) {
			t.Errorf("%s: struck nothing: %v", name, log)
		}
		w.proxy.Play(nil)
		load()
		w.proxy.Release()
		w.checkChain(name, loads)
	}
}

// checkChain expects the events of all loads in one unbroken chain.
func (w *fixture) checkChain(when string, loads int) {
	w.Helper()
	commits, err := audit.ReadCommits(w.Context(), w.records, string(id))
	if err != nil {
		w.Fatal(err)
	}
	chain, last := commits[0].Chain, ""
	events, err := w.records.Query(w.Context(), record.Query{Table: record.Audit, Partition: record.ChainPartition(chain)})
	if err != nil {
		w.Fatal(err)
	}
	reads := 0
	for i := range events {
		e, err := audit.ReadEvent(w.Context(), w.records, chain, uint64(i)+1)
		if err != nil || i > 0 && e.Previous != last {
			w.Fatalf("%s: event %d does not hang on the one before (%v)", when, i+1, err)
		}
		last = e.EventHash
		if e.Operation == audit.Decrypt && e.Outcome == audit.Success {
			reads++
		}
	}
	if reads != loads {
		w.Errorf("%s: %d events of %d loads", when, reads, loads)
	}
}
