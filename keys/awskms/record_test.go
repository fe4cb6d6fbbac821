package awskms_test

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

func kekKey(user string) record.Key {
	return record.Key{Partition: record.UserPartition(user), Item: "kek"}
}

func put(t testing.TB, store record.Store, r record.Record) {
	t.Helper()
	if err := store.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}}); err != nil {
		t.Fatal(err)
	}
}

// copyOf returns a new store with the KEK of one user stored as the KEK of another.
func copyOf(t testing.TB, w *env, from, to string) record.Store {
	t.Helper()
	r, err := w.store.Get(ctx, record.Keys, kekKey(from))
	if err != nil {
		t.Fatal(err)
	}
	r = r.Clone()
	r.Key, r.Attrs["user"] = kekKey(to), record.S(to)
	store := memory.New()
	put(t, store, r)
	return store
}

// TestRecord: the stored record is as drawn in the package documentation and contains
// no key bytes.
func TestRecord(t *testing.T) {
	w := newEnv(t)
	p := w.provider("ada", &awskms.Options{Now: w.now, Tables: "staging"})
	if err := p.MakeKEK(ctx, umkOf(t, p), "ada"); err != nil {
		t.Fatal(err)
	}
	r, err := w.store.Get(ctx, record.Keys, kekKey("ada"))
	if err != nil {
		t.Fatal(err)
	}
	want := record.Attrs{
		"wrapped": r.Attrs["wrapped"], "umk": record.S(w.arn), "user": record.S("ada"), "tables": record.S("staging"),
		"epoch": record.N(1), "created_at": record.S("2026-01-01T00:00:00.000000000Z"),
	}
	if !maps.EqualFunc(r.Attrs, want, record.Value.Equal) || len(r.Attrs["wrapped"].Bin()) < 61 {
		t.Errorf("stored %v", r.Attrs)
	}
	if err := derive(t, p, "ada"); err != nil {
		t.Error(err)
	}
	err = derive(t, w.provider("ada", nil), "ada")
	if e, ok := errors.AsType[*awskms.Error](err); !ok || e.Reason != awskms.WrongContext || !strings.Contains(err.Error(), `"staging", and these are "blue"`) {
		t.Errorf("other tables: %v", err)
	}
}

// TestDamagedRecord: each case damages the stored KEK of ada.
func TestDamagedRecord(t *testing.T) {
	w := newEnv(t)
	p := newProvider(t, w)
	if err := p.MakeKEK(ctx, umkOf(t, p), "bob"); err != nil {
		t.Fatal(err)
	}
	bobs, err := w.store.Get(ctx, record.Keys, kekKey("bob"))
	if err != nil {
		t.Fatal(err)
	}
	good, err := w.store.Get(ctx, record.Keys, kekKey("ada"))
	if err != nil {
		t.Fatal(err)
	}
	other := kmstest.Key(t)
	reason := func(want awskms.Reason) func(error) bool {
		return func(err error) bool {
			e, ok := errors.AsType[*awskms.Error](err)
			return ok && e.Reason == want && !errors.Is(err, blue.ErrTampered)
		}
	}
	tampered := func(err error) bool { return errors.Is(err, blue.ErrTampered) }
	for name, c := range map[string]struct {
		spoil func(record.Attrs)
		want  func(error) bool
		text  string
	}{
		"no wrapped key":    {func(a record.Attrs) { delete(a, "wrapped") }, tampered, "wrapped is missing"},
		"wrapped as text":   {func(a record.Attrs) { a["wrapped"] = record.S("x") }, tampered, "wrapped is missing or of another type"},
		"wrapped empty":     {func(a record.Attrs) { a["wrapped"] = record.B([]byte{}) }, tampered, "wrapped has 0 bytes"},
		"wrapped huge":      {func(a record.Attrs) { a["wrapped"] = record.B(make([]byte, 6145)) }, tampered, "wrapped has 6145 bytes"},
		"no user":           {func(a record.Attrs) { delete(a, "user") }, tampered, "user is missing"},
		"another user":      {func(a record.Attrs) { a["user"] = record.S("bob") }, tampered, `belongs to user "bob"`},
		"no epoch":          {func(a record.Attrs) { delete(a, "epoch") }, tampered, "epoch is missing"},
		"a later epoch":     {func(a record.Attrs) { a["epoch"] = record.N(2) }, tampered, "epoch 2 is unknown"},
		"no key named":      {func(a record.Attrs) { delete(a, "umk") }, tampered, "umk is missing"},
		"another key named": {func(a record.Attrs) { a["umk"] = record.S(other) }, tampered, "but names " + other},
		"other tables":      {func(a record.Attrs) { a["tables"] = record.S("x") }, reason(awskms.WrongContext), `tables "x"`},
		"the key of bob":    {func(a record.Attrs) { a["wrapped"] = bobs.Attrs["wrapped"] }, reason(awskms.WrongContext), "does not open it under this encryption context"},
		"a bit of the tag":  {flip(-1), reason(awskms.WrongContext), "or it is damaged"},
		"cut":               {func(a record.Attrs) { a["wrapped"] = record.B(a["wrapped"].Bin()[:70]) }, reason(awskms.WrongContext), "or it is damaged"},
		"damage and another key named": {func(a record.Attrs) { flip(-1)(a); a["umk"] = record.S(other) }, func(err error) bool {
			e, ok := errors.AsType[*keys.WrongKeyError](err)
			return ok && e.Want == other && e.Have == w.arn
		}, "wrapped by " + other},
	} {
		t.Run(name, func(t *testing.T) {
			r := good.Clone()
			c.spoil(r.Attrs)
			spoiled := &env{t: t, arn: w.arn, layer: w.layer, url: w.url, store: memory.New()}
			put(t, spoiled.store, r)
			err := derive(t, spoiled.provider("ada", nil), "ada")
			if !c.want(err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v; want %q", err, c.text)
			}
			err = spoiled.provider("ada", nil).MakeKEK(ctx, umkOf(t, p), "ada")
			if now, _ := spoiled.store.Get(ctx, record.Keys, kekKey("ada")); !now.Equal(r) || err != nil {
				t.Errorf("MakeKEK changed the stored KEK: %v", err)
			}
		})
	}
}

