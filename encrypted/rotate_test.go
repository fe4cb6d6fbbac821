package encrypted_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

const tea = blue.DialogueID("tea")

// house is a store below the seal and a key file; as opens it like another
// process of a user.
type house struct {
	t       testing.TB
	records record.Store
	umk     string
	after   uint64           // RotateAfter
	planted *envelope.Secret // by plant
}

func newHouse(t testing.TB, records record.Store) *house {
	return &house{t: t, records: records, umk: filepath.Join(t.TempDir(), "umk.key")}
}

func (h *house) as(user string) sealedStore { return h.over(h.records, user) }

func (h *house) over(records record.Store, user string) sealedStore {
	provider := sealedtest.Key(h.umk)
	s := encrypted.New(records, provider, user, audit.NewLog(records, user, nil), &encrypted.Options{RotateAfter: h.after})
	h.t.Cleanup(func() { s.Close() })
	return s
}

// fill makes a dialogue of that many items, meta included: a tension, and moves
// with texts of the size given.
func (h *house) fill(items, text int) {
	h.t.Helper()
	ctx, s := h.t.Context(), h.as("ada")
	must(h.t)(s.Create(ctx, tea, blue.NewDialogue{Title: "Tea?", Question: "When?"}))
	for round, left := blue.Round(0), items-1; left > 0; round++ {
		n := min(90, left-1)
		left -= n + 1
		must(h.t)(s.RegisterRound(ctx, tea, movesOf(round, n, text)))
	}
}

// movesOf is a round of n moves: n+1 items.
func movesOf(round blue.Round, n, text int) blue.RoundBatch {
	b := blue.RoundBatch{Round: round, Score: 1}
	for i := range n {
		b.Moves = append(b.Moves, blue.MoveDraft{Expert: "Muffin", Type: "defend", Targets: []string{"P0001"}, Context: fmt.Sprintf("%04d ", i) + strings.Repeat("x", text)})
	}
	return b
}

func must(t testing.TB) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// items are the stored items by sort key.
func (h *house) items() map[string]record.Record {
	h.t.Helper()
	all, err := h.records.Query(h.t.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(tea))})
	if err != nil {
		h.t.Fatal(err)
	}
	m := make(map[string]record.Record, len(all))
	for _, r := range all {
		m[r.Key.Item] = r
	}
	return m
}

// put puts items in the place of others, as somebody with the table and without
// the key would.
func (h *house) put(items ...record.Record) {
	h.t.Helper()
	writes := []record.Write{{Table: record.Dialogues, Record: h.items()[record.Meta], Prev: record.Attrs{}}}
	for _, r := range items {
		if r.Key.Item == record.Meta {
			writes[0].Record = r
			continue
		}
		writes = append(writes, record.Write{Table: record.Dialogues, Record: r, Prev: record.Attrs{}})
	}
	if err := h.records.Commit(h.t.Context(), writes); err != nil {
		h.t.Fatal(err)
	}
}

