package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

const (
	headerOfTea = "head" // the sort key of the key header
	adasWrap    = "wrap#0000000001#ada"
)

// edit changes one stored record without a commit.
func (w *env) edit(dialogue, sk string, change func(record.Attrs)) {
	key := record.DialogueKey(dialogue, sk)
	r := w.store.records[key].Clone()
	change(r.Attrs)
	w.store.records[key] = r
}

func (w *env) drop(dialogue, sk string) {
	delete(w.store.records, record.DialogueKey(dialogue, sk))
}

// move copies a record to another key, as an unauthorized writer could.
func (w *env) move(from, fromSK, to, toSK string) {
	r := w.store.records[record.DialogueKey(from, fromSK)].Clone()
	r.Key = record.DialogueKey(to, toSK)
	w.store.records[r.Key] = r
}

func set(name string, v record.Value) func(record.Attrs) {
	return func(a record.Attrs) { a[name] = v }
}

func without(name string) func(record.Attrs) {
	return func(a record.Attrs) { delete(a, name) }
}

// TestErrors: each case damages the keys of the dialogue "tea" of ada.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		user   string
		keyID  string
		spoil  func(*env)
		want   error
		class  string // of a TamperError
		item   string
		detail string // part of the message
	}{
		{name: "no dialogue", keyID: "dek#milk#1", want: blue.ErrSealed, detail: "dialogue milk has no key: its key header (head) is missing"},
		{name: "no header", spoil: func(w *env) { w.drop("tea", headerOfTea) }, want: blue.ErrSealed, detail: "its key header (head) is missing"},
		{name: "no wrap", spoil: func(w *env) { w.drop("tea", adasWrap) }, want: blue.ErrSealed, detail: "no key version 1: wrap#0000000001#ada is missing"},
		{name: "no such version", keyID: "dek#tea#4294967295", want: blue.ErrSealed, detail: "no key version 4294967295: wrap#4294967295#ada is missing"},
		{name: "not granted", user: "bob", want: blue.ErrSealed, detail: "not granted to user bob"},
		{name: "a user whose name is a prefix", user: "ad", want: blue.ErrSealed, detail: "not granted to user ad"},
		{name: "another master key", spoil: func(w *env) { w.provider = newFakeProvider(w.t, "umk:b") }, want: blue.ErrSealed, detail: "wrapped by umk:a, you have umk:b"},
		{name: "erasing", spoil: func(w *env) { w.edit("tea", headerOfTea, set("state", record.S("erasing"))) }, want: blue.ErrErased, detail: "erasing"},
		{name: "erased", spoil: func(w *env) {
			w.edit("tea", headerOfTea, set("state", record.S("erased")))
			w.drop("tea", adasWrap)
		}, want: blue.ErrErased, detail: "erased"},

		{name: "wrapped is short", spoil: wrapped(func(b []byte) []byte { return b[:59] }), class: record.DamageMalformed, item: adasWrap, detail: "59 bytes instead of 60"},
		{name: "wrapped is long", spoil: wrapped(func(b []byte) []byte { return append(b, 0) }), class: record.DamageMalformed, item: adasWrap, detail: "61 bytes instead of 60"},
		{name: "wrapped is empty", spoil: wrapped(func([]byte) []byte { return nil }), class: record.DamageMalformed, item: adasWrap, detail: "0 bytes instead of 60"},
		{name: "wrapped is absent", spoil: func(w *env) { w.edit("tea", adasWrap, without("wrapped")) }, class: record.DamageMalformed, item: adasWrap, detail: "wrapped is missing"},
		{name: "wrapped is text", spoil: func(w *env) { w.edit("tea", adasWrap, set("wrapped", record.S(strings.Repeat("x", 60)))) }, class: record.DamageMalformed, item: adasWrap},
		{name: "umk is absent", spoil: func(w *env) { w.edit("tea", adasWrap, without("umk")) }, class: record.DamageMalformed, item: adasWrap, detail: "umk is missing"},
		{name: "umk is empty", spoil: func(w *env) { w.edit("tea", adasWrap, set("umk", record.S(""))) }, class: record.DamageMalformed, item: adasWrap},
		{name: "umk is a control sequence", spoil: func(w *env) { w.edit("tea", adasWrap, set("umk", record.S("\x1b[2J"))) }, class: record.DamageMalformed, item: adasWrap},
		{name: "umk is long", spoil: func(w *env) { w.edit("tea", adasWrap, set("umk", record.S(strings.Repeat("u", 257)))) }, class: record.DamageMalformed, item: adasWrap},
		{name: "umk alone is altered", spoil: func(w *env) { w.edit("tea", adasWrap, set("umk", record.S("umk:b"))) }, class: record.DamageChanged, item: adasWrap, detail: "opens under umk:a but names umk:b"},
		{name: "user is altered", spoil: func(w *env) { w.edit("tea", adasWrap, set("user", record.S("bob"))) }, class: record.DamageMoved, item: adasWrap},
		{name: "version is altered", spoil: func(w *env) { w.edit("tea", adasWrap, set("version", record.N(2))) }, class: record.DamageMoved, item: adasWrap},
		{name: "version is text", spoil: func(w *env) { w.edit("tea", adasWrap, set("version", record.S("1"))) }, class: record.DamageMalformed, item: adasWrap},
		{name: "another master key and a short wrap", spoil: func(w *env) {
			w.provider = newFakeProvider(w.t, "umk:b")
			wrapped(func(b []byte) []byte { return b[:59] })(w)
		}, class: record.DamageMalformed, item: adasWrap},

		{name: "from another dialogue", spoil: func(w *env) { w.move("milk", adasWrap, "tea", adasWrap) }, class: record.DamageChanged, item: adasWrap},
		{name: "copied to a dialogue without it", keyID: "dek#milk#1", spoil: func(w *env) { w.move("tea", adasWrap, "milk", adasWrap) }, class: record.DamageChanged, item: adasWrap},
		{name: "from another version", keyID: "dek#tea#2", spoil: func(w *env) { w.move("tea", adasWrap, "tea", "wrap#0000000002#ada") }, class: record.DamageMoved, item: "wrap#0000000002#ada"},
		{name: "from another version, relabelled", keyID: "dek#tea#2", spoil: func(w *env) {
			w.move("tea", adasWrap, "tea", "wrap#0000000002#ada")
			w.edit("tea", "wrap#0000000002#ada", set("version", record.N(2)))
		}, class: record.DamageChanged, item: "wrap#0000000002#ada"},
		{name: "from another user", user: "bob", spoil: func(w *env) { w.move("tea", adasWrap, "tea", "wrap#0000000001#bob") }, class: record.DamageMoved, item: "wrap#0000000001#bob"},
		{name: "from another user, relabelled", user: "bob", spoil: func(w *env) {
			w.move("tea", adasWrap, "tea", "wrap#0000000001#bob")
			w.edit("tea", "wrap#0000000001#bob", set("user", record.S("bob")))
		}, class: record.DamageChanged, item: "wrap#0000000001#bob"},

		{name: "header without a state", spoil: func(w *env) { w.edit("tea", headerOfTea, without("state")) }, class: record.DamageMalformed, item: headerOfTea},
		{name: "header of an unknown state", spoil: func(w *env) { w.edit("tea", headerOfTea, set("state", record.S("Active"))) }, class: record.DamageMalformed, item: headerOfTea},
		{name: "header without a version", spoil: func(w *env) { w.edit("tea", headerOfTea, without("active_version")) }, class: record.DamageMalformed, item: headerOfTea},
		{name: "header of version 0", spoil: func(w *env) { w.edit("tea", headerOfTea, set("active_version", record.N(0))) }, class: record.DamageMalformed, item: headerOfTea},
		{name: "header of version 2^32", spoil: func(w *env) { w.edit("tea", headerOfTea, set("active_version", record.N(1<<32))) }, class: record.DamageMalformed, item: headerOfTea},
		{name: "header of a text", spoil: func(w *env) { w.edit("tea", headerOfTea, set("active_version", record.S("1"))) }, class: record.DamageMalformed, item: headerOfTea},

		{name: "key id of another form", keyID: "dek#tea#01", want: blue.ErrInvalid},
		{name: "key id of version 2^32", keyID: "dek#tea#4294967296", want: blue.ErrInvalid},
		{name: "key id of no dialogue", keyID: "dek##1", want: blue.ErrInvalid},
		{name: "no user", user: " ", want: blue.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			must(t)(w.ring("ada", nil).Create(ctx, "tea"))
			if c.keyID != "dek#milk#1" || c.spoil != nil {
				must(t)(w.ring("ada", nil).Create(ctx, "milk"))
			}
			if c.spoil != nil {
				c.spoil(w)
			}
			if c.class != "" {
				c.want = blue.ErrTampered
			}
			if c.user == "" {
				c.user = "ada"
			}
			r := w.ring(c.user, nil)
			if c.keyID == "" {
				c.keyID = "dek#tea#1"
				for _, verb := range []string{"Create", "Active"} {
					if verb == "Create" && c.name == "no header" {
						verb = "Active" // the commit of Create conflicts at the wrap, see TestWrapWithoutHeader
					}
					_, err := calls(r, "tea")[verb]()
					wantError(t, verb, err, c.want, c.class, c.item, c.detail)
				}
			}
			_, err := r.Open(ctx, c.keyID)
			wantError(t, "Open", err, c.want, c.class, c.item, c.detail)
			if len(r.secrets.entries) != 0 {
				t.Error("the failure is cached")
			}
		})
	}
}

