package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// hashes returns the hashes of the stored wraps, ascending.
func (w *env) hashes(dialogue string) []string {
	var all []string
	for key, r := range w.store.records {
		if key.Partition == record.DialoguePartition(dialogue) && key.Item != headerOfTea {
			sum := sha256.Sum256(r.Attrs["wrapped"].Bin())
			all = append(all, hex.EncodeToString(sum[:]))
		}
	}
	slices.Sort(all)
	return all
}

// erase runs the three steps of an erasure and returns the result of the last one.
func erase(r *Ring, dialogue string) (Erasure, error) {
	if _, err := r.BeginErase(ctx, dialogue, ""); err != nil {
		return Erasure{}, err
	}
	if err := r.DestroyWraps(ctx, dialogue); err != nil {
		return Erasure{}, err
	}
	return r.FinishErase(ctx, dialogue)
}

func wantErased(t *testing.T, w *env, dialogue string) {
	t.Helper()
	r := w.ring("ada", nil)
	for verb, call := range calls(r, dialogue) {
		if _, err := call(); !errors.Is(err, blue.ErrErased) {
			t.Errorf("%s: %v; want ErrErased", verb, err)
		}
	}
	_, advance := r.Advance(ctx, dialogue, 1)
	_, grant := r.Grant(ctx, dialogue, "cy")
	for _, err := range []error{advance, grant} {
		if !errors.Is(err, blue.ErrErased) {
			t.Errorf("%v; want ErrErased", err)
		}
	}
}

func TestErase(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	must(t)(w.ring("ada", nil).Create(ctx, "milk"))
	w.grant("ada", "tea", "bob")
	w.advanceKey("ada", "tea", 1)
	want := w.hashes("tea")
	r := w.ring("eve", nil) // eve cannot open the dialogue
	for verb, early := range map[string]error{
		"DestroyWraps": r.DestroyWraps(ctx, "tea"),
		"FinishErase":  func() error { _, err := r.FinishErase(ctx, "tea"); return err }(),
	} {
		if !errors.Is(early, blue.ErrConflict) {
			t.Errorf("%s too early: %v; want ErrConflict", verb, early)
		}
	}
	begun, err := r.BeginErase(ctx, "tea", "")
	if err != nil || begun.State != "erasing" || !slices.Equal(begun.Wraps, want) || len(want) != 4 {
		t.Fatalf("BeginErase: %+v, %v; want wraps %v", begun, err, want)
	}
	wantErased(t, w, "tea")
	if _, err := r.FinishErase(ctx, "tea"); !errors.Is(err, blue.ErrConflict) {
		t.Errorf("FinishErase before DestroyWraps: %v; want ErrConflict", err)
	}
	done, err := erase(r, "tea")
	if err != nil || done.State != "erased" || done.StartedAt != begun.StartedAt || done.FinishedAt == "" || !slices.Equal(done.Wraps, want) {
		t.Errorf("%+v, %v", done, err)
	}
	if left := w.hashes("tea"); len(left) != 0 {
		t.Errorf("%d wraps are left", len(left))
	}
	wantErased(t, w, "tea")
	w.advance(1)
	again, err := erase(r, "tea")
	if err != nil || fmt.Sprint(again) != fmt.Sprint(done) {
		t.Errorf("again: %+v, %v; want %+v", again, err, done)
	}
	must(t)(w.ring("ada", nil).Open(ctx, "dek#milk#1")) // unchanged
	if all, err := r.Erasures(ctx); err != nil || len(all) != 1 || fmt.Sprint(all[0]) != fmt.Sprint(done) {
		t.Errorf("registry %+v, %v", all, err)
	}
}

// TestEraseDamaged: records that are damaged, lost or restored do not prevent an
// erasure.
func TestEraseDamaged(t *testing.T) {
	for name, spoil := range map[string]func(w *env){
		"no header":                  func(w *env) { w.drop("tea", headerOfTea) },
		"no wrap":                    func(w *env) { w.drop("tea", adasWrap) },
		"nothing":                    func(w *env) { w.drop("tea", headerOfTea); w.drop("tea", adasWrap) },
		"malformed header":           func(w *env) { w.edit("tea", headerOfTea, without("state")) },
		"header of an older version": func(w *env) { w.edit("tea", headerOfTea, without("turn")) },
		"a wrap is empty":            func(w *env) { w.edit("tea", adasWrap, without("wrapped")) },
		"a wrap without a user":      func(w *env) { w.move("tea", adasWrap, "tea", "wrap#x") },
		"a wrap at another key":      func(w *env) { w.move("tea", adasWrap, "tea", "other") },
		"another key file":           func(w *env) { w.provider = newFakeProvider(w.t, "umk:b") },
		"restored": func(w *env) {
			kept := w.store.records[record.Key{Partition: "dialogue#tea", Item: adasWrap}].Clone()
			if _, err := erase(w.ring("ada", nil), "tea"); err != nil {
				w.t.Fatal(err)
			}
			w.store.records[kept.Key] = kept
		},
		"restored with its header": func(w *env) {
			kept := w.store.records[record.Key{Partition: "dialogue#tea", Item: adasWrap}].Clone()
			header := w.store.records[record.Key{Partition: "dialogue#tea", Item: headerOfTea}].Clone()
			if _, err := erase(w.ring("ada", nil), "tea"); err != nil {
				w.t.Fatal(err)
			}
			w.store.records[kept.Key], w.store.records[header.Key] = kept, header
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			must(t)(w.ring("ada", nil).Create(ctx, "tea"))
			spoil(w)
			w.provider.fail.Store(ptr(errors.New("the provider must not be called")))
			if e, err := erase(w.ring("ada", nil), "tea"); err != nil || e.State != "erased" {
				t.Fatalf("%+v, %v", e, err)
			}
			if left := w.hashes("tea"); len(left) != 0 {
				t.Errorf("%d wraps are left", len(left))
			}
			wantErased(t, w, "tea")
		})
	}
}