// says is the whole dialogue as its reader sees it; versions apart.
func says(t testing.TB, s sealedStore) string {
	t.Helper()
	snapshot, err := s.Verify(t.Context(), tea)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Version = 0
	text, err := json.Marshal(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantVersion checks that everything lies under one key version, that only its
// wraps are there, for those users, and that the dialogue verifies.
func (h *house) wantVersion(version uint32, users ...string) {
	h.t.Helper()
	s := h.as("ada")
	must(h.t)(s.Verify(h.t.Context(), tea))
	st, err := s.KeyStatus(h.t.Context(), tea)
	if err != nil {
		h.t.Fatal(err)
	}
	if want := map[uint32]int{version: len(h.items())}; !maps.Equal(st.Items, want) {
		h.t.Errorf("items by key version are %v; want %v", st.Items, want)
	}
	if st.Active != version || len(st.Versions) != 1 || st.Versions[0].Version != version || !slices.Equal(st.Users(), users) {
		h.t.Errorf("keys are %+v; want version %d alone, of %v", st.Status, version, users)
	}
	active, least, _ := s.Root(h.t, tea)
	if active != version || least != version {
		h.t.Errorf("the root says active key %d, least key %d; want %d", active, least, version)
	}
}

// wantFresh checks that every nonce and MAC is another than before, and every
// other attribute but the seal's own the same.
func wantFresh(t *testing.T, before, after map[string]record.Record) {
	t.Helper()
	if len(before) != len(after) {
		t.Errorf("%d items became %d", len(before), len(after))
	}
	for sk, old := range before {
		now := after[sk].Clone()
		for _, name := range []string{"content_nonce", "content_encrypted", "item_mac", "key_id"} {
			if v, sealed := old.Attrs[name]; sealed && v.Equal(now.Attrs[name]) {
				t.Errorf("%s: %s is that of before", sk, name)
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

// backends are the stores that the main tests run on, beside each other: they
// mostly wait for a disk or a server.
func backends(t *testing.T, run func(t *testing.T, h *house)) {
	for name, records := range map[string]func(t *testing.T) record.Store{
		"memory":   func(*testing.T) record.Store { return memory.New() },
		"SQLite":   func(t *testing.T) record.Store { return openSQLite(t) },
		"DynamoDB": func(t *testing.T) record.Store { return dynamotest.Store(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newHouse(t, records(t)))
		})
	}
}

func TestRotate(t *testing.T) {
	for _, c := range []struct{ items, text, commits int }{{1, 0, 1}, {81, 0, 1}, {120, 600, 2}, {1000, 100, 13}, {12, 340_000, 2}} {
		t.Run(fmt.Sprint(c.items), func(t *testing.T) {
			backends(t, func(t *testing.T, h *house) {
				h.fill(c.items, c.text)
				before, said := h.items(), says(t, h.as("ada"))
				cached := h.as("ada")
				must(t)(cached.Load(t.Context(), tea))

				s := h.as("ada")
				got, err := s.Rotate(t.Context(), tea)
				want := encrypted.Rotation{Dialogue: tea, From: 1, To: 2, Items: c.items - 1, Commits: c.commits}
				if err != nil || got != want {
					t.Fatalf("Rotate: %+v, %v; want %+v", got, err, want)
				}
				wantFresh(t, before, h.items())
				h.wantVersion(2, "ada")
				for name, reader := range map[string]sealedStore{"the one who rotated": s, "with the old key in memory": cached, "new": h.as("ada")} {
					if says(t, reader) != said {
						t.Errorf("a reader %s sees another dialogue", name)
					}
				}
				must(t)(cached.RegisterRound(t.Context(), tea, movesOf(90, 1, 10)))
				h.wantVersion(2, "ada")
			})
		})
	}
}

func TestRotateAgain(t *testing.T) {
	h := newHouse(t, memory.New())
	h.fill(30, 10)
	said := says(t, h.as("ada"))
	for v := range uint32(12) { // past one digit
		if got, err := h.as("ada").Rotate(t.Context(), tea); err != nil || got.From != v+1 || got.To != v+2 || got.Resumed {
			t.Fatalf("rotation %d: %+v, %v", v, got, err)
		}
	}
	h.wantVersion(13, "ada")
	if says(t, h.as("ada")) != said {
		t.Error("another dialogue")
	}
}

func TestRotateNothing(t *testing.T) {
	h := newHouse(t, memory.New())
	if _, err := h.as("ada").Rotate(t.Context(), tea); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("no dialogue: %v; want ErrNotFound", err)
	}
	h.fill(3, 10)
	if _, err := h.as("eve").Rotate(t.Context(), tea); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("a stranger: %v; want ErrSealed", err)
	}
	h.wantVersion(1, "ada")
}

// The events of a rotation: its own around it, those of keys within, and one of
// each commit.
func TestRotateEvents(t *testing.T) {
	h := newHouse(t, memory.New())
	h.fill(120, 10)
	events := &spy{Store: h.records}
	must(t)(h.over(events, "ada").Rotate(t.Context(), tea))
	want := []string{
		"derive_kek success ", "unwrap_dek success dek#tea#1",
		"rotate intent dek#tea#1",
		"wrap_dek intent dek#tea#2", "wrap_dek success dek#tea#2", "unwrap_dek success dek#tea#2",
		"encrypt success dek#tea#2 80",
		"unwrap_dek success dek#tea#1", // asked for again, between two commits
		"encrypt success dek#tea#2 39",
		"destroy_key intent dek#tea#1", "destroy_key success dek#tea#1",
		"rotate success dek#tea#2",
	}
	if got := events.seen(); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// spy notes the events that pass.
type spy struct {
	record.Store
	mu     sync.Mutex
	events []string
}

func (s *spy) Commit(ctx context.Context, writes []record.Write) error {
	for _, w := range writes {
		a := w.Record.Attrs
		op := a["operation"].Str()
		if w.Table != record.Audit || op == "" || op == "genesis" {
			continue
		}
		id := a["key_id"].Str()
		if op == "derive_kek" {
			id = ""
		}
		line := op + " " + a["outcome"].Str() + " " + id
		if n := a["item_count"].Int(); n > 0 {
			line += fmt.Sprint(" ", n)
		}
		s.mu.Lock()
		s.events = append(s.events, line)
		s.mu.Unlock()
	}
	return s.Store.Commit(ctx, writes)
}

func (s *spy) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// mortal is a store whose process dies at one commit: before it lands, or after
// it has, unseen. Nothing works afterwards.
type mortal struct {
	record.Store
	at    int  // the commit to die at, from 1
	lands bool // whether that one still lands
	n     int
	dead  bool
}

var errDead = fmt.Errorf("%w: the process was stopped", blue.ErrUnavailable)

func (m *mortal) Commit(ctx context.Context, writes []record.Write) error {
	if m.dead {
		return errDead
	}
	if m.n++; m.n != m.at {
		return m.Store.Commit(ctx, writes)
	}
	m.dead = true
	if m.lands {
		if err := m.Store.Commit(ctx, writes); err != nil {
			return err
		}
	}
	return errDead
}

func (m *mortal) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if m.dead {
		return nil, errDead
	}
	return m.Store.Query(ctx, q)
}

func (m *mortal) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	if m.dead {
		return record.Record{}, errDead
	}
	return m.Store.Get(ctx, table, key)
}

// Whatever commit a rotation or a revocation is stopped at, the dialogue reads
// as before, can be written, and the next run finishes: a rotation under the
// version that was made, until the last item is under it; a revocation under one
// more, for nobody can say who has seen the other.
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
		"revoke on SQLite": {func(t *testing.T) record.Store { return openSQLite(t) }, 90,
			func(s sealedStore) (encrypted.Rotation, error) { return s.Revoke(t.Context(), tea, "bob") }, 3, []string{"ada"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, lands := range []bool{false, true} {
				stops := 0
				for at := 1; ; at++ {
					h := newHouse(t, c.records(t))
					h.fill(c.items, 10)
					must(t)(h.as("ada").Grant(t.Context(), tea, "bob"))
					said := says(t, h.as("ada"))
					_, err := c.run(h.over(&mortal{Store: h.records, at: at, lands: lands}, "ada"))
					if err == nil {
						break
					}
					stops++
					if says(t, h.as("ada")) != said {
						t.Fatalf("stopped at commit %d: another dialogue", at)
					}
					if at%3 == 0 {
						must(t)(h.as("ada").RegisterRound(t.Context(), tea, movesOf(80, 3, 5)))
						said = says(t, h.as("ada"))
					}
					before, err := h.as("ada").KeyStatus(t.Context(), tea)
					if err != nil {
						t.Fatal(err)
					}
					got, err := c.run(h.as("ada"))
					if err != nil {
						t.Fatalf("stopped at commit %d, run again: %v", at, err)
					}
					if open := before.Active == 2 && len(before.Items) > 1; open && got.To != c.again {
						t.Errorf("stopped at commit %d with items %v, run again: %+v; want version %d", at, before.Items, got, c.again)
					}
					h.wantVersion(got.To, c.users...)
					if says(t, h.as("ada")) != said {
						t.Errorf("stopped at commit %d, run again: another dialogue", at)
					}
					if t.Failed() {
						t.FailNow()
					}
				}
				if stops < 10 {
					t.Errorf("only %d commits to stop at", stops)
				}
			}
		})
	}
}

