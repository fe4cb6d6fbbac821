package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// solo is a history without faults for tests of single commits.
func solo(seed uint64, sc scale) *history {
	return &history{
		w: newModel(rand.New(rand.NewPCG(seed, 7))), scale: sc,
		acked: map[string]bool{}, refused: map[string]bool{}, events: map[string]record.Key{},
	}
}

// answersEarly answers "unknown" to commits while they are still in progress.
type answersEarly struct {
	*link
}

func (a answersEarly) transact(ctx context.Context, token string, actions []action) error {
	if !isCommit(actions) {
		return a.link.transact(ctx, token, actions)
	}
	go func() { _ = a.w.execute(token, actions) }()
	time.Sleep(a.w.upTo(5 * time.Millisecond))
	return errUnknown
}

// readsPlainly takes items one by one for TransactGetItems.
type readsPlainly struct{ api }

func (p readsPlainly) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	found := make([]record.Record, len(keys))
	for i, k := range keys {
		r, _, err := p.api.get(ctx, table, k)
		if err != nil {
			return nil, err
		}
		found[i] = r
	}
	return found, nil
}

// TestAcknowledgedIsVisible: a commit whose answer was lost is acknowledged
// only when all of it can be read, though its event shows earlier.
func TestAcknowledgedIsVisible(t *testing.T) {
	torn := func(seed uint64, wrap func(api) api) (early bool) {
		synctest.Test(t, func(t *testing.T) {
			h := solo(seed, short)
			small := func() bool { return false }
			ctx := context.Background()
			first := &writer{h: h, name: "first", store: h.process("first", &link{w: h.w}), isLarge: small}
			first.commit(ctx, "first", 1)
			w := &writer{h: h, name: "w", store: h.process("w", &link{w: h.w}), isLarge: small}
			w.store.api = wrap(answersEarly{w.store.api.(*link)})
			h.w.faults.slow = 0.25 // all landings are slow
			if _, acked := w.commit(ctx, "second", 1); acked {
				records, _, _ := (&link{w: h.w}).page(ctx, record.Dialogues, simPK, span{}, "", 0)
				_, wrong := look(records)
				early = wrong != ""
			}
			time.Sleep(time.Minute)
		})
		return early
	}
	caught := 0
	for seed := range uint64(100) {
		if torn(seed, func(a api) api { return a }) {
			t.Errorf("seed %d: acknowledged before it was visible", seed)
		}
		if torn(seed, func(a api) api { return readsPlainly{a} }) {
			caught++
		}
	}
	t.Logf("with plain reads instead of TransactGetItems: %d of 100 acknowledged too early", caught)
	if caught == 0 {
		t.Error("this test cannot fail")
	}
}

// TestBigKeepsMustNotExist: a new record of a large commit that exists already
// is a conflict on it, and nothing is written.
func TestBigKeepsMustNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := solo(1, short)
		ctx := context.Background()
		w := &writer{h: h, name: "w", store: h.process("w", &link{w: h.w}), isLarge: func() bool { return true }}
		w.commit(ctx, "first", 1)
		v, err := h.load(ctx, w.store, true)
		if err != nil {
			t.Fatal(err)
		}
		writes := w.writes(v, "second", "second.1", true, false)
		taken := v.records[itemSK(1, 4)]
		for i := range writes {
			if writes[i].Record.Key.Item == itemSK(2, 7) {
				writes[i].Record.Key = taken.Key
			}
		}
		err = w.store.Commit(ctx, writes)
		if c, ok := errors.AsType[*record.ConflictError](err); !ok || c.Key != taken.Key {
			t.Errorf("got %v, want a conflict on %s", err, taken.Key.Item)
		}
		if after, err := h.load(ctx, w.store, false); err != nil || after.version != 1 {
			t.Errorf("version %d, %v after a refused commit", after.version, err)
		}
	})
}

// TestLargestCommit: 30 MB and 10,000 records fit the final transaction.
func TestLargestCommit(t *testing.T) {
	for _, c := range []struct{ records, size int }{{record.MaxBatch - 1, 3000}, {76, 400_000}, {record.MaxBatch - 1, 60}} {
		t.Run(fmt.Sprintf("%dx%d", c.records, c.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := solo(1, full)
				h.w.pageSize = 400
				s := h.process("w", &link{w: h.w})
				writes := []record.Write{{Table: record.Dialogues, Record: record.Record{Key: metaKey(simPK), Attrs: record.Attrs{macName: h.mac()}}}}
				for i := range c.records {
					writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{
						Key:   record.Key{Partition: simPK, Item: fmt.Sprintf("item#%06d", i)},
						Attrs: record.Attrs{"payload": record.B(make([]byte, c.size)), "n": record.N(int64(-i)), "yes": record.T(i%2 == 0), "s": record.S("é")},
					}})
				}
				if err := s.Commit(context.Background(), writes); err != nil {
					t.Fatal(err)
				}
				records, err := s.Query(context.Background(), record.Query{Table: record.Dialogues, Partition: simPK, Exact: true})
				if err != nil || len(records) != len(writes) {
					t.Fatalf("%d records, %v; want %d", len(records), err, len(writes))
				}
				for i, r := range records[:c.records] {
					if !r.Equal(writes[i+1].Record) {
						t.Fatalf("%s came back changed", r.Key.Item)
					}
				}
				for _, wrong := range h.w.wrong {
					t.Error(wrong)
				}
				t.Logf("%d requests", h.w.requests)
			})
		})
	}
}

