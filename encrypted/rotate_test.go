package encrypted_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// wantFresh checks that every nonce and MAC is different from before, and that
// the clear attributes are the same.
func wantFresh(t *testing.T, before, after map[string]record.Record) {
	t.Helper()
	if len(before) != len(after) {
		t.Errorf("%d items became %d", len(before), len(after))
	}
	for sk, old := range before {
		now := after[sk].Clone()
		for _, name := range []string{"content_nonce", "content_encrypted", "item_mac", "key_id"} {
			if v, sealed := old.Attrs[name]; sealed && v.Equal(now.Attrs[name]) {
				t.Errorf("%s: %s is the same as before", sk, name)
			}
		}
		old = old.Clone()
		for _, name := range []string{"content_nonce", "content_encrypted", "item_mac", "key_id", "root_sealed", "root_version"} {
			delete(old.Attrs, name)
			delete(now.Attrs, name)
		}
		if !old.Equal(now) {
			t.Errorf("%s: clear attributes changed from %v to %v", sk, old.Attrs, now.Attrs)
		}
	}
}

func TestRotate(t *testing.T) {
	for _, c := range []struct{ items, text, commits int }{{1, 0, 1}, {81, 0, 1}, {120, 600, 2}, {1000, 100, 13}, {12, 340_000, 2}} {
		t.Run(fmt.Sprint(c.items), func(t *testing.T) {
			backends(t, func(t *testing.T, h *fixture) {
				h.Fill(c.items, c.text)
				before, said := h.Items(), dialoguetest.TextOf(t, h.As("ada"))
				cached := h.As("ada")
				dialoguetest.Must(t)(cached.Load(t.Context(), tea))

				s := h.As("ada")
				got, err := s.Rotate(t.Context(), tea)
				want := encrypted.Rotation{Dialogue: tea, From: 1, To: 2, Items: c.items - 1, Commits: c.commits}
				if err != nil || got != want {
					t.Fatalf("Rotate: %+v, %v, want %+v", got, err, want)
				}
				wantFresh(t, before, h.Items())
				h.WantVersion(2, "ada")
				for name, reader := range map[string]sealedStore{"the one who rotated": s, "with the old key in memory": cached, "new": h.As("ada")} {
					if dialoguetest.TextOf(t, reader) != said {
						t.Errorf("a reader %s sees another dialogue", name)
					}
				}
				dialoguetest.Must(t)(cached.RegisterRound(t.Context(), tea, dialoguetest.MovesOf(90, 1, 10)))
				h.WantVersion(2, "ada")
			})
		})
	}
}

func TestRotateAgain(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(30, 10)
	said := dialoguetest.TextOf(t, h.As("ada"))
	for v := range uint32(12) { // past one digit
		if got, err := h.As("ada").Rotate(t.Context(), tea); err != nil || got.From != v+1 || got.To != v+2 || got.Resumed {
			t.Fatalf("rotation %d: %+v, %v", v, got, err)
		}
	}
	h.WantVersion(13, "ada")
	if dialoguetest.TextOf(t, h.As("ada")) != said {
		t.Error("another dialogue")
	}
}

func TestRotateNothing(t *testing.T) {
	h := newFixture(t, memory.New())
	if _, err := h.As("ada").Rotate(t.Context(), tea); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("no dialogue: %v, want ErrNotFound", err)
	}
	h.Fill(3, 10)
	if _, err := h.As("eve").Rotate(t.Context(), tea); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("an unauthorized user: %v, want ErrSealed", err)
	}
	h.WantVersion(1, "ada")
}