// A rotation against writers of few and of many items: all they were told is
// stored is there, all under live versions.
func TestRotateAgainstWriters(t *testing.T) {
	backends(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.fill(200, 50)
		must(t)(h.as("ada").Grant(ctx, tea, "bob"))
		var wg sync.WaitGroup
		done := make(chan struct{})
		var mu sync.Mutex
		written := map[blue.Round]int{}
		for w, writer := range []struct {
			user string
			size int
		}{{"ada", 1}, {"bob", 2}, {"bob", 250}} {
			s := h.as(writer.user)
			wg.Go(func() {
				for i := 0; i < 8; i++ {
					round := blue.Round(10 + 10*w + i)
					_, err := s.RegisterRound(ctx, tea, movesOf(round, min(99, writer.size), 20))
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
		rotator := h.as("ada")
		for range 2 {
			if _, err := rotator.Rotate(ctx, tea); err != nil && !errors.Is(err, blue.ErrBusy) {
				t.Errorf("Rotate: %v", err)
			}
		}
		close(done)
		wg.Wait()
		got, err := h.as("ada").Rotate(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		h.wantVersion(got.To, "ada", "bob")
		snapshot, err := h.as("bob").Verify(ctx, tea)
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

// Many rotations at once end as one state; a reader in between always reads.
func TestRotateTogether(t *testing.T) {
	backends(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.fill(120, 20)
		said := says(t, h.as("ada"))
		shared := h.as("ada")
		done := make(chan struct{})
		var readers, wg sync.WaitGroup
		for _, reader := range []sealedStore{shared, h.as("ada")} {
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
				if _, err := h.as("ada").Rotate(ctx, tea); err != nil && !errors.Is(err, blue.ErrBusy) {
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
		got, err := h.as("ada").Rotate(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		h.wantVersion(got.To, "ada")
		if says(t, h.as("ada")) != said {
			t.Error("another dialogue")
		}
	})
}

// interloper runs something once, just before a call that a test chooses.
type interloper struct {
	record.Store
	once  sync.Once
	when  func(call string, table record.Table, key record.Key) bool
	meets func()
}

func (i *interloper) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	i.meet("Get", table, key)
	return i.Store.Get(ctx, table, key)
}

func (i *interloper) Commit(ctx context.Context, writes []record.Write) error {
	i.meet("Commit", writes[0].Table, writes[0].Record.Key)
	return i.Store.Commit(ctx, writes)
}

func (i *interloper) meet(call string, table record.Table, key record.Key) {
	if i.when(call, table, key) {
		i.once.Do(i.meets)
	}
}

// A key that is retired between the read of what it sealed and its own opening:
// whoever was overtaken reads again.
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
			_, err := s.RegisterRound(context.Background(), tea, movesOf(5, 2, 10))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, memory.New())
			h.fill(100, 10)
			met := false
			records := &interloper{Store: h.records, when: wrapOf1, meets: func() {
				met = true
				must(t)(h.as("ada").Rotate(context.Background(), tea))
			}}
			if err := use(h.over(records, "ada")); err != nil || !met {
				t.Errorf("met %v: %v", met, err)
			}
			h.wantVersion(2, "ada")
		})
	}
	// Between the load of a write and its commit, by the same process: its ring
	// has dropped the key.
	t.Run("write, same process", func(t *testing.T) {
		h := newHouse(t, memory.New())
		h.fill(100, 10)
		s := h.as("ada")
		below := engine.Below(s.Store)
		items, err := below.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: "dialogue#tea", ForUpdate: true})
		if err != nil {
			t.Fatal(err)
		}
		must(t)(s.Rotate(t.Context(), tea))
		head := items[slices.IndexFunc(items, func(r record.Record) bool { return r.Key.Item == record.Meta })]
		err = below.Commit(t.Context(), []record.Write{{Table: record.Dialogues, Record: head, Prev: head.Attrs}})
		if conflict, ok := errors.AsType[*record.ConflictError](err); !ok || !conflict.OnHead() {
			t.Errorf("a write on what was rotated meanwhile: %v; want a conflict on the head", err)
		}
	})
}

// What is there without its key, and has not moved, stays ErrSealed; and a
// client that has seen more calls it what it is.
func TestOldStatePutBack(t *testing.T) {
	ctx := t.Context()
	records := memory.New()
	h := newHouse(t, records)
	heads := encrypted.HeadDir(t.TempDir())
	provider := localfile.Open(h.umk, nil)
	h.fill(50, 10)
	seen := encrypted.New[record.Store](records, provider, "ada", audit.NewLog(records, "ada", nil), &encrypted.Options{Heads: heads})
	defer seen.Close()
	old := slices.Collect(maps.Values(h.items()))
	wrap, err := records.Get(ctx, record.Keys, record.Key{Partition: "dialogue#tea", Item: "wrap#0000000001#ada"})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(seen.Rotate(ctx, tea))
	now := h.items()

	// One item of before, and then its wrapped key too.
	item := old[slices.IndexFunc(old, func(r record.Record) bool { return strings.HasPrefix(r.Key.Item, "move#") })]
	h.put(item)
	wantDamage := func(name string, s sealedStore) {
		t.Helper()
		_, err := s.Load(ctx, tea)
		tampered, ok := errors.AsType[*blue.TamperError](err)
		if !ok || len(tampered.Damage) != 1 || tampered.Damage[0].Item != item.Key.Item || !strings.Contains(tampered.Damage[0].Detail, "version 1, which this dialogue does not use") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Rotate(ctx, tea); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: a rotation says %v; want ErrTampered", name, err)
		}
	}
	wantDamage("an item of before", h.as("ada"))
	if err := records.Commit(ctx, []record.Write{{Table: record.Keys, Record: wrap}}); err != nil {
		t.Fatal(err)
	}
	wantDamage("an item and its wrap of before", h.as("ada"))
	if err := records.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: wrap.Key}, Prev: wrap.Attrs}}); err != nil {
		t.Fatal(err)
	}
	h.put(now[item.Key.Item])

	// The whole dialogue of before, without its key.
	h.put(old...)
	if _, err := h.as("ada").Load(ctx, tea); !errors.Is(err, blue.ErrSealed) || errors.Is(err, blue.ErrTampered) {
		t.Errorf("an old state without its key: %v; want ErrSealed", err)
	}
	if _, err := seen.Load(ctx, tea); !errors.Is(err, blue.ErrRolledBack) {
		t.Errorf("the same for who has seen more: %v; want ErrRolledBack", err)
	}
	h.put(slices.Collect(maps.Values(now))...)
	h.wantVersion(2, "ada")
}