func wrapped(change func([]byte) []byte) func(*env) {
	return func(w *env) {
		w.edit("tea", adasWrap, func(a record.Attrs) { a["wrapped"] = record.B(change(bytes.Clone(a["wrapped"].Bin()))) })
	}
}

// wantError checks that err is the sentinel want and no other, and the damage.
func wantError(t *testing.T, verb string, err, want error, class, item, detail string) {
	t.Helper()
	for _, sentinel := range []error{blue.ErrSealed, blue.ErrTampered, blue.ErrErased, blue.ErrInvalid, blue.ErrNotFound, blue.ErrConflict} {
		if errors.Is(err, sentinel) != (sentinel == want) {
			t.Errorf("%s: %v: is %q: %v; want only %q", verb, err, sentinel, errors.Is(err, sentinel), want)
		}
	}
	if err != nil && !strings.Contains(err.Error(), detail) {
		t.Errorf("%s: %v does not contain %q", verb, err, detail)
	}
	var tampered *blue.TamperError
	if class == "" {
		return
	}
	if !errors.As(err, &tampered) || len(tampered.Damage) != 1 {
		t.Errorf("%s: %v is not a TamperError with one damage", verb, err)
		return
	}
	if d := tampered.Damage[0]; d.Class != class || d.Item != item {
		t.Errorf("%s: %s at %s; want %s at %s", verb, d.Class, d.Item, class, item)
	}
}

