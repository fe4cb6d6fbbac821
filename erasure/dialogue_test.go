package erasure_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// steady hides that a store is Unsteady, so that a test of many erasures does
// not wait seconds for each.
type steady struct{ record.Store }

func (s steady) Purge(ctx context.Context, pk record.Partition) error {
	if p, ok := s.Store.(record.Purger); ok {
		return p.Purge(ctx, pk)
	}
	return nil
}

func (s steady) Leftovers(ctx context.Context, pk record.Partition) (int, error) {
	if p, ok := s.Store.(record.Purger); ok {
		return p.Leftovers(ctx, pk)
	}
	return 0, nil
}

func (s steady) Scrub(ctx context.Context) error {
	if p, ok := s.Store.(record.Scrubber); ok {
		return p.Scrub(ctx)
	}
	return nil
}

// wantErased checks what stands after an erasure, that nothing can be done with
// the dialogue, and that the log is in order.
func (h *fixture) wantErased(items int64) {
	h.T.Helper()
	stored := h.Items()
	tomb := stored[record.Meta]
	if len(stored) != 1 || !record.IsErased(tomb) || tomb.Attrs["items"].Int() != items {
		h.T.Errorf("%d items are stored, the tombstone is %v; want it alone, over %d", len(stored), tomb.Attrs, items)
	}
	for name := range tomb.Attrs {
		if !slices.Contains([]string{"entity_type", "erased_at", "items", "items_digest"}, name) {
			h.T.Errorf("the tombstone has %s", name)
		}
	}
	shelf := h.KeysOf(record.DialoguePartition(string(tea)))
	if len(shelf) != 1 || shelf[0].Key.Item != "head" || shelf[0].Attrs["state"].Str() != "erased" {
		h.T.Errorf("the keys are %v", shelf)
	}
	if p, ok := h.Records.(record.Purger); ok {
		if n, err := p.Leftovers(h.T.Context(), record.DialoguePartition(string(tea))); n != 0 || err != nil {
			h.T.Errorf("%d pieces of logs are left, %v", n, err)
		}
	}
	h.refuses(h.As("ada"))
	report, err := auditor.Verify(h.T.Context(), auditor.FromStore(h.Records), nil)
	if err != nil || report.Found > 0 {
		h.T.Errorf("the audit log: %v %v", err, report.Err())
	}
}

// refuses checks that every use of the dialogue is ErrErased.
func (h *fixture) refuses(s sealedStore) {
	h.T.Helper()
	ctx := h.T.Context()
	for name, use := range map[string]func() error{
		"load":    func() error { _, err := s.Load(ctx, tea); return err },
		"verify":  func() error { _, err := s.Verify(ctx, tea); return err },
		"salvage": func() error { _, err := s.Salvage(ctx, tea); return err },
		"get":     func() error { _, err := s.Get(ctx, tea, (&blue.Dialogue{}).EntityKey()); return err },
		"get tension": func() error {
			_, err := seal.Of(s.Store).Get(ctx, record.Dialogues, record.DialogueKey(string(tea), "round#00"))
			return err
		},
		"create": func() error { _, err := s.Create(ctx, tea, blue.NewDialogue{Title: "Tea?"}); return err },
		"write":  func() error { _, err := s.RegisterRound(ctx, tea, dialoguetest.MovesOf(77, 1, 1)); return err },
		"rotate": func() error { _, err := s.Rotate(ctx, tea); return err },
		"grant":  func() error { _, err := s.Grant(ctx, tea, "bob"); return err },
		"revoke": func() error { _, err := s.Revoke(ctx, tea, "bob"); return err },
	} {
		if err := use(); !errors.Is(err, blue.ErrErased) {
			h.T.Errorf("%s of what was erased: %v", name, err)
		}
	}
	for _, status := range []blue.Status{blue.StatusOpen, blue.StatusConverged} {
		rows, err := h.Records.Index(ctx, record.ByStatus, "status#"+string(status))
		if err != nil || slices.ContainsFunc(rows, func(r record.Record) bool { return strings.Contains(string(r.Key.Partition), string(tea)) }) {
			h.T.Errorf("a list shows it: %v", err)
		}
	}
}