// A rotation leaves its own events at its start and its end, and in between the
// events of keys and one event for each commit.
func TestRotateEvents(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(120, 10)
	events := &dialoguetest.EventRecorder{Store: h.Records}
	dialoguetest.Must(t)(h.Over(events, "ada").Rotate(t.Context(), tea))
	want := []string{
		"derive_kek success ", "unwrap_dek success dek#tea#1",
		"rotate intent dek#tea#1",
		"wrap_dek intent dek#tea#2", "wrap_dek success dek#tea#2", "unwrap_dek success dek#tea#2",
		"encrypt success dek#tea#2 80",
		"unwrap_dek success dek#tea#1", // opened again between two commits
		"encrypt success dek#tea#2 39",
		"destroy_key intent dek#tea#1", "destroy_key success dek#tea#1",
		"rotate success dek#tea#2",
	}
	if got := events.Events(); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A rotation or a revocation is stopped at every commit. The dialogue then reads
// as before and can be written. The next rotation finishes under the version that
// was made, if items are left. The next revocation makes another version, because
// a revoked user could have seen the first one.
func TestRotateStopped(t *testing.T) {
	for name, c := range map[string]struct {
		records func(t *testing.T) record.Store
		items   int
		run     func(s sealedStore) (encrypted.Rotation, error)
		again   uint32 // the version that the next run leads to
		users   []string
	}{
		"rotate on memory": {func(*testing.T) record.Store { return memory.New() }, 200,
			func(s sealedStore) (encrypted.Rotation, error) { return s.Rotate(t.Context(), tea) }, 2, []string{"ada", "bob"}},
		"revoke on memory": {func(*testing.T) record.Store { return memory.New() }, 200,
			func(s sealedStore) (encrypted.Rotation, error) { return s.Revoke(t.Context(), tea, "bob") }, 3, []string{"ada"}},
		"revoke on SQLite": {func(t *testing.T) record.Store { return dialoguetest.OpenSQLite(t) }, 90,
			func(s sealedStore) (encrypted.Rotation, error) { return s.Revoke(t.Context(), tea, "bob") }, 3, []string{"ada"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := campaigntest.Length(2, 1, 1)
			for _, lands := range []bool{false, true} {
				stops := 0
				for at := 1; ; at += step {
					h := newFixture(t, c.records(t))
					h.Fill(c.items, 10)
					dialoguetest.Must(t)(h.As("ada").Grant(t.Context(), tea, "bob"))
					said := dialoguetest.TextOf(t, h.As("ada"))
					_, err := c.run(h.Over(&dialoguetest.StoppedStore{Store: h.Records, At: at, Commits: lands}, "ada"))
					if err == nil {
						break
					}
					stops++
					if dialoguetest.TextOf(t, h.As("ada")) != said {
						t.Fatalf("stopped at commit %d: another dialogue", at)
					}
					if at%3 == 0 {
						dialoguetest.Must(t)(h.As("ada").RegisterRound(t.Context(), tea, dialoguetest.MovesOf(80, 3, 5)))
						said = dialoguetest.TextOf(t, h.As("ada"))
					}
					before, err := h.As("ada").KeyStatus(t.Context(), tea)
					if err != nil {
						t.Fatal(err)
					}
					got, err := c.run(h.As("ada"))
					if err != nil {
						t.Fatalf("stopped at commit %d, run again: %v", at, err)
					}
					if open := before.Active == 2 && len(before.Items) > 1; open && got.To != c.again {
						t.Errorf("stopped at commit %d with items %v, run again: %+v, want version %d", at, before.Items, got, c.again)
					}
					h.WantVersion(got.To, c.users...)
					if dialoguetest.TextOf(t, h.As("ada")) != said {
						t.Errorf("stopped at commit %d, run again: another dialogue", at)
					}
					if t.Failed() {
						t.FailNow()
					}
				}
				if stops*step < 10 {
					t.Errorf("only %d commits to stop at", stops)
				}
			}
		})
	}
}

// A rotation runs against writers of few and of many items. Every acknowledged
// write is stored, under key versions that exist.
func TestRotateAgainstWriters(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		h.Fill(200, 50)
		dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "bob"))
		var wg sync.WaitGroup
		done := make(chan struct{})
		var mu sync.Mutex
		written := map[blue.Round]int{}
		for w, writer := range []struct {
			user string
			size int
		}{{"ada", 1}, {"bob", 2}, {"bob", 250}} {
			s := h.As(writer.user)
			wg.Go(func() {
				for i := 0; i < 8; i++ {
					round := blue.Round(10 + 10*w + i)
					_, err := s.RegisterRound(ctx, tea, dialoguetest.MovesOf(round, min(99, writer.size), 20))
					switch {
					case errors.Is(err, blue.ErrBusy):
					case err != nil:
						t.Errorf("writer %d: %v", w, err)
						return
					default:
						mu.Lock()
						written[round] = min(99, writer.size)
						mu.Unlock()
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		rotator := h.As("ada")
		for range 2 {
			if _, err := rotator.Rotate(ctx, tea); err != nil && !errors.Is(err, blue.ErrBusy) {
				t.Errorf("Rotate: %v", err)
			}
		}
		close(done)
		wg.Wait()
		got, err := h.As("ada").Rotate(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		h.WantVersion(got.To, "ada", "bob")
		snapshot, err := h.As("bob").Verify(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		moves := map[blue.Round]int{}
		for _, m := range snapshot.Moves {
			moves[m.Round]++
		}
		for round, n := range written {
			if moves[round] != n {
				t.Errorf("round %d: %d moves of %d", round, moves[round], n)
			}
		}
	})
}

// Many rotations at once lead to one state. A reader can always read.
func TestRotateTogether(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		h.Fill(120, 20)
		said := dialoguetest.TextOf(t, h.As("ada"))
		shared := h.As("ada")
		done := make(chan struct{})
		var readers, wg sync.WaitGroup
		for _, reader := range []sealedStore{shared, h.As("ada")} {
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					snapshot, err := reader.Load(ctx, tea)
					switch {
					case errors.Is(err, blue.ErrBusy):
					case err != nil:
						t.Errorf("a reader: %v", err)
						return
					case len(snapshot.Moves) < 100:
						t.Errorf("a reader saw %d moves", len(snapshot.Moves))
					}
				}
			})
		}
		for range 4 {
			wg.Go(func() {
				if _, err := h.As("ada").Rotate(ctx, tea); err != nil && !errors.Is(err, blue.ErrBusy) {
					t.Errorf("Rotate: %v", err)
				}
			})
		}
		wg.Go(func() {
			if _, err := shared.Rotate(ctx, tea); err != nil && !errors.Is(err, blue.ErrBusy) {
				t.Errorf("Rotate: %v", err)
			}
		})
		wg.Wait()
		close(done)
		readers.Wait()
		got, err := h.As("ada").Rotate(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		h.WantVersion(got.To, "ada")
		if dialoguetest.TextOf(t, h.As("ada")) != said {
			t.Error("another dialogue")
		}
	})
}