func TestWrongKeyError(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.provider = newFakeProvider(t, "umk:b")
	_, err := w.ring("ada", nil).Open(ctx, "dek#tea#1")
	var wrong *WrongKeyError
	if !errors.As(err, &wrong) || *wrong != (WrongKeyError{Want: "umk:a", Have: "umk:b"}) {
		t.Errorf("got %v; want a WrongKeyError of umk:a and umk:b", err)
	}
}

// TestBitFlips: a wrap with any flipped bit is refused.
func TestBitFlips(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	original := slices.Clone(w.store.records[record.Key{Partition: "dialogue#tea", Item: adasWrap}].Attrs["wrapped"].Bin())
	if len(original) != 60 {
		t.Fatalf("the wrap has %d bytes", len(original))
	}
	for i := range original {
		for bit := range 8 {
			flipped := slices.Clone(original)
			flipped[i] ^= 1 << bit
			w.edit("tea", adasWrap, set("wrapped", record.B(flipped)))
			_, err := w.ring("ada", nil).Open(ctx, "dek#tea#1")
			wantError(t, fmt.Sprintf("byte %d bit %d", i, bit), err, blue.ErrTampered, record.DamageChanged, adasWrap, "")
		}
	}
	w.edit("tea", adasWrap, set("wrapped", record.B(original)))
	must(t)(w.ring("ada", nil).Open(ctx, "dek#tea#1"))
}

// TestWrapWithoutHeader: Create makes no key for a dialogue with a wrap and without a
// key header.
func TestWrapWithoutHeader(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.drop("tea", headerOfTea)
	_, err := w.ring("ada", nil).Create(ctx, "tea")
	wantError(t, "Create", err, blue.ErrSealed, "", "", "its key header (head) is missing")
	if len(w.store.records) != 1 {
		t.Errorf("%d records; want only the wrap", len(w.store.records))
	}
}