// Tampering at any commit of a rotation is noticed: by the rotation, whose
// condition on the item fails, or by the next load. It is never sealed anew.
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
			h := newHouse(t, memory.New())
			h.fill(300, 10)
			commits := 0
			spoiled := &interloper{Store: h.records, when: func(call string, table record.Table, _ record.Key) bool {
				if call == "Commit" && table == record.Dialogues {
					commits++
				}
				return commits == at+1
			}, meets: func() { h.put(spoil(h.items()["move#01#muffin#05"])) }}
			_, err := h.over(spoiled, "ada").Rotate(ctx, tea)
			_, loaded := h.as("ada").Load(ctx, tea)
			if loaded == nil { // what was read, which is the true item, was sealed over what was put
				if got := h.items()["move#01#muffin#05"].Attrs["move_type"].Str(); err != nil || name != "changed in clear" || got != "defend" {
					t.Errorf("%s at commit %d: Rotate %v, and the item says %q", name, at, err, got)
				}
				continue
			}
			if !errors.Is(loaded, blue.ErrTampered) || err != nil && !errors.Is(err, blue.ErrTampered) {
				t.Errorf("%s at commit %d: Rotate %v, Load %v; want ErrTampered", name, at, err, loaded)
			}
			if _, err := h.as("ada").Rotate(ctx, tea); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("%s at commit %d: the next rotation says %v; want ErrTampered", name, at, err)
			}
		}
	}
}