func TestErase(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		h.Fill(200, 30)
		other := blue.DialogueID("coffee")
		dialoguetest.Must(t)(h.As("ada").Create(ctx, other, blue.NewDialogue{Title: "Coffee?"}))
		dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "bob"))
		cached := h.As("ada")
		dialoguetest.Must(t)(cached.Load(ctx, tea))
		stored := h.Items()

		got, err := h.As("eve").Erase(ctx, tea) // who holds no key
		if err != nil {
			t.Fatal(err)
		}
		if got.Items != 200 || len(got.Wraps) != 2 || got.Already || got.StartedAt == "" || got.FinishedAt < got.StartedAt || len(got.Digest) != 64 {
			t.Errorf("%+v", got)
		}
		e, err := audit.ReadEvent(ctx, h.Records, got.Event.Chain, got.Event.Seq)
		if err != nil || e.EventHash != got.Event.Hash || e.Operation != audit.Erase || e.Outcome != audit.Success || e.ItemCount != 200 || fmt.Sprintf("%x", e.ItemsDigest) != got.Digest {
			t.Errorf("its event is %+v, %v", e, err)
		}
		if got.Digest != digestOf(stored) {
			t.Error("the digest is not that of what was stored, in the order of deletion")
		}
		h.wantErased(200)
		h.refuses(cached)
		dialoguetest.Must(t)(h.As("ada").Load(ctx, other))

		events := &dialoguetest.EventRecorder{Store: h.Records}
		again, err := h.Over(events, "ada").Erase(ctx, tea)
		if err != nil || !again.Already || again.Items != 200 || !slices.Equal(again.Wraps, got.Wraps) || len(events.Events()) != 0 {
			t.Errorf("again: %+v, %v, events %v", again, err, events.Events())
		}
	})
}

// digestOf folds the digest over meta and then batches of 80 in key order, as the
// doc comment in dialogue.go defines it.
func digestOf(items map[string]record.Record) string {
	digest := make([]byte, 32)
	fold := func(batch []record.Record) {
		digest = sum(append(digest, audit.ItemsDigest(batch)...))
	}
	fold([]record.Record{items[record.Meta]})
	var rest []record.Record
	for _, sk := range slices.Sorted(maps.Keys(items)) {
		if sk != record.Meta {
			rest = append(rest, items[sk])
		}
	}
	for batch := range slices.Chunk(rest, 80) {
		fold(batch)
	}
	return fmt.Sprintf("%x", digest)
}

func TestEraseNothing(t *testing.T) {
	h := newFixture(t, memory.New())
	events := &dialoguetest.EventRecorder{Store: h.Records}
	s := h.Over(events, "ada")
	if _, err := s.Erase(t.Context(), tea); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("what never was: %v", err)
	}
	if _, err := s.Erase(t.Context(), "No Id"); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("no id: %v", err)
	}
	if len(events.Events()) > 0 || len(h.KeysOf("erased")) > 0 {
		t.Errorf("it left %v", events.Events())
	}
}

