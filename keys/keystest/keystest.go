// Package keystest holds what every keys.Provider must do, wherever its master
// key is. A provider's own tests call Run, and add what is its own: files,
// services, denials.
package keystest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// Harness says how to get at a provider.
type Harness struct {
	// Provider returns a new provider over the master key of that name: one
	// name is one key, however often it is asked for, another name another.
	// store is where a provider that stores keys puts them; a name comes with
	// one store. It may be called concurrently.
	Provider func(t testing.TB, master string, store record.Store) keys.Provider
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"fingerprint", fingerprint},
		{"round trip", roundTrip},
		{"secrets are fresh", fresh},
		{"KEK is the same everywhere", determinism},
		{"KEK is made once, and never by opening", makingKEKs},
		{"two users are apart", usersApart},
		{"a wrap is bound to all of its binding", binding},
		{"a damaged wrap does not open", damage},
		{"another master key opens nothing", wrongKey},
		{"a wrap that is granted", grants},
		{"a ring over a store", ring},
		{"bad arguments", badArguments},
		{"destroyed handles", destroyed},
		{"concurrent use", concurrent},
		{"handles are redacted", redaction},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, &world{h: h, stores: map[string]record.Store{}}) })
	}
}

// world is what one test sees: a store for each master key.
type world struct {
	h      Harness
	mu     sync.Mutex
	stores map[string]record.Store
}

func (w *world) store(master string) record.Store {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stores[master] == nil {
		w.stores[master] = memory.New()
	}
	return w.stores[master]
}

func (w *world) provider(t testing.TB, master string) keys.Provider {
	t.Helper()
	return w.h.Provider(t, master, w.store(master))
}

var ctx = context.Background()

var home = keys.Binding{User: "ada", Dialogue: "naïve-cache", Version: 1}

func umkOf(t testing.TB, p keys.Provider) keys.UMK {
	t.Helper()
	umk, err := p.UMK(ctx)
	if err != nil {
		t.Fatalf("UMK: %v", err)
	}
	t.Cleanup(umk.Destroy)
	return umk
}

func kekOf(t testing.TB, p keys.Provider, user string) *keys.KEK {
	t.Helper()
	umk := umkOf(t, p)
	if maker, stores := p.(keys.KEKMaker); stores {
		if err := maker.MakeKEK(ctx, umk, user); err != nil {
			t.Fatalf("MakeKEK(%s): %v", user, err)
		}
	}
	kek, err := p.DeriveKEK(ctx, umk, user)
	if err != nil {
		t.Fatalf("DeriveKEK(%s): %v", user, err)
	}
	t.Cleanup(kek.Destroy)
	return kek
}

func generate(t testing.TB, p keys.Provider, kek *keys.KEK, b keys.Binding) ([]byte, keys.Wrapped) {
	t.Helper()
	secret, wrapped, err := p.GenerateDEK(ctx, kek, b)
	if err != nil {
		t.Fatalf("GenerateDEK(%v): %v", b, err)
	}
	defer secret.Destroy()
	return secret.InsecureBytes(), wrapped
}

func unwrap(t testing.TB, p keys.Provider, kek *keys.KEK, b keys.Binding, w keys.Wrapped) []byte {
	t.Helper()
	secret, err := p.UnwrapDEK(ctx, kek, b, w)
	if err != nil {
		t.Fatalf("UnwrapDEK(%v): %v", b, err)
	}
	defer secret.Destroy()
	return secret.InsecureBytes()
}

func refuse(t testing.TB, p keys.Provider, kek *keys.KEK, b keys.Binding, w keys.Wrapped, want error) {
	t.Helper()
	secret, err := p.UnwrapDEK(ctx, kek, b, w)
	if secret != nil {
		t.Errorf("UnwrapDEK(%v) returned a secret beside %v", b, err)
	}
	if !errors.Is(err, want) {
		t.Errorf("UnwrapDEK(%v): %v; want %v", b, err, want)
	}
	var tampered *blue.TamperError
	if want == blue.ErrTampered && (!errors.As(err, &tampered) || len(tampered.Damage) != 1 || !strings.HasPrefix(tampered.Damage[0].Item, "wrap#")) {
		t.Errorf("UnwrapDEK(%v): %v does not name the wrap", b, err)
	}
}