// A head of the keys put back to before does not make a version twice.
func TestRotateOnOldHead(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, memory.New())
	h.fill(10, 10)
	head := func() record.Record {
		r, err := h.records.Get(ctx, record.Keys, record.Key{Partition: "dialogue#tea", Item: "head"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	old := head()
	must(t)(h.as("ada").Grant(ctx, tea, "bob"))
	// Stopped where version 1 is about to be retired: both versions stand.
	stopped := &interloper{Store: h.records, when: func(call string, table record.Table, key record.Key) bool {
		return call == "Commit" && table == record.Keys && h.items()[record.Meta].Attrs["key_id"].Str() == "dek#tea#2"
	}}
	dying, stop := context.WithCancel(ctx)
	stopped.meets = stop
	if _, err := h.over(stopped, "ada").Rotate(dying, tea); err == nil {
		t.Fatal("the rotation ended before it was stopped")
	}
	if st, err := h.as("ada").KeyStatus(ctx, tea); err != nil || len(st.Versions) != 2 || st.Items[2] != 10 {
		t.Fatalf("stopped at another place: %+v, %v", st, err)
	}
	if err := h.records.Commit(ctx, []record.Write{{Table: record.Keys, Record: old, Prev: head().Attrs}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.as("ada").Rotate(ctx, tea); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("both versions stand, and the head says 1: %v; want ErrTampered", err)
	}
	must(t)(h.as("ada").Load(ctx, tea))
}

// A key that has sealed enough gives way on the next write.
func TestSoftLimit(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, memory.New())
	h.fill(10, 10)
	h.after = 300
	s := h.as("ada")
	last := uint32(1)
	for i := range 300 { // three messages each: the round, meta, and the root
		_, _, before := s.Root(t, tea)
		must(t)(s.RecordSignal(ctx, tea, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("Muffin%03d", i))}))
		active, least, after := s.Root(t, tea)
		if rotated := active != last; rotated != (before >= 300) || least != active || rotated && after > 30 {
			t.Fatalf("signal %d: after %d messages version %d, least %d, and %d messages", i, before, active, least, after)
		}
		last = active
	}
	if last != 4 {
		t.Errorf("900 messages under a limit of 300 led to version %d; want 4", last)
	}
	h.wantVersion(last, "ada")
}