// interceptor runs a function once, just before a call that a test chooses.
type interceptor struct {
	record.Store
	once  sync.Once
	when  func(call string, table record.Table, key record.Key) bool
	meets func()
}

func (i *interceptor) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	i.meet("Get", table, key)
	return i.Store.Get(ctx, table, key)
}

func (i *interceptor) Commit(ctx context.Context, writes []record.Write) error {
	i.meet("Commit", writes[0].Table, writes[0].Record.Key)
	return i.Store.Commit(ctx, writes)
}

func (i *interceptor) meet(call string, table record.Table, key record.Key) {
	if i.when(call, table, key) {
		i.once.Do(i.meets)
	}
}

// A key is retired after a reader fetched the items and before it opens the key.
// The reader reads again.
func TestRetiredUnderHands(t *testing.T) {
	wrapOf1 := func(call string, table record.Table, key record.Key) bool {
		return call == "Get" && table == record.Keys && strings.HasPrefix(key.Item, "wrap#0000000001#")
	}
	for name, use := range map[string]func(s sealedStore) error{
		"Load":    func(s sealedStore) error { _, err := s.Load(context.Background(), tea); return err },
		"Salvage": func(s sealedStore) error { _, err := s.Salvage(context.Background(), tea); return err },
		"Get": func(s sealedStore) error {
			_, err := s.Get(context.Background(), tea, blue.EntityKey{Kind: blue.KindRound, Key: "0"})
			return err
		},
		"write": func(s sealedStore) error {
			_, err := s.RegisterRound(context.Background(), tea, dialoguetest.MovesOf(5, 2, 10))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFixture(t, memory.New())
			h.Fill(100, 10)
			met := false
			records := &interceptor{Store: h.Records, when: wrapOf1, meets: func() {
				met = true
				dialoguetest.Must(t)(h.As("ada").Rotate(context.Background(), tea))
			}}
			if err := use(h.Over(records, "ada")); err != nil || !met {
				t.Errorf("met %v: %v", met, err)
			}
			h.WantVersion(2, "ada")
		})
	}
	// Between the load of a write and its commit, by the same process: its ring
	// has dropped the key.
	t.Run("write, same process", func(t *testing.T) {
		h := newFixture(t, memory.New())
		h.Fill(100, 10)
		s := h.As("ada")
		below := seal.Of(s)
		items, err := below.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: "dialogue#tea", ForUpdate: true})
		if err != nil {
			t.Fatal(err)
		}
		dialoguetest.Must(t)(s.Rotate(t.Context(), tea))
		head := items[slices.IndexFunc(items, func(r record.Record) bool { return r.Key.Item == record.Meta })]
		err = below.Commit(t.Context(), []record.Write{{Table: record.Dialogues, Record: head, Prev: head.Attrs}})
		if conflict, ok := errors.AsType[*record.ConflictError](err); !ok || !conflict.IsOnMeta() {
			t.Errorf("a write after a rotation: %v, want a conflict on meta", err)
		}
	})
}