func fingerprint(t *testing.T, w *world) {
	p := w.provider(t, "a")
	first := umkOf(t, p).Fingerprint()
	if first == "" || len(first) > 256 || strings.ContainsAny(first, " \n") {
		t.Errorf("fingerprint %q: want 1 to 256 characters without spaces", first)
	}
	if again := umkOf(t, w.provider(t, "a")).Fingerprint(); again != first {
		t.Errorf("the same master key has fingerprints %s and %s", first, again)
	}
	if other := umkOf(t, w.provider(t, "b")).Fingerprint(); other == first {
		t.Errorf("two master keys have the fingerprint %s", first)
	}
	kek := kekOf(t, p, home.User)
	if kek.UMK() != first || kek.User() != home.User {
		t.Errorf("the KEK says master key %s, user %s; want %s, %s", kek.UMK(), kek.User(), first, home.User)
	}
}

func roundTrip(t *testing.T, w *world) {
	p := w.provider(t, "a")
	for _, b := range []keys.Binding{
		home,
		{User: "ada", Dialogue: "d", Version: 1<<32 - 1},
		{User: strings.Repeat("é", 64), Dialogue: strings.Repeat("d", 512), Version: 7},
		{User: "a#b", Dialogue: "d", Version: 1},
	} {
		kek := kekOf(t, p, b.User)
		secret, wrapped := generate(t, p, kek, b)
		if len(secret) != 32 {
			t.Errorf("%v: a secret of %d bytes", b, len(secret))
		}
		if len(wrapped) != envelope.WrapSize {
			t.Errorf("%v: a wrap of %d bytes; want %d", b, len(wrapped), envelope.WrapSize)
		}
		before := slices.Clone(wrapped)
		if got := unwrap(t, p, kek, b, wrapped); !slices.Equal(got, secret) {
			t.Errorf("%v: another secret came back", b)
		}
		if !slices.Equal(before, wrapped) {
			t.Errorf("%v: unwrapping changed the wrap", b)
		}
	}
}

func fresh(t *testing.T, w *world) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	seen := map[string]bool{}
	for range 20 {
		secret, wrapped := generate(t, p, kek, home)
		for _, s := range []string{string(secret), string(wrapped), string(wrapped[:12])} {
			if seen[s] {
				t.Fatal("a secret, a wrap or a nonce came twice")
			}
			seen[s] = true
		}
	}
}

func determinism(t *testing.T, w *world) {
	p, again := w.provider(t, "a"), w.provider(t, "a")
	secret, wrapped := generate(t, p, kekOf(t, p, home.User), home)
	if got := unwrap(t, again, kekOf(t, again, home.User), home, wrapped); !slices.Equal(got, secret) {
		t.Error("the same master key and user gave another secret")
	}
}

func usersApart(t *testing.T, w *world) {
	p := w.provider(t, "a")
	ada, bob := kekOf(t, p, "ada"), kekOf(t, p, "bob")
	_, wrapped := generate(t, p, ada, home)
	swapped := home
	swapped.User = "bob"
	refuse(t, p, bob, swapped, wrapped, blue.ErrTampered)
	refuse(t, p, bob, home, wrapped, blue.ErrInvalid)
	refuse(t, p, ada, swapped, wrapped, blue.ErrInvalid)
}

func binding(t *testing.T, w *world) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	_, wrapped := generate(t, p, kek, home)
	for _, change := range []func(*keys.Binding){
		func(b *keys.Binding) { b.Dialogue = "naive-cache" },
		func(b *keys.Binding) { b.Dialogue += "-" },
		func(b *keys.Binding) { b.Dialogue = b.Dialogue[:1] },
		func(b *keys.Binding) { b.Version++ },
		func(b *keys.Binding) { b.Version = 1 << 31 },
	} {
		b := home
		change(&b)
		refuse(t, p, kek, b, wrapped, blue.ErrTampered)
	}
}

func damage(t *testing.T, w *world) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	_, wrapped := generate(t, p, kek, home)
	for i := range wrapped {
		for bit := range 8 {
			flipped := slices.Clone(wrapped)
			flipped[i] ^= 1 << bit
			refuse(t, p, kek, home, flipped, blue.ErrTampered)
		}
	}
	for n := range wrapped {
		refuse(t, p, kek, home, wrapped[:n], blue.ErrTampered)
	}
	refuse(t, p, kek, home, nil, blue.ErrTampered)
	refuse(t, p, kek, home, append(slices.Clone(wrapped), 0), blue.ErrTampered)
}