// A limit below the size of the dialogue does not rotate it at each write: a
// rotation itself seals that many messages.
func TestSoftLimitOfLargeDialogue(t *testing.T) {
	h := newHouse(t, memory.New())
	h.fill(20, 10)
	h.after = 1
	s := h.as("ada")
	for i := range 60 {
		must(t)(s.RecordSignal(t.Context(), tea, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("Muffin%03d", i))}))
	}
	// 20 messages of the rotation and 20 writes of three reach four times 20 items.
	if active, _, _ := s.Root(t, tea); active < 3 || active > 5 {
		t.Errorf("60 writes led to version %d; want about 4", active)
	}
}

// Whoever may write and not make keys goes on writing.
func TestSoftLimitWithoutRotation(t *testing.T) {
	h := newHouse(t, memory.New())
	h.fill(3, 10)
	h.after = 1
	events := &spy{Store: &keyless{h.records}}
	s := h.over(events, "ada")
	for i := range 12 {
		must(t)(s.RecordSignal(t.Context(), tea, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("Muffin%03d", i))}))
	}
	if !slices.Contains(events.seen(), "rotate failure dek#tea#1") {
		t.Error("no rotation was tried")
	}
	h.wantVersion(1, "ada")
}

// keyless refuses changes of keys, as a policy would.
type keyless struct{ record.Store }

func (k *keyless) Commit(ctx context.Context, writes []record.Write) error {
	if writes[0].Table == record.Keys {
		return fmt.Errorf("%w: not allowed", blue.ErrUnavailable)
	}
	return k.Store.Commit(ctx, writes)
}
