package keystest

import (
	"errors"
	"slices"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// createKEKs tests the creation of stored KEKs. A provider that is not a KEKMaker must
// store none.
func createKEKs(t *testing.T, w *env) {
	p := w.provider(t, "a")
	maker, stores := p.(keys.KEKMaker)
	umk := umkOf(t, p)
	if !stores {
		kekOf(t, p, "ada")
		if n := len(recordsOf(t, w, "a", "ada")); n != 0 {
			t.Errorf("%d records of ada, but the provider is not a KEKMaker", n)
		}
		return
	}
	if kek, err := p.DeriveKEK(ctx, umk, "ada"); kek != nil || !errors.Is(err, keys.ErrNoKEK) || !errors.Is(err, blue.ErrSealed) {
		t.Errorf("DeriveKEK of a user without a KEK: %v; want ErrNoKEK", err)
	}
	if n := len(recordsOf(t, w, "a", "ada")); n != 0 {
		t.Fatalf("DeriveKEK stored %d records", n)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			p := w.provider(t, "a")
			if err := p.(keys.KEKMaker).MakeKEK(ctx, umkOf(t, p), "ada"); err != nil {
				t.Errorf("MakeKEK: %v", err)
			}
		})
	}
	all.Wait()
	before := recordsOf(t, w, "a", "ada")
	if len(before) != 1 {
		t.Fatalf("16 makers stored %d records", len(before))
	}
	secret, wrapped := generate(t, p, kekOf(t, p, "ada"), home)
	again := w.provider(t, "a")
	if got := unwrap(t, again, kekOf(t, again, "ada"), home, wrapped); !slices.Equal(got, secret) {
		t.Error("one user has two KEKs")
	}
	if err := maker.MakeKEK(ctx, umk, "ada"); err != nil || !recordsOf(t, w, "a", "ada")[0].Equal(before[0]) {
		t.Errorf("a second MakeKEK changed the record: %v", err)
	}
}

// recordsOf returns the records of a user in blue_keys.
func recordsOf(t testing.TB, w *env, master, user string) []record.Record {
	t.Helper()
	found, err := w.store(master).Query(ctx, record.Query{Table: record.Keys, Partition: record.UserPartition(user)})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// kekFor returns the KEK that UnwrapDEK needs for a wrap of a user, or nil if it needs
// none.
func kekFor(t testing.TB, p keys.Provider, user string, w keys.Wrapped) *keys.KEK {
	t.Helper()
	if len(w) > envelope.WrapSize {
		return nil
	}
	return kekOf(t, p, user)
}

func grants(t *testing.T, w *env) {
	p := w.provider(t, "a")
	granter, ok := p.(keys.Granter)
	if !ok {
		t.Fatal("the provider is not a Granter")
	}
	secret := envelope.GenerateSecret()
	b := keys.Binding{User: "bob", Dialogue: home.Dialogue, Version: 3}
	wrapped, err := granter.Grant(ctx, b, secret)
	if err != nil {
		t.Fatal(err)
	}
	if len(wrapped) < envelope.WrapSize {
		t.Fatalf("the wrap has %d bytes", len(wrapped))
	}
	again := w.provider(t, "a")
	if got := unwrap(t, again, kekFor(t, again, "bob", wrapped), b, wrapped); !slices.Equal(got, secret.InsecureBytes()) {
		t.Error("UnwrapDEK returned another secret")
	}
	for _, change := range []func(*keys.Binding){
		func(b *keys.Binding) { b.User = "ada" },
		func(b *keys.Binding) { b.User = "bo" },
		func(b *keys.Binding) { b.Dialogue = "naive-cache" },
		func(b *keys.Binding) { b.Version = 33 },
		func(b *keys.Binding) { b.Version = 1 },
	} {
		other := b
		change(&other)
		refuse(t, p, kekFor(t, p, other.User, wrapped), other, wrapped, blue.ErrTampered)
	}
	for i := range wrapped {
		flipped := slices.Clone(wrapped)
		flipped[i] ^= 1
		if secret, err := p.UnwrapDEK(ctx, kekFor(t, p, "bob", wrapped), b, flipped); secret != nil || !errors.Is(err, blue.ErrTampered) && !errors.Is(err, blue.ErrSealed) {
			t.Errorf("byte %d flipped: %v; want ErrTampered, or ErrSealed if the byte is in the name of the key", i, err)
		}
	}
	refuse(t, p, kekFor(t, p, "bob", wrapped), b, wrapped[:20], blue.ErrTampered)
	for _, bad := range []keys.Binding{{User: "b b", Dialogue: "d", Version: 1}, {User: "bob", Version: 1}, {User: "bob", Dialogue: "d"}} {
		if wrapped, err := granter.Grant(ctx, bad, secret); wrapped != nil || !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("Grant(%v): %v; want ErrInvalid", bad, err)
		}
	}
	secret.Destroy()
	if wrapped, err := granter.Grant(ctx, b, secret); wrapped != nil || !errors.Is(err, blue.ErrSealed) {
		t.Errorf("Grant of a destroyed secret: %v; want ErrSealed", err)
	}
}

// ring creates and opens keys with Rings over the provider.
func ring(t *testing.T, w *env) {
	newRing := func(master, user string) *keys.Ring {
		r := keys.NewRing(w.store("a"), w.h.Provider(t, master, w.store("a")), user, nil)
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	addr, err := envelope.ItemAddress("tea", "meta")
	if err != nil {
		t.Fatal(err)
	}
	made, err := newRing("a", "ada").Create(ctx, "tea")
	if err != nil {
		t.Fatal(err)
	}
	defer made.Destroy()
	sealed, nonce, err := made.Seal(addr, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := newRing("a", "ada").Open(ctx, "dek#tea#1")
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Destroy()
	if _, err := opened.Open(addr, sealed, nonce); err != nil {
		t.Errorf("another Ring returns other keys: %v", err)
	}
	if _, err := newRing("a", "bob").Open(ctx, "dek#tea#1"); !errors.Is(err, keys.ErrDenied) {
		t.Errorf("bob: %v; want ErrDenied", err)
	}
	if n := len(recordsOf(t, w, "a", "bob")); n != 0 {
		t.Errorf("bob, who was refused, has %d records", n)
	}
	wrong, err := newRing("b", "ada").Open(ctx, "dek#tea#1")
	if e, ok := errors.AsType[*keys.WrongKeyError](err); wrong != nil || !ok || e.Want == e.Have {
		t.Errorf("another master key: %v; want WrongKeyError", err)
	}
	all, err := w.store("a").Query(ctx, record.Query{Table: record.Keys, Partition: "dialogue#tea"})
	if err != nil || len(all) != 2 {
		t.Errorf("%d records, %v; want the key header and one wrap", len(all), err)
	}
}