func wrongKey(t *testing.T, w *world) {
	a, b := w.provider(t, "a"), w.provider(t, "b")
	_, wrapped := generate(t, a, kekOf(t, a, home.User), home)
	refuse(t, b, kekOf(t, b, home.User), home, wrapped, blue.ErrTampered)
}

// stranger is a handle that no provider has returned.
type stranger struct{ envelope.Redacted }

func (stranger) Fingerprint() string { return "umk:0000000000000000" }
func (stranger) Destroy()            {}

func badArguments(t *testing.T, w *world) {
	p := w.provider(t, "a")
	umk := umkOf(t, p)
	for _, user := range []string{"", "a b", "a\x00", "a\n", "\xff", "a\u202eb", "\u00a0", strings.Repeat("a", 129)} {
		if kek, err := p.DeriveKEK(ctx, umk, user); kek != nil || !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("DeriveKEK(%q): %v; want ErrInvalid", user, err)
		}
	}
	if kek, err := p.DeriveKEK(ctx, stranger{}, "ada"); kek != nil || !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("DeriveKEK with a stranger's handle: %v; want ErrInvalid", err)
	}
	if maker, stores := p.(keys.KEKMaker); stores {
		if err := maker.MakeKEK(ctx, umk, "a b"); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("MakeKEK of a bad name: %v; want ErrInvalid", err)
		}
		if err := maker.MakeKEK(ctx, stranger{}, "ada"); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("MakeKEK with a stranger's handle: %v; want ErrInvalid", err)
		}
	}
	kek := kekOf(t, p, "ada")
	for _, b := range []keys.Binding{
		{User: "ada", Dialogue: "d"},
		{User: "ada", Version: 1},
		{User: "bob", Dialogue: "d", Version: 1},
	} {
		if secret, wrapped, err := p.GenerateDEK(ctx, kek, b); secret != nil || wrapped != nil || !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("GenerateDEK(%v): %v; want ErrInvalid", b, err)
		}
	}
}

func destroyed(t *testing.T, w *world) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	secret, wrapped := generate(t, p, kek, home)

	umk := umkOf(t, p)
	umk.Destroy()
	umk.Destroy()
	if kek, err := p.DeriveKEK(ctx, umk, home.User); kek != nil || !errors.Is(err, blue.ErrSealed) {
		t.Errorf("DeriveKEK from a destroyed handle: %v; want ErrSealed", err)
	}
	// A KEK outlives the handle it was derived from.
	if got := unwrap(t, p, kek, home, wrapped); !slices.Equal(got, secret) {
		t.Error("another secret came back")
	}
	kek.Destroy()
	kek.Destroy()
	refuse(t, p, kek, home, wrapped, blue.ErrSealed)
	if secret, wrapped, err := p.GenerateDEK(ctx, kek, home); secret != nil || wrapped != nil || !errors.Is(err, blue.ErrSealed) {
		t.Errorf("GenerateDEK under a destroyed KEK: %v; want ErrSealed", err)
	}
	// One handle's end is not another's.
	if got := unwrap(t, p, kekOf(t, p, home.User), home, wrapped); !slices.Equal(got, secret) {
		t.Error("another secret came back")
	}
}

func concurrent(t *testing.T, w *world) {
	p := w.provider(t, "a")
	shared := kekOf(t, p, home.User)
	want, wrapped := generate(t, p, shared, home)
	doomed := kekOf(t, p, home.User)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			umk, err := p.UMK(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer umk.Destroy()
			own, err := p.DeriveKEK(ctx, umk, home.User)
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Destroy()
			for _, kek := range []*keys.KEK{shared, own} {
				secret, err := p.UnwrapDEK(ctx, kek, home, wrapped)
				if err != nil || !slices.Equal(secret.InsecureBytes(), want) {
					t.Errorf("another secret came back, or %v", err)
				}
			}
			if _, _, err := p.GenerateDEK(ctx, shared, home); err != nil {
				t.Error(err)
			}
			if i == 8 {
				doomed.Destroy()
			}
			secret, err := p.UnwrapDEK(ctx, doomed, home, wrapped)
			if err != nil && !errors.Is(err, blue.ErrSealed) {
				t.Errorf("a KEK that is destroyed meanwhile: %v; want the secret or ErrSealed", err)
			}
			if err == nil && !slices.Equal(secret.InsecureBytes(), want) {
				t.Error("a KEK that is destroyed meanwhile gave another secret")
			}
		})
	}
	wg.Wait()
}