func ptr[T any](v T) *T { return &v }

// TestEraseStopsLateCommits: a commit of a wrap that was prepared before the erasure
// fails.
func TestEraseStopsLateCommits(t *testing.T) {
	for name, put := range map[string]func(r *Ring) error{
		"Advance": func(r *Ring) error { _, err := r.Advance(ctx, "tea", 1); return err },
		"Grant":   func(r *Ring) error { _, err := r.Grant(ctx, "tea", "bob"); return err },
	} {
		w := newEnv(t)
		must(t)(w.ring("ada", nil).Create(ctx, "tea"))
		begun := false
		w.store.onCommit = func([]record.Write) {
			if begun {
				return
			}
			begun = true
			if _, err := erase(w.ring("ada", nil), "tea"); err != nil {
				t.Error(err)
			}
		}
		if err := put(w.ring("ada", nil)); !errors.Is(err, blue.ErrErased) {
			t.Errorf("%s: %v; want ErrErased", name, err)
		}
		if left := w.hashes("tea"); len(left) != 0 {
			t.Errorf("%s: %d wraps are stored", name, len(left))
		}
	}
}

// TestEraseStopped erases more wraps than one commit deletes and stops at every
// commit. A repeated erasure must finish.
func TestEraseStopped(t *testing.T) {
	for stop := 1; ; stop++ {
		w := newEnv(t)
		must(t)(w.ring("ada", nil).Create(ctx, "tea"))
		for i := range 45 {
			w.grant("ada", "tea", fmt.Sprintf("u%02d", i))
		}
		w.advanceKey("ada", "tea", 1) // 92 wraps
		want := w.hashes("tea")
		commits := 0
		w.store.onCommit = func([]record.Write) {
			if commits++; commits == stop {
				w.store.fail = blue.ErrUnavailable
			}
		}
		_, err := erase(w.ring("ada", nil), "tea")
		w.store.onCommit, w.store.fail = nil, nil
		if err == nil {
			if commits != 4 {
				t.Errorf("an erasure of 92 wraps took %d commits; want 4", commits)
			}
			return
		}
		if e, err := erase(w.ring("ada", nil), "tea"); err != nil || !slices.Equal(e.Wraps, want) || len(w.hashes("tea")) != 0 {
			t.Errorf("stopped at commit %d, repeated: %+v, %v", stop, e, err)
		}
	}
}

// TestEraseAlone: BeginErase for one user fails without changes if a grant to another
// user is committed between its read and its commit.
func TestEraseAlone(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	granted := false
	w.store.onCommit = func([]record.Write) {
		if !granted {
			granted = true
			w.grant("ada", "tea", "bob")
		}
	}
	if _, err := w.ring("cy", nil).BeginErase(ctx, "tea", "ada"); !errors.Is(err, ErrShared) || !errors.Is(err, blue.ErrRefused) {
		t.Fatalf("%v; want ErrShared", err)
	}
	w.store.onCommit = nil
	must(t)(w.ring("bob", nil).Open(ctx, "dek#tea#1"))
	if all, err := w.ring("cy", nil).Erasures(ctx); err != nil || len(all) > 0 {
		t.Errorf("registry %+v, %v", all, err)
	}
	w.drop("tea", "wrap#0000000001#bob")
	if _, err := w.ring("cy", nil).BeginErase(ctx, "tea", "ada"); err != nil {
		t.Error(err)
	}
	if _, err := w.ring("cy", nil).BeginErase(ctx, "tea", "dan"); err != nil {
		t.Errorf("an erasure that has begun cannot be resumed: %v", err)
	}
}

// TestStrays: Status lists records with unknown sort keys, and DeleteStrays deletes
// the ones of one user.
func TestStrays(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	wrapped := w.store.records[record.Key{Partition: "dialogue#tea", Item: adasWrap}]
	for _, sk := range []string{"wrap#1#bob", "WRAP", "zzz#ada"} {
		rec := wrapped.Clone()
		rec.Key.Item = sk
		rec.Attrs["user"] = record.S("bob")
		if sk == "zzz#ada" {
			delete(rec.Attrs, "user")
		}
		w.store.records[rec.Key] = rec
	}
	r := w.ring("ada", nil)
	status, err := r.Status(ctx, "tea")
	if err != nil || len(status.Strays) != 3 || len(status.Fingerprints()) != 4 || !slices.Equal(status.Users(), []string{"ada"}) || len(status.WrapsOf("ada")) != 1 {
		t.Fatalf("%+v, %v", status, err)
	}
	if n := []int{len(status.StraysOf("bob")), len(status.StraysOf("ada")), len(status.StraysOf("cy"))}; !slices.Equal(n, []int{2, 1, 0}) {
		t.Errorf("strays of bob, ada and cy: %v", n)
	}
	if err := r.DeleteStrays(ctx, "tea", "bob"); err != nil {
		t.Fatal(err)
	}
	if status, err = r.Status(ctx, "tea"); err != nil || len(status.Strays) != 1 || status.Strays[0].SK != "zzz#ada" {
		t.Errorf("%+v, %v", status, err)
	}
	must(t)(w.ring("ada", nil).Open(ctx, "dek#tea#1"))
}
