package storetest_test

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
	"github.com/superviber/blue-encrypted-store/view"
)

// one is one of the stores that run a history.
type one struct {
	name    string
	sealed  bool
	records record.Store
	store   storetest.Store
}

// lockstep runs each request on all stores. They share one time of the clock and
// one stream of randomness, so that keys, nonces and event ids agree.
type lockstep struct {
	t      *testing.T
	drawn  bool // randomness comes from the stream
	now    time.Time
	seed   uint64
	calls  uint64 // calls of the record store by the current request
	stores []one
	seen   map[string]int // number of calls by method and result
}

// seeded restarts the stream of randomness after each call, because a client of
// DynamoDB draws numbers for its requests and a file does not.
type seeded struct {
	record.Store
	of *lockstep
}

func (s seeded) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	defer s.of.reseed()
	return s.Store.Get(ctx, table, key)
}

func (s seeded) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	defer s.of.reseed()
	return s.Store.Query(ctx, q)
}

func (s seeded) Commit(ctx context.Context, writes []record.Write) error {
	defer s.of.reseed()
	return s.Store.Commit(ctx, writes)
}

func (l *lockstep) reseed() {
	l.calls++
	l.draw(l.seed<<16 | l.calls)
}

// draw starts the stream of randomness. It cannot replace randomness in FIPS
// 140-3 mode, nor in a build with a frozen module.
func (l *lockstep) draw(seed uint64) {
	if l.drawn {
		cryptotest.SetGlobalRandom(l.t, seed)
	}
}

func newLockstep(t *testing.T) *lockstep {
	l := &lockstep{t: t, drawn: !fips140.Enabled() && fips140.Version() == "latest", now: time.Date(2032, 1, 1, 0, 0, 0, 7, time.UTC), seen: map[string]int{}}
	clock := func() time.Time { return l.now }
	umk := filepath.Join(t.TempDir(), "umk.key")
	makeKey(t, umk) // before all requests, so that no store draws more than the others
	for _, s := range []one{
		{"memory", false, inMemory(t), nil}, {"sqlite", false, inSQLite(t), nil},
		{"dynamodb", false, inDynamoDB(t), nil},
		{"memory encrypted", true, inMemory(t), nil}, {"sqlite encrypted", true, inSQLite(t), nil},
		{"dynamodb encrypted", true, inDynamoDB(t), nil},
	} {
		s.records = seeded{s.records, l}
		l.draw(1) // a log keeps the first source of randomness
		s.store = plain(nil).Open(t, s.records, clock)
		if s.sealed {
			s.store = sealedtest.Open(umk, s.records, clock)
		}
		l.stores = append(l.stores, s)
	}
	return l
}

// sentinels returns the names of the store's errors that err wraps.
func sentinels(err error) string {
	var is []string
	for _, s := range []error{
		blue.ErrInvalid, blue.ErrRefused, blue.ErrNotFound, blue.ErrConflict, blue.ErrBusy, blue.ErrTooLarge, blue.ErrUnavailable,
		blue.ErrSealed, blue.ErrTampered, blue.ErrErased, blue.ErrAudit,
	} {
		if errors.Is(err, s) {
			is = append(is, s.Error())
		}
	}
	if err != nil && len(is) == 0 {
		return err.Error()
	}
	return fmt.Sprint(is)
}

// do runs a request on all stores and compares the answers.
func (l *lockstep) do(rt *rapid.T, what string, request func(context.Context, storetest.Store) (any, error)) {
	l.seed++
	l.now = l.now.Add(time.Second)
	var first any
	var firstErr string
	for i, s := range l.stores {
		l.calls = 0
		l.reseed()
		answer, err := request(l.t.Context(), s.store)
		if i == 0 {
			first, firstErr = answer, sentinels(err)
			method, _, _ := strings.Cut(what, " ")
			l.seen[method+" "+firstErr]++
			continue
		}
		if got := sentinels(err); got != firstErr {
			rt.Fatalf("%s: %s returned %s (%v), %s returned %s", what, l.stores[0].name, firstErr, first, s.name, got)
		}
		if diff := cmp.Diff(first, answer); diff != "" {
			rt.Fatalf("%s: answers of %s and %s differ (-/+):\n%s", what, l.stores[0].name, s.name, diff)
		}
	}
}