// TestTooMuchBesideNewRecords: what the final transaction cannot hold is
// refused before any request.
func TestTooMuchBesideNewRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := solo(1, full)
		s := h.process("w", &link{w: h.w})
		at := func(changes, changed, created int) []record.Write {
			writes := []record.Write{{Table: record.Dialogues, Record: record.Record{Key: metaKey(simPK), Attrs: record.Attrs{macName: h.mac()}}}}
			for i := range changes + created {
				size, prev := 390_000, record.Attrs(nil)
				if i < changes {
					size, prev = changed, record.Attrs{macName: h.mac()}
				}
				key := record.Key{Partition: simPK, Item: fmt.Sprintf("item#%06d", i)}
				writes = append(writes, record.Write{Table: record.Dialogues, Prev: prev, Record: record.Record{Key: key, Attrs: record.Attrs{"payload": record.B(make([]byte, size))}}})
			}
			return writes
		}
		for _, writes := range [][]record.Write{at(30, 10, 78), at(20, 200_000, 1)} {
			if err := s.Commit(context.Background(), writes); !errors.Is(err, record.ErrTooLarge) || h.w.requests > 0 {
				t.Errorf("%v after %d requests", err, h.w.requests)
			}
		}
	})
}

// TestDamagedLog: a log that is pending and not whole is tampering, for every
// way to read it.
func TestDamagedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := solo(1, short)
		ctx := context.Background()
		w := &writer{h: h, name: "w", store: h.process("w", &link{w: h.w}), isLarge: func() bool { return false }}
		w.commit(ctx, "first", 1)
		meta := h.w.cell(record.Dialogues, metaKey(simPK))
		meta.record = meta.record.Clone()
		meta.record.Attrs[attrPending] = record.S(h.w.newID() + "/3")
		for _, q := range []record.Query{{}, {ForUpdate: true}, {Exact: true}} {
			q.Table, q.Partition = record.Dialogues, simPK
			if _, err := w.store.Query(ctx, q); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		if _, err := w.store.Get(ctx, record.Dialogues, record.Key{Partition: simPK, Item: "none"}); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("get: %v", err)
		}
	})
}

// FuzzRecordsOf: no input of a log does harm, and what can be read is what
// would be written.
func FuzzRecordsOf(f *testing.F) {
	r := record.Record{Key: record.Key{Partition: "p", Item: "s"}, Attrs: record.Attrs{
		"b": record.B([]byte{1, 0}), "n": record.N(-1 << 63), "s": record.S("é"), "t": record.T(true), "e": record.S(""),
	}}
	f.Add(appendRecord(appendRecord(nil, r), r))
	f.Add([]byte{1, 's', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'})
	f.Fuzz(func(t *testing.T, text []byte) {
		records, err := recordsOf("p", text)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			if again = appendRecord(again, r); r.Key.Partition != "p" {
				t.Fatalf("partition %q", r.Key.Partition)
			}
		}
		back, err := recordsOf("p", again)
		if err != nil || len(back) != len(records) {
			t.Fatalf("%d records, then %d, %v", len(records), len(back), err)
		}
		for i := range back {
			if !back[i].Equal(records[i]) {
				t.Fatalf("record %d changed", i)
			}
		}
	})
}

// comesTwice delivers a commit twice and answers as the second copy. If it is
// contended, it refuses the first send for contention before that.
type comesTwice struct {
	*link
	contended bool
	sends     *int
}

func (c comesTwice) transact(ctx context.Context, token string, actions []action) error {
	if !isCommit(actions) {
		return c.link.transact(ctx, token, actions)
	}
	if *c.sends++; *c.sends == 1 && c.contended {
		causes := make([]cause, len(actions))
		causes[0] = contended
		return &refusal{causes: causes, detail: errors.New("another transaction has it")}
	}
	_ = c.w.execute(token, actions)
	return c.w.execute("another memory for tokens", actions)
}

// TestOwnSuccessInTheWay checks that a commit is acknowledged if another copy of
// the same request has written it and the answer is a refusal, whether it was
// sent once or twice.
func TestOwnSuccessInTheWay(t *testing.T) {
	for _, contended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := solo(1, short)
			w := &writer{h: h, name: "w", store: h.process("w", &link{w: h.w}), isLarge: func() bool { return false }}
			w.commit(t.Context(), "first", 1)
			sends, want := 0, 1
			if contended {
				want = 2
			}
			w.store.api = comesTwice{w.store.api.(*link), contended, &sends}
			if tries, acked := w.commit(t.Context(), "second", 1); !acked || sends != want {
				t.Errorf("contended %v: %d tries, %d sends, acknowledged: %v", contended, tries, sends, acked)
			}
		})
	}
}