// An item whose key is gone, and which was not replaced, is blue.ErrSealed. For a
// client with a newer freshness record it is blue.ErrRolledBack.
func TestOldStatePutBack(t *testing.T) {
	ctx := t.Context()
	records := memory.New()
	h := newFixture(t, records)
	heads := freshness.Dir(t.TempDir())
	provider := localfile.Open(h.UMK, nil)
	h.Fill(50, 10)
	seen := encrypted.New(records, provider, "ada", audit.NewLog(records, "ada", nil), &encrypted.Options{Freshness: heads})
	defer seen.Close()
	old := slices.Collect(maps.Values(h.Items()))
	wrap, err := records.Get(ctx, record.Keys, record.Key{Partition: "dialogue#tea", Item: "wrap#0000000001#ada"})
	if err != nil {
		t.Fatal(err)
	}
	dialoguetest.Must(t)(seen.Rotate(ctx, tea))
	now := h.Items()

	// One older item, and then its wrapped key too.
	item := old[slices.IndexFunc(old, func(r record.Record) bool { return strings.HasPrefix(r.Key.Item, "move#") })]
	h.Put(item)
	wantDamage := func(name string, s sealedStore) {
		t.Helper()
		_, err := s.Load(ctx, tea)
		tampered, ok := errors.AsType[*blue.TamperError](err)
		if !ok || len(tampered.Damage) != 1 || tampered.Damage[0].Item != item.Key.Item || !strings.Contains(tampered.Damage[0].Detail, "version 1, which this dialogue does not use") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Rotate(ctx, tea); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: a rotation returns %v, want ErrTampered", name, err)
		}
	}
	wantDamage("an item of before", h.As("ada"))
	if err := records.Commit(ctx, []record.Write{{Table: record.Keys, Record: wrap}}); err != nil {
		t.Fatal(err)
	}
	wantDamage("an item and its wrap of before", h.As("ada"))
	if err := records.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: wrap.Key}, Prev: wrap.Attrs}}); err != nil {
		t.Fatal(err)
	}
	h.Put(now[item.Key.Item])

	// The whole older dialogue, without its key.
	h.Put(old...)
	if _, err := h.As("ada").Load(ctx, tea); !errors.Is(err, blue.ErrSealed) || errors.Is(err, blue.ErrTampered) {
		t.Errorf("an old state without its key: %v, want ErrSealed", err)
	}
	if _, err := seen.Load(ctx, tea); !errors.Is(err, blue.ErrRolledBack) {
		t.Errorf("the same for who has seen more: %v, want ErrRolledBack", err)
	}
	h.Put(slices.Collect(maps.Values(now))...)
	h.WantVersion(2, "ada")
}

// Tampering at any commit of a rotation is detected by the rotation, because the
// condition on the item fails, or by the next load. A tampered item is never
// re-encrypted.
func TestRotateNoticesTampering(t *testing.T) {
	ctx := t.Context()
	for at := range 4 {
		for name, spoil := range map[string]func(item record.Record) record.Record{
			"deleted": func(item record.Record) record.Record { return record.Record{Key: item.Key} },
			"changed": func(item record.Record) record.Record {
				item.Attrs["move_type"], item.Attrs["item_mac"] = record.S("concede"), record.B(make([]byte, 32))
				return item
			},
			"changed in clear": func(item record.Record) record.Record {
				item.Attrs["move_type"] = record.S("concede")
				return item
			},
		} {
			h := newFixture(t, memory.New())
			h.Fill(300, 10)
			commits := 0
			spoiled := &interceptor{Store: h.Records, when: func(call string, table record.Table, _ record.Key) bool {
				if call == "Commit" && table == record.Dialogues {
					commits++
				}
				return commits == at+1
			}, meets: func() { h.Put(spoil(h.Items()["move#01#muffin#05"])) }}
			_, err := h.Over(spoiled, "ada").Rotate(ctx, tea)
			_, loaded := h.As("ada").Load(ctx, tea)
			if loaded == nil { // the true item, which was read before, replaced the tampered one
				if got := h.Items()["move#01#muffin#05"].Attrs["move_type"].Str(); err != nil || name != "changed in clear" || got != "defend" {
					t.Errorf("%s at commit %d: Rotate %v, and the item is %q", name, at, err, got)
				}
				continue
			}
			if !errors.Is(loaded, blue.ErrTampered) || err != nil && !errors.Is(err, blue.ErrTampered) {
				t.Errorf("%s at commit %d: Rotate %v, Load %v, want ErrTampered", name, at, err, loaded)
			}
			if _, err := h.As("ada").Rotate(ctx, tea); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("%s at commit %d: the next rotation returns %v, want ErrTampered", name, at, err)
			}
		}
	}
}