// flip flips a bit of the wrapped KEK, counted from the end.
func flip(at int) func(record.Attrs) {
	return func(a record.Attrs) {
		b := append([]byte(nil), a["wrapped"].Bin()...)
		b[len(b)+at] ^= 1
		a["wrapped"] = record.B(b)
	}
}

// TestRace: fifty processes make one KEK, and all use the stored one.
func TestRace(t *testing.T) {
	w := newEnv(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := destroy(w.ring("ada", "ada").Create(ctx, "tea")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if found, err := w.store.Query(ctx, record.Query{Table: record.Keys, Partition: "user#ada"}); err != nil || len(found) != 1 {
		t.Errorf("%d keys, %v", len(found), err)
	}
}

// TestLostKEK: a KEK that is missing in blue_keys is reported, and opening a key does
// not create another one.
func TestLostKEK(t *testing.T) {
	w := newEnv(t)
	if err := destroy(w.ring("ada", "ada").Create(ctx, "tea")); err != nil {
		t.Fatal(err)
	}
	r, err := w.store.Get(ctx, record.Keys, kekKey("ada"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: r.Key}, Prev: r.Attrs}}); err != nil {
		t.Fatal(err)
	}
	if err := destroy(w.ring("ada", "ada").Open(ctx, "dek#tea#1")); !errors.Is(err, keys.ErrNoKEK) || errors.Is(err, blue.ErrTampered) {
		t.Errorf("%v; want ErrNoKEK", err)
	}
	if _, err := w.store.Get(ctx, record.Keys, kekKey("ada")); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a KEK was created: %v", err)
	}
}

// TestStoreFails: the errors of the store are returned unchanged.
func TestStoreFails(t *testing.T) {
	w := newEnv(t)
	p := w.provider("ada", nil)
	w.store.Close()
	if err := derive(t, p, "ada"); !errors.Is(err, blue.ErrUnavailable) || errors.Is(err, blue.ErrSealed) {
		t.Errorf("DeriveKEK: %v", err)
	}
	if err := p.MakeKEK(ctx, umkOf(t, p), "ada"); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("MakeKEK: %v", err)
	}
	if n := len(w.layer.Calls()); n != 0 {
		t.Errorf("KMS was called: %v", w.layer.Calls())
	}
	_ = kmsfault.Denied
}
