package audit_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

func newLog(store record.Store) *audit.Log {
	return audit.NewLog(store, "muffin", &audit.Options{Now: func() time.Time { return noon }})
}

// TestHashes computes the hashes of an event as docs/format.md describes.
func TestHashes(t *testing.T) {
	e := audit.Event{
		EventID: "019c2b5e-0000-7000-8000-000000000000", Timestamp: "2026-02-03T12:00:00.000000000Z",
		TraceID: "trace", SpanID: "span", Operation: audit.Encrypt, KeyID: "dek#d#1", Principal: "muffin",
		Outcome: audit.Success, Chain: "00112233445566778899aabbccddeeff", Seq: 7, Dialogue: "d", RootVersion: 3,
		ErrorClass: "none", Previous: "aa",
	}
	if err := e.Write([]audit.Item{{SK: "round#00", Tag: [16]byte{1}}, {SK: "tension#00#01", Tag: [16]byte{2}}}); err != nil {
		t.Fatal(err)
	}
	e.Close("bb")

	var core []byte
	lp := func(x string) {
		core = binary.BigEndian.AppendUint64(core, uint64(len(x)))
		core = append(core, x...)
	}
	for _, x := range []string{"blue/1/event", e.EventID, e.Timestamp, "trace", "span", "encrypt", "dek#d#1", "muffin", "success",
		e.Chain, "7", "d", "3", "2", "", string(e.ItemNames), string(e.ItemTags), "none", "aa"} {
		lp(x)
	}
	if want := hash(core); e.CoreHash() != want {
		t.Errorf("core hash %s, want %s", e.CoreHash(), want)
	}
	lp("bb")
	if want := hash(core); e.EventHash != want || !e.IsIntact() {
		t.Errorf("event hash %s, want %s", e.EventHash, want)
	}
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestEveryFieldIsHashed changes one field at a time. Each change must change
// the hash.
func TestEveryFieldIsHashed(t *testing.T) {
	changes := map[string]func(*audit.Event){
		"event_id":      func(e *audit.Event) { e.EventID += "x" },
		"timestamp":     func(e *audit.Event) { e.Timestamp += "x" },
		"trace_id":      func(e *audit.Event) { e.TraceID += "x" },
		"span_id":       func(e *audit.Event) { e.SpanID += "x" },
		"operation":     func(e *audit.Event) { e.Operation += "x" },
		"key_id":        func(e *audit.Event) { e.KeyID += "x" },
		"principal":     func(e *audit.Event) { e.Principal += "x" },
		"outcome":       func(e *audit.Event) { e.Outcome += "x" },
		"chain":         func(e *audit.Event) { e.Chain += "x" },
		"seq":           func(e *audit.Event) { e.Seq++ },
		"dialogue":      func(e *audit.Event) { e.Dialogue += "x" },
		"root_version":  func(e *audit.Event) { e.RootVersion++ },
		"item_count":    func(e *audit.Event) { e.ItemCount++ },
		"items_digest":  func(e *audit.Event) { e.ItemsDigest = append(e.ItemsDigest, 1) },
		"item_names":    func(e *audit.Event) { e.ItemNames = append(e.ItemNames, 1) },
		"item_tags":     func(e *audit.Event) { e.ItemTags = append(e.ItemTags, 1) },
		"error_class":   func(e *audit.Event) { e.ErrorClass += "x" },
		"previous_hash": func(e *audit.Event) { e.Previous += "x" },
		"root_hash":     func(e *audit.Event) { e.RootHash += "x" },
		"event_hash":    func(e *audit.Event) { e.EventHash += "x" },
	}
	for name, change := range changes {
		var e audit.Event
		e.Close("")
		if change(&e); e.IsIntact() {
			t.Errorf("the hash does not depend on %s", name)
		}
	}
	// Text that moves from one field to the next must change the hash.
	a, b := audit.Event{TraceID: "ab", SpanID: "c"}, audit.Event{TraceID: "a", SpanID: "bc"}
	if a.CoreHash() == b.CoreHash() {
		t.Error("two events with the same letters in different fields have one hash")
	}
}

func TestItemsRoundTrip(t *testing.T) {
	var items []audit.Item
	for i := range 2000 {
		items = append(items, audit.Item{SK: fmt.Sprintf("event#perspective#P%04d#2026-02-03T12:00:00.000000000Z", i), Tag: [16]byte{byte(i), byte(i >> 8), 9}})
	}
	var e audit.Event
	if err := e.Write(items); err != nil {
		t.Fatal(err)
	}
	got, err := e.Items()
	if err != nil || !slices.Equal(got, items) {
		t.Fatalf("%d items in, %d out, %v", len(items), len(got), err)
	}
	for name, damage := range map[string]func(*audit.Event){
		"count":     func(e *audit.Event) { e.ItemCount-- },
		"names":     func(e *audit.Event) { e.ItemNames = []byte("not deflate") },
		"cut tags":  func(e *audit.Event) { e.ItemTags = e.ItemTags[1:] },
		"cut names": func(e *audit.Event) { e.ItemNames = e.ItemNames[:len(e.ItemNames)/2] },
	} {
		bad := e
		damage(&bad)
		if _, err := bad.Items(); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestChains runs many operations at the same time. Every chain must be listed,
// begin with its genesis and be linked without a gap.
func TestChains(t *testing.T) {
	store := memory.New()
	log := newLog(store)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 25 {
				if err := log.Append(t.Context(), func(*audit.Event) {}, audit.Decrypt, "d", "dek#d#1", audit.Success); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := map[audit.Operation]int{}
	chains := chainsIn(t, store)
	for _, chain := range chains {
		events := eventsIn(t, store, chain)
		if first, last := events[0].Operation, events[len(events)-1].Operation; first != audit.Genesis || last != audit.Close {
			t.Errorf("chain %s begins with %s and ends with %s", chain, first, last)
		}
		for _, e := range events {
			count[e.Operation]++
		}
	}
	want := map[audit.Operation]int{audit.Genesis: len(chains), audit.Decrypt: 400, audit.Close: len(chains)}
	if !maps.Equal(count, want) || len(chains) > 16 {
		t.Errorf("%v events, want %v", count, want)
	}
}

// chainsIn returns the chains of the day index.
func chainsIn(t testing.TB, store record.Store) []string {
	t.Helper()
	var chains []string
	for _, digit := range "0123456789abcdef" {
		for _, r := range query(t, store, record.IndexPartition(string(digit))) {
			if _, chain, _ := strings.Cut(r.Key.Item, "#"); !slices.Contains(chains, chain) {
				chains = append(chains, chain)
			}
		}
	}
	return chains
}

func query(t testing.TB, store record.Store, pk record.Partition) []record.Record {
	t.Helper()
	all, err := store.Query(context.WithoutCancel(t.Context()), record.Query{Table: record.Audit, Partition: pk})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// eventsIn returns the events of a chain. It fails the test if they are not
// linked.
func eventsIn(t testing.TB, store record.Store, chain string) []audit.Event {
	t.Helper()
	var events []audit.Event
	previous := hash([]byte("blue/1/chain/" + chain))
	for i := range query(t, store, record.ChainPartition(chain)) {
		e, err := audit.ReadEvent(context.WithoutCancel(t.Context()), store, chain, uint64(i)+1)
		if err != nil || e.Previous != previous {
			t.Fatalf("chain %s seq %d: %v, previous %s, want %s", chain, i+1, err, e.Previous, previous)
		}
		previous = e.EventHash
		events = append(events, e)
	}
	return events
}

// TestLease ends leases in each way. After a definite failure the next event
// gets the seq. After an unknown outcome the chain is not used again.
func TestLease(t *testing.T) {
	log := newLog(memory.New())
	draft := func(l *audit.Lease) audit.Event {
		e, err := l.Draft(audit.Encrypt, "d", "dek#d#1", audit.Success)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := lease(t, log)
	a := draft(first)
	first.Failed()
	second := lease(t, log)
	b := draft(second)
	if a.Chain != b.Chain || a.Seq != 2 || b.Seq != 2 {
		t.Errorf("after a definite failure the seq is not free: %s %d, %s %d", a.Chain, a.Seq, b.Chain, b.Seq)
	}
	b.Close("")
	second.End(nil, b, audit.Event{})
	third := lease(t, log)
	c := draft(third)
	if c.Chain != b.Chain || c.Seq != 3 || c.Previous != b.EventHash {
		t.Errorf("the chain does not continue: %+v", c)
	}
	third.End(errLost, c, audit.Event{})
	if d := draft(lease(t, log)); d.Chain == c.Chain {
		t.Error("a chain with an unknown outcome was used again")
	}
}

// TestReadCommits damages pointers and events: missing, edited, or stored at
// another key. ReadCommits must return an error and the events before it.
func TestReadCommits(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, s record.Store, events []audit.Event)
		want   error
		read   int
	}{
		"intact": {func(*testing.T, record.Store, []audit.Event) {}, nil, 3},
		"pointer gone": {func(t *testing.T, s record.Store, _ []audit.Event) {
			remove(t, s, record.Key{Partition: "dialogue#d", Item: "000000000002"})
		}, blue.ErrTampered, 1},
		"event gone": {func(t *testing.T, s record.Store, e []audit.Event) {
			remove(t, s, keyOf(e[1]))
		}, blue.ErrNotFound, 1},
		"event edited": {func(t *testing.T, s record.Store, e []audit.Event) {
			edit(t, s, keyOf(e[2]), "principal", record.S("someone"))
		}, blue.ErrTampered, 2},
		"pointer bent": {func(t *testing.T, s record.Store, e []audit.Event) {
			edit(t, s, record.Key{Partition: "dialogue#d", Item: "000000000003"}, "seq", record.N(1))
		}, blue.ErrTampered, 2},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			log := newLog(store)
			var events []audit.Event
			for version := range uint64(3) {
				l := lease(t, log)
				e, err := l.Draft(audit.Encrypt, "d", "dek#d#1", audit.Success)
				if err != nil {
					t.Fatal(err)
				}
				e.RootVersion = version + 1
				e.Close("root" + strconv.Itoa(int(version)))
				if err := store.Commit(t.Context(), e.Writes(nil)); err != nil {
					t.Fatal(err)
				}
				l.End(nil, e, audit.Event{})
				events = append(events, e)
			}
			c.damage(t, store, events)
			got, err := audit.ReadCommits(t.Context(), store, "d")
			if !errors.Is(err, c.want) || c.want == nil && err != nil || len(got) != c.read {
				t.Errorf("%d events and %v, want %d and %v", len(got), err, c.read, c.want)
			}
		})
	}
}

func keyOf(e audit.Event) record.Key {
	return record.Key{Partition: record.ChainPartition(e.Chain), Item: fmt.Sprintf("%012d", e.Seq)}
}

func remove(t *testing.T, s record.Store, key record.Key) {
	t.Helper()
	commit(t, s, key, nil)
}

func edit(t *testing.T, s record.Store, key record.Key, name string, v record.Value) {
	t.Helper()
	r, err := s.Get(t.Context(), record.Audit, key)
	if err != nil {
		t.Fatal(err)
	}
	r.Attrs[name] = v
	commit(t, s, key, r.Attrs)
}

func commit(t *testing.T, s record.Store, key record.Key, attrs record.Attrs) {
	t.Helper()
	old, err := s.Get(t.Context(), record.Audit, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), []record.Write{{Table: record.Audit, Record: record.Record{Key: key, Attrs: attrs}, Prev: old.Attrs}}); err != nil {
		t.Fatal(err)
	}
}

func lease(t *testing.T, log *audit.Log) *audit.Lease {
	t.Helper()
	l, err := log.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}
