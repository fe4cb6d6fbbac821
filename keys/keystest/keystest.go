// Package keystest is the conformance suite of keys.Provider. It has the same cases
// for every provider, whatever its master key is.
//
// The tests of a provider call [Run] and add cases of their own, for example for
// files, services or denials. users.go has the cases of stored KEKs, grants and
// rings, and redaction.go the cases of printed handles.
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

// A Harness opens providers for the suite.
type Harness struct {
	// Provider returns a new provider of the master key with a name. Equal names
	// are the same key, and different names are different keys. A provider that
	// stores keys must use the given store, which is the same for equal names.
	// Provider may be called concurrently.
	Provider func(t testing.TB, master string, store record.Store) keys.Provider
}

// Run runs every case of the suite as a subtest of t.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *env)
	}{
		{"fingerprint", fingerprint},
		{"round trip", roundTrip},
		{"secrets are fresh", freshSecrets},
		{"KEK is the same everywhere", determinism},
		{"KEK is created once, and never by opening", createKEKs},
		{"two users are separate", separateUsers},
		{"a wrap is bound to all of its binding", binding},
		{"a damaged wrap does not open", damagedWrap},
		{"another master key opens nothing", wrongKey},
		{"a granted wrap", grants},
		{"a ring over a store", ring},
		{"bad arguments", badArguments},
		{"destroyed handles", destroyedHandles},
		{"concurrent use", concurrentUse},
		{"handles are redacted", redaction},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, &env{h: h, stores: map[string]record.Store{}}) })
	}
}

// env is the state of one case: a store for each master key.
type env struct {
	h      Harness
	mu     sync.Mutex
	stores map[string]record.Store
}

func (w *env) store(master string) record.Store {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stores[master] == nil {
		w.stores[master] = memory.New()
	}
	return w.stores[master]
}

func (w *env) provider(t testing.TB, master string) keys.Provider {
	t.Helper()
	return w.h.Provider(t, master, w.store(master))
}

var ctx = context.Background()

var home = keys.Binding{User: "ada", Dialogue: "naïve-cache", Version: 1}

// umkOf returns the UMK of a provider.
func umkOf(t testing.TB, p keys.Provider) keys.UMK {
	t.Helper()
	umk, err := p.UMK(ctx)
	if err != nil {
		t.Fatalf("UMK: %v", err)
	}
	t.Cleanup(umk.Destroy)
	return umk
}

// kekOf returns the KEK of a user, after MakeKEK if the provider stores KEKs.
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

// refuse fails the test unless UnwrapDEK returns the error want and no secret.
func refuse(t testing.TB, p keys.Provider, kek *keys.KEK, b keys.Binding, w keys.Wrapped, want error) {
	t.Helper()
	secret, err := p.UnwrapDEK(ctx, kek, b, w)
	if secret != nil {
		t.Errorf("UnwrapDEK(%v) returned a secret and %v", b, err)
	}
	if !errors.Is(err, want) {
		t.Errorf("UnwrapDEK(%v): %v; want %v", b, err, want)
	}
	var tampered *blue.TamperError
	if want == blue.ErrTampered && (!errors.As(err, &tampered) || len(tampered.Damage) != 1 || !strings.HasPrefix(tampered.Damage[0].Item, "wrap#")) {
		t.Errorf("UnwrapDEK(%v): %v does not name the wrap", b, err)
	}
}

func fingerprint(t *testing.T, w *env) {
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
		t.Errorf("the KEK has master key %s and user %s; want %s and %s", kek.UMK(), kek.User(), first, home.User)
	}
}

func roundTrip(t *testing.T, w *env) {
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
			t.Errorf("%v: the secret has %d bytes", b, len(secret))
		}
		if len(wrapped) != envelope.WrapSize {
			t.Errorf("%v: the wrap has %d bytes; want %d", b, len(wrapped), envelope.WrapSize)
		}
		before := slices.Clone(wrapped)
		if got := unwrap(t, p, kek, b, wrapped); !slices.Equal(got, secret) {
			t.Errorf("%v: UnwrapDEK returned another secret", b)
		}
		if !slices.Equal(before, wrapped) {
			t.Errorf("%v: unwrapping changed the wrap", b)
		}
	}
}

func freshSecrets(t *testing.T, w *env) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	seen := map[string]bool{}
	for range 20 {
		secret, wrapped := generate(t, p, kek, home)
		for _, s := range []string{string(secret), string(wrapped), string(wrapped[:12])} {
			if seen[s] {
				t.Fatal("two calls returned the same secret, wrap or nonce")
			}
			seen[s] = true
		}
	}
}