// TestErasedInBetween: an erasure between the reads of the wrap and the key header is
// reported as ErrErased.
func TestErasedInBetween(t *testing.T) {
	for _, sk := range []string{adasWrap, headerOfTea} {
		w := newEnv(t)
		must(t)(w.ring("ada", nil).Create(ctx, "tea"))
		r := w.ring("ada", nil)
		w.store.onGet = func(_ context.Context, key record.Key) {
			if key.Item == sk {
				w.edit("tea", headerOfTea, set("state", record.S("erasing")))
				w.drop("tea", adasWrap)
			}
		}
		_, err := r.Active(ctx, "tea")
		wantError(t, "Active, erased after a read of "+sk, err, blue.ErrErased, "", "", "")
	}
}

// TestStoreFails: a failing store is not reported as a missing key.
func TestStoreFails(t *testing.T) {
	w := newEnv(t)
	w.store.fail = fmt.Errorf("%w: disk full", blue.ErrUnavailable)
	if _, err := w.ring("ada", nil).Create(ctx, "tea"); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
	w.store.fail = nil
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
}

// denial is the error of a store that denies access, with a hint.
type denial struct{ hint string }

func (denial) Error() string   { return "access to table blue_keys is denied" }
func (r denial) Hint() string  { return r.hint }
func (denial) Unwrap() []error { return []error{record.ErrDenied} }

// failingStore is a store whose methods all fail with one error.
type failingStore struct {
	record.Store
	err error
}

func (c failingStore) Get(context.Context, record.Table, record.Key) (record.Record, error) {
	return record.Record{}, c.err
}

func (c failingStore) Query(context.Context, record.Query) ([]record.Record, error) {
	return nil, c.err
}

func (c failingStore) Commit(context.Context, []record.Write) error { return c.err }

// TestTableDenied: a denial by the store is ErrDenied in every method, and keeps the
// hint of the store.
func TestTableDenied(t *testing.T) {
	w := newEnv(t)
	store := failingStore{w.store, fmt.Errorf("reading: %w", denial{"ask the administrator"})}
	r, at := NewRing(store, w.provider, "ada", nil), NewTable(store)
	for name, use := range map[string]func() error{
		"create": func() error { _, err := r.Create(ctx, "tea"); return err },
		"active": func() error { _, err := r.Active(ctx, "tea"); return err },
		"status": func() error { _, err := r.Status(ctx, "tea"); return err },
		"get":    func() error { _, err := at.Get(ctx, headerKey("tea")); return err },
		"query": func() error {
			_, err := at.Query(ctx, record.DialoguePartition("tea"))
			return err
		},
		"commit": func() error { return at.Commit(ctx) },
	} {
		err := use()
		advice, kept := errors.AsType[denial](err)
		if !errors.Is(err, ErrDenied) || !errors.Is(err, record.ErrUnavailable) || !kept || advice.hint == "" || Class(err) != "denied" {
			t.Errorf("%s: %v of class %s", name, err, Class(err))
		}
	}
}

func TestCheckUser(t *testing.T) {
	for _, user := range []string{"a", "ada@example.org", "zoë", `CORP\ada`, "a#b/c:d", strings.Repeat("a", 128)} {
		if err := CheckUser(user); err != nil {
			t.Errorf("%q: %v", user, err)
		}
	}
	for _, user := range []string{"", " ", "a b", "\t", "a\x7f", "a\u200b", "\u202ea", "\xc3", strings.Repeat("é", 65)} {
		if err := CheckUser(user); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("%q: %v; want ErrInvalid", user, err)
		}
		w := newEnv(t)
		for verb, call := range calls(w.ring(user, nil), "tea") {
			if _, err := call(); !errors.Is(err, blue.ErrInvalid) {
				t.Errorf("%s as %q: %v; want ErrInvalid", verb, user, err)
			}
		}
		if len(w.store.records) != 0 {
			t.Errorf("%q: a record was stored", user)
		}
	}
	for _, dialogue := range []string{"", "Tea", "a#b", "a/b", strings.Repeat("a", 513)} {
		for verb, call := range calls(newEnv(t).ring("ada", nil), dialogue) {
			if _, err := call(); !errors.Is(err, blue.ErrInvalid) {
				t.Errorf("%s of dialogue %q: %v; want ErrInvalid", verb, dialogue, err)
			}
		}
	}
}