// compare loads the dialogue from all stores. Snapshots, exports and stored
// bytes must be equal, the bytes within the plain stores and within the sealed
// ones. Without the stream of randomness only plain dialogues have equal bytes,
// and of the others the lengths are compared.
func (l *lockstep) compare(rt *rapid.T, id blue.DialogueID) {
	l.do(rt, "loading", func(ctx context.Context, s storetest.Store) (any, error) {
		snapshot, err := s.Load(ctx, id)
		if err != nil {
			return nil, err
		}
		snapshot.Version = 0
		again, err := s.Load(ctx, id)
		if err != nil {
			return nil, err
		}
		again.Version = 0
		if diff := cmp.Diff(snapshot, again); diff != "" {
			return nil, fmt.Errorf("a second load differs: %s", diff)
		}
		var document bytes.Buffer
		if err := view.WriteExport(&document, snapshot, l.now); err != nil {
			return nil, err
		}
		return []any{snapshot, document.String()}, nil
	})
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		l.compareBytes(rt, table, record.DialoguePartition(string(id)))
	}
}

func (l *lockstep) compareBytes(rt *rapid.T, table record.Table, pk record.Partition) {
	var all [][]record.Record
	for _, s := range l.stores {
		records, err := s.records.Query(l.t.Context(), record.Query{Table: table, Partition: pk})
		if err != nil {
			rt.Fatal(err)
		}
		all = append(all, records)
	}
	for _, pair := range [][2]int{{0, 1}, {0, 2}, {3, 4}, {3, 5}} {
		a, b := all[pair[0]], all[pair[1]]
		if len(a) != len(b) {
			rt.Fatalf("%s holds %d records on one store and %d on the other", table, len(a), len(b))
		}
		for i := range a {
			if same := l.drawn || table == record.Dialogues && pair[0] == 0; !same {
				if diff := cmp.Diff(shape(a[i]), shape(b[i])); diff != "" {
					rt.Fatalf("%s %s differs in shape: %s", table, a[i].Key.Item, diff)
				}
			} else if !a[i].Equal(b[i]) {
				rt.Fatalf("%s %s differs between %s and %s: item_mac %x and %x", table, a[i].Key.Item,
					l.stores[pair[0]].name, l.stores[pair[1]].name, a[i].Attrs["item_mac"].Bin(), b[i].Attrs["item_mac"].Bin())
			}
		}
	}
	for _, r := range all[3] {
		if table == record.Dialogues && len(r.Attrs["item_mac"].Bin()) != 32 {
			rt.Fatalf("%s has no item_mac", r.Key.Item)
		}
	}
}

// shape returns the parts of a record that do not depend on randomness.
func shape(r record.Record) map[string]int {
	of := map[string]int{}
	for name, v := range r.Attrs {
		of[name] = len(v.Bin())
	}
	return of
}

// limitHistories sets the number of histories by the length of the run, because
// each request goes to six stores, two of them in DynamoDB. The flag
// -rapid.checks takes precedence.
func limitHistories(t *testing.T) {
	t.Helper()
	const name = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	usual := flag.Lookup(name).Value.String()
	if err := flag.Set(name, strconv.Itoa(campaigntest.Length(10, 40, 1000))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, usual) })
}

// TestHistories runs random histories of requests, many of them invalid, on six
// stores in lockstep.
func TestHistories(t *testing.T) {
	limitHistories(t)
	l := newLockstep(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := blue.DialogueID(fmt.Sprintf("dialogue-%d", n))
		l.do(rt, "Create", func(ctx context.Context, s storetest.Store) (any, error) {
			return s.Create(ctx, id, blue.NewDialogue{Title: "T"})
		})
		for _, r := range rapid.SliceOfN(requests(), 5, 25).Draw(rt, "history") {
			l.do(rt, r.name, func(ctx context.Context, s storetest.Store) (any, error) { return r.do(ctx, s, id) })
		}
		l.compare(rt, id)
	})
	for _, line := range slices.Sorted(maps.Keys(l.seen)) {
		t.Logf("%4d %s", l.seen[line], line)
	}
	for _, s := range l.stores[1:] {
		a, errA := l.stores[0].store.List(t.Context())
		b, errB := s.store.List(t.Context())
		if diff := cmp.Diff(a, b); diff != "" || errA != nil || errB != nil {
			t.Errorf("lists of memory and %s differ (%v, %v):\n%s", s.name, errA, errB, diff)
		}
	}
}