func determinism(t *testing.T, w *env) {
	p, again := w.provider(t, "a"), w.provider(t, "a")
	secret, wrapped := generate(t, p, kekOf(t, p, home.User), home)
	if got := unwrap(t, again, kekOf(t, again, home.User), home, wrapped); !slices.Equal(got, secret) {
		t.Error("the same master key and user returned another secret")
	}
}

func separateUsers(t *testing.T, w *env) {
	p := w.provider(t, "a")
	ada, bob := kekOf(t, p, "ada"), kekOf(t, p, "bob")
	_, wrapped := generate(t, p, ada, home)
	swapped := home
	swapped.User = "bob"
	refuse(t, p, bob, swapped, wrapped, blue.ErrTampered)
	refuse(t, p, bob, home, wrapped, blue.ErrInvalid)
	refuse(t, p, ada, swapped, wrapped, blue.ErrInvalid)
}

func binding(t *testing.T, w *env) {
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

func damagedWrap(t *testing.T, w *env) {
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

func wrongKey(t *testing.T, w *env) {
	a, b := w.provider(t, "a"), w.provider(t, "b")
	_, wrapped := generate(t, a, kekOf(t, a, home.User), home)
	refuse(t, b, kekOf(t, b, home.User), home, wrapped, blue.ErrTampered)
}

// foreignUMK is a handle that no provider returned.
type foreignUMK struct{ envelope.Redacted }

func (foreignUMK) Fingerprint() string { return "umk:0000000000000000" }
func (foreignUMK) Destroy()            {}

func badArguments(t *testing.T, w *env) {
	p := w.provider(t, "a")
	umk := umkOf(t, p)
	for _, user := range []string{"", "a b", "a\x00", "a\n", "\xff", "a\u202eb", "\u00a0", strings.Repeat("a", 129)} {
		if kek, err := p.DeriveKEK(ctx, umk, user); kek != nil || !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("DeriveKEK(%q): %v; want ErrInvalid", user, err)
		}
	}
	if kek, err := p.DeriveKEK(ctx, foreignUMK{}, "ada"); kek != nil || !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("DeriveKEK with a foreign handle: %v; want ErrInvalid", err)
	}
	if maker, stores := p.(keys.KEKMaker); stores {
		if err := maker.MakeKEK(ctx, umk, "a b"); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("MakeKEK of a bad name: %v; want ErrInvalid", err)
		}
		if err := maker.MakeKEK(ctx, foreignUMK{}, "ada"); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("MakeKEK with a foreign handle: %v; want ErrInvalid", err)
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

func destroyedHandles(t *testing.T, w *env) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	secret, wrapped := generate(t, p, kek, home)

	umk := umkOf(t, p)
	umk.Destroy()
	umk.Destroy()
	if kek, err := p.DeriveKEK(ctx, umk, home.User); kek != nil || !errors.Is(err, blue.ErrSealed) {
		t.Errorf("DeriveKEK from a destroyed handle: %v; want ErrSealed", err)
	}
	// A KEK works after its UMK was destroyed.
	if got := unwrap(t, p, kek, home, wrapped); !slices.Equal(got, secret) {
		t.Error("UnwrapDEK returned another secret")
	}
	kek.Destroy()
	kek.Destroy()
	refuse(t, p, kek, home, wrapped, blue.ErrSealed)
	if secret, wrapped, err := p.GenerateDEK(ctx, kek, home); secret != nil || wrapped != nil || !errors.Is(err, blue.ErrSealed) {
		t.Errorf("GenerateDEK under a destroyed KEK: %v; want ErrSealed", err)
	}
	// Other handles of the same key are not affected.
	if got := unwrap(t, p, kekOf(t, p, home.User), home, wrapped); !slices.Equal(got, secret) {
		t.Error("UnwrapDEK returned another secret")
	}
}

func concurrentUse(t *testing.T, w *env) {
	p := w.provider(t, "a")
	shared := kekOf(t, p, home.User)
	want, wrapped := generate(t, p, shared, home)
	destroyedKEK := kekOf(t, p, home.User)
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
					t.Errorf("UnwrapDEK returned another secret: %v", err)
				}
			}
			if _, _, err := p.GenerateDEK(ctx, shared, home); err != nil {
				t.Error(err)
			}
			if i == 8 {
				destroyedKEK.Destroy()
			}
			secret, err := p.UnwrapDEK(ctx, destroyedKEK, home, wrapped)
			if err != nil && !errors.Is(err, blue.ErrSealed) {
				t.Errorf("a KEK that is destroyed in parallel: %v; want the secret or ErrSealed", err)
			}
			if err == nil && !slices.Equal(secret.InsecureBytes(), want) {
				t.Error("a KEK that is destroyed in parallel returned another secret")
			}
		})
	}
	wg.Wait()
}