// The events of an erasure, in their order around what they tell of.
func TestEraseEvents(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(3, 1)
	events := &dialoguetest.EventRecorder{Store: h.Records}
	dialoguetest.Must(t)(h.Over(events, "ada").Erase(t.Context(), tea))
	want := []string{"erase intent dek#tea#1", "destroy_key intent dek#tea#1", "destroy_key success dek#tea#1", "erase success dek#tea#1 3"}
	if got := events.Events(); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// order notes what each commit of an erasure finds, so that the order of the
// steps can be told: keys must be shut before anything is destroyed, and nothing
// but the tombstone may go before it stands.
type order struct {
	record.Store
	t *testing.T
}

func (o *order) Commit(ctx context.Context, writes []record.Write) error {
	head, err := o.Store.Get(ctx, record.Keys, record.DialogueKey(string(tea), "head"))
	if err != nil {
		o.t.Error(err)
	}
	meta, err := o.Store.Get(ctx, record.Dialogues, record.MetaKey(string(tea)))
	if err != nil {
		o.t.Error(err)
	}
	for _, w := range writes {
		gone := len(w.Record.Attrs) == 0 && !w.Check
		switch {
		case w.Table == record.Keys && gone && (head.Attrs["state"].Str() != "erasing" || !record.IsErased(meta)):
			o.t.Errorf("%s destroyed while the keys are %s and the tombstone stands: %v", w.Record.Key.Item, head.Attrs["state"].Str(), record.IsErased(meta))
		case w.Table == record.Dialogues && head.Attrs["state"].Str() != "erasing":
			o.t.Errorf("%s written while the keys are %s", w.Record.Key.Item, head.Attrs["state"].Str())
		case w.Table == record.Dialogues && gone && !record.IsErased(meta):
			o.t.Errorf("%s deleted before the tombstone", w.Record.Key.Item)
		case w.Table == record.Dialogues && len(w.Prev) == 0:
			o.t.Errorf("%s is written unconditioned", w.Record.Key.Item)
		}
		if w.Table == record.Dialogues && gone {
			wraps, err := o.Store.Query(ctx, record.Query{Table: record.Keys, Partition: record.DialoguePartition(string(tea))})
			if err != nil || len(wraps) != 1 {
				o.t.Errorf("%s deleted while %d records of keys are there", w.Record.Key.Item, len(wraps))
			}
		}
	}
	return o.Store.Commit(ctx, writes)
}

func TestEraseOrder(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(100, 1)
	dialoguetest.Must(t)(h.Over(&order{h.Records, t}, "ada").Erase(t.Context(), tea))
	h.wantErased(100)
}

// frail is a store whose process dies at its n-th call of any kind, before it or
// after it, unseen.
type frail struct {
	steady
	at    int
	lands bool
	n     int
	dead  bool
}

func (f *frail) step(do func() error) error {
	if f.dead {
		return dialoguetest.ErrStopped
	}
	if f.n++; f.n != f.at {
		return do()
	}
	f.dead = true
	if f.lands {
		_ = do()
	}
	return dialoguetest.ErrStopped
}

func (f *frail) Commit(ctx context.Context, writes []record.Write) error {
	return f.step(func() error { return f.Store.Commit(ctx, writes) })
}

func (f *frail) Query(ctx context.Context, q record.Query) (all []record.Record, err error) {
	err = f.step(func() (err error) { all, err = f.Store.Query(ctx, q); return err })
	return all, err
}

func (f *frail) Get(ctx context.Context, table record.Table, key record.Key) (r record.Record, err error) {
	err = f.step(func() (err error) { r, err = f.Store.Get(ctx, table, key); return err })
	return r, err
}

func (f *frail) Purge(ctx context.Context, pk record.Partition) error {
	return f.step(func() error { return f.steady.Purge(ctx, pk) })
}

func (f *frail) Scrub(ctx context.Context) error {
	return f.step(func() error { return f.steady.Scrub(ctx) })
}

// Whatever call an erasure is stopped at, running it again finishes, with the
// same count; and what was destroyed before stays so: once the intent is
// followed by the keys, nobody writes.
func TestEraseStopped(t *testing.T) {
	for name, records := range dialoguetest.Backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := 1
			if name != "memory" {
				step = campaigntest.Length(3, 1, 1)
			}
			for _, lands := range []bool{false, true} {
				stops := 0
				for at := 1; ; at += step {
					if name == "DynamoDB" && (at%2 == 0) != lands {
						continue // every call once
					}
					h := newFixture(t, steady{records(t)})
					h.Fill(100, 5)
					_, err := h.Over(&frail{steady: steady{h.Records}, at: at, lands: lands}, "ada").Erase(t.Context(), tea)
					if err == nil {
						break
					}
					stops++
					_, writing := h.As("ada").RegisterRound(t.Context(), tea, dialoguetest.MovesOf(80, 1, 1))
					if begun := len(h.KeysOf("erased")) > 0; begun != errors.Is(writing, blue.ErrErased) {
						t.Errorf("stopped at call %d: begun %v, and a write says %v", at, begun, writing)
					}
					items := int64(100)
					if writing == nil {
						items += 2 // its round and its move
					}
					got, err := h.As("ada").Erase(t.Context(), tea)
					if err != nil || got.Items != items {
						t.Fatalf("stopped at call %d (landing %v), run again: %+v, %v", at, lands, got, err)
					}
					h.wantErased(items)
					if t.Failed() {
						t.FailNow()
					}
				}
				t.Logf("stopped at %d calls", stops)
				if stops*step < 10 {
					t.Errorf("only %d calls to stop at", stops)
				}
			}
		})
	}
}