// A restored older key header does not make a version twice.
func TestRotateOnOldHead(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(10, 10)
	head := func() record.Record {
		r, err := h.Records.Get(ctx, record.Keys, record.Key{Partition: "dialogue#tea", Item: "head"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	old := head()
	dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "bob"))
	// Stopped before version 1 is retired, so both versions are stored.
	stopped := &interceptor{Store: h.Records, when: func(call string, table record.Table, key record.Key) bool {
		return call == "Commit" && table == record.Keys && h.Items()[record.Meta].Attrs["key_id"].Str() == "dek#tea#2"
	}}
	dying, stop := context.WithCancel(ctx)
	stopped.meets = stop
	if _, err := h.Over(stopped, "ada").Rotate(dying, tea); err == nil {
		t.Fatal("the rotation ended before it was stopped")
	}
	if st, err := h.As("ada").KeyStatus(ctx, tea); err != nil || len(st.Versions) != 2 || st.Items[2] != 10 {
		t.Fatalf("stopped at another place: %+v, %v", st, err)
	}
	if err := h.Records.Commit(ctx, []record.Write{{Table: record.Keys, Record: old, Prev: head().Attrs}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.As("ada").Rotate(ctx, tea); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("both versions are stored, and the key header names 1: %v, want ErrTampered", err)
	}
	dialoguetest.Must(t)(h.As("ada").Load(ctx, tea))
}

// A key that has encrypted the limit of messages is rotated by the next write.
func TestSoftLimit(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(10, 10)
	h.RotateAfter = 300
	s := h.As("ada")
	last := uint32(1)
	for i := range 300 { // three messages each: the round, meta, and the root
		before := dialoguetest.RootOf(t, s, tea)
		dialoguetest.Must(t)(s.RecordSignal(ctx, tea, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("Muffin%03d", i))}))
		after := dialoguetest.RootOf(t, s, tea)
		if rotated := after.ActiveKey != last; rotated != (before.Messages >= 300) || after.LeastKey != after.ActiveKey || rotated && after.Messages > 30 {
			t.Fatalf("signal %d: before %+v, after %+v", i, before, after)
		}
		last = after.ActiveKey
	}
	if last != 4 {
		t.Errorf("900 messages under a limit of 300 led to version %d, want 4", last)
	}
	h.WantVersion(last, "ada")
}

// A limit below the size of the dialogue does not rotate it at each write,
// because a rotation itself encrypts that many messages.
func TestSoftLimitOfLargeDialogue(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(20, 10)
	h.RotateAfter = 1
	s := h.As("ada")
	for i := range 60 {
		dialoguetest.Must(t)(s.RecordSignal(t.Context(), tea, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("Muffin%03d", i))}))
	}
	// 20 messages of the rotation and 20 writes of three reach four times 20 items.
	if active := dialoguetest.RootOf(t, s, tea).ActiveKey; active < 3 || active > 5 {
		t.Errorf("60 writes led to version %d, want about 4", active)
	}
}

// A user who may write and must not make keys can continue to write.
func TestSoftLimitWithoutRotation(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(3, 10)
	h.RotateAfter = 1
	events := &dialoguetest.EventRecorder{Store: &keyless{h.Records}}
	s := h.Over(events, "ada")
	for i := range 12 {
		dialoguetest.Must(t)(s.RecordSignal(t.Context(), tea, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("Muffin%03d", i))}))
	}
	if !slices.Contains(events.Events(), "rotate failure dek#tea#1") {
		t.Error("no rotation was tried")
	}
	h.WantVersion(1, "ada")
}

// keyless refuses changes of keys, as a policy would.
type keyless struct{ record.Store }

func (k *keyless) Commit(ctx context.Context, writes []record.Write) error {
	if writes[0].Table == record.Keys {
		return fmt.Errorf("%w: not allowed", blue.ErrUnavailable)
	}
	return k.Store.Commit(ctx, writes)
}