// An erasure against writers of few and of many items, who hold the key: when it
// is through nothing of theirs is there, and all of them have been told.
func TestEraseAgainstWriters(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		h.Fill(30, 20)
		var wg sync.WaitGroup
		for w, size := range []int{1, 2, 99, 99} {
			s := h.As("ada")
			dialoguetest.Must(t)(s.Load(ctx, tea))
			wg.Go(func() {
				for i := range 200 {
					_, err := s.RegisterRound(ctx, tea, dialoguetest.MovesOf(blue.Round(10+20*w+i%20), size, 2000))
					switch {
					case errors.Is(err, blue.ErrErased):
						return
					case err != nil && !errors.Is(err, blue.ErrBusy) && !errors.Is(err, blue.ErrConflict) && !errors.Is(err, blue.ErrRefused):
						t.Errorf("writer %d: %v", w, err)
						return
					}
				}
				t.Errorf("writer %d has never been told", w)
			})
		}
		got, err := h.As("ada").Erase(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		h.wantErased(got.Items)
	})
}

// The erasure needs no key: the file of the master key is missing, or it holds
// another key.
func TestEraseWithoutKey(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(5, 1)
	if err := os.Remove(h.UMK); err != nil {
		t.Fatal(err)
	}
	provider := localfile.Open(h.UMK, nil) // makes none
	s := sealedStore{encrypted.New(h.Records, provider, "ada", audit.NewLog(h.Records, "ada", nil), nil)}
	defer s.Close()
	if _, err := s.Load(t.Context(), tea); !errors.Is(err, blue.ErrSealed) {
		t.Fatalf("a load without the key: %v", err)
	}
	dialoguetest.Must(t)(s.Erase(t.Context(), tea))
	if _, err := os.Stat(h.UMK); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key was made")
	}
	h.wantErased(5)
}

// What is damaged can be erased: items without a MAC, a dialogue without meta,
// keys without data.
func TestEraseDamaged(t *testing.T) {
	for name, damage := range map[string]func(h *fixture) (items int64){
		"items that are none of ours": func(h *fixture) int64 {
			h.Put(func() record.Record {
				r := h.Items()["round#00"].Clone()
				delete(r.Attrs, "item_mac")
				return r
			}())
			return 5
		},
		"a large one without a MAC": func(h *fixture) int64 {
			r := h.Items()["round#00"].Clone()
			r.Attrs["item_mac"] = record.S("none")
			r.Attrs["a"] = record.B(make([]byte, 200_000))
			h.Put(r)
			return 5
		},
		"meta is damaged": func(h *fixture) int64 {
			r := h.Items()[record.Meta].Clone()
			r.Attrs = record.Attrs{"key_id": record.N(4)}
			h.Put(r)
			return 5
		},
		"no wrap is there": func(h *fixture) int64 {
			for _, r := range h.KeysOf(record.DialoguePartition(string(tea))) {
				w := record.Write{Table: record.Keys, Record: record.Record{Key: r.Key}, Prev: r.Attrs}
				if err := h.Records.Commit(h.T.Context(), []record.Write{w}); err != nil {
					h.T.Fatal(err)
				}
			}
			return 5
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFixture(t, memory.New())
			h.Fill(5, 1)
			items := damage(h)
			dialoguetest.Must(t)(h.As("ada").Erase(t.Context(), tea))
			h.wantErased(items)
		})
	}
}

// A tombstone over a dialogue whose keys are active is damage.
func TestForgedTombstone(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(5, 1)
	h.Put(record.Record{Key: record.MetaKey(string(tea)), Attrs: record.Attrs{
		"entity_type": record.S(record.Erased), "erased_at": record.S("2026-02-03T10:00:00.000000000Z")}})
	s := h.As("ada")
	for name, use := range map[string]func() error{
		"load": func() error { _, err := s.Load(t.Context(), tea); return err },
		"get":  func() error { _, err := s.Get(t.Context(), tea, (&blue.Dialogue{}).EntityKey()); return err },
	} {
		if err := use(); !errors.Is(err, blue.ErrTampered) || errors.Is(err, blue.ErrErased) {
			t.Errorf("%s: %v", name, err)
		}
	}
	report, err := auditor.Verify(t.Context(), auditor.FromStore(h.Records), nil)
	if err != nil || report.Found == 0 || report.Findings[0].Class != auditor.WriteWithoutEvent {
		t.Errorf("the auditor finds %v, %v", report.Findings, err)
	}
	dialoguetest.Must(t)(s.Erase(t.Context(), tea)) // and it can still be erased in earnest
	h.refuses(h.As("ada"))
}

func sum(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}
