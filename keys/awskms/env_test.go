package awskms_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/keys/keystest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

var ctx = context.Background()

// TestProvider runs the suite of all providers on moto.
func TestProvider(t *testing.T) {
	var mu sync.Mutex
	arns := map[string]string{}
	client := kmstest.Client(kmstest.Endpoint(t), "ada")
	keystest.Run(t, keystest.Harness{Provider: func(t testing.TB, master string, store record.Store) keys.Provider {
		mu.Lock()
		defer mu.Unlock()
		if arns[master] == "" {
			arns[master] = kmstest.Key(t)
		}
		p, err := awskms.New(arns[master], client, store, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}})
}

// env is a key in moto behind a layer that injects faults, a store and a clock.
type env struct {
	t     *testing.T
	arn   string
	layer *kmsfault.Layer
	url   string // of the layer
	store record.Store

	mu sync.Mutex
	at time.Time
}

func newEnv(t *testing.T) *env {
	t.Helper()
	layer, err := kmsfault.New(kmstest.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(layer)
	t.Cleanup(server.Close)
	t.Cleanup(layer.Close)
	return &env{
		t: t, arn: kmstest.Key(t), layer: layer, url: server.URL, store: memory.New(),
		at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (w *env) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *env) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// provider returns a provider that calls KMS as a principal.
func (w *env) provider(principal string, opts *awskms.Options) *awskms.Provider {
	w.t.Helper()
	p, err := awskms.New(w.arn, kmstest.Client(w.url, principal), w.store, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// ring returns a new Ring of a principal for a user, like one of another process.
func (w *env) ring(principal, user string) *keys.Ring {
	w.t.Helper()
	r := keys.NewRing(w.store, w.provider(principal, nil), user, &keys.Options{Now: w.now})
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// allowUsers gives principals the policy of deploy/iam for users. The tag of each
// principal is the user of the same name.
func (w *env) allowUsers(users ...string) {
	w.t.Helper()
	policy, err := kmsfault.Load(filepath.Join("..", "..", "deploy", "iam", "user.json"), kmsfault.Place{KeyARN: w.arn, Tables: "blue"})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, user := range users {
		w.layer.Let(user, kmsfault.Principal{Tags: map[string]string{"blue-user": user}, Policies: []kmsfault.Policy{policy}})
	}
}

func umkOf(t testing.TB, p *awskms.Provider) keys.UMK {
	t.Helper()
	umk, err := p.UMK(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(umk.Destroy)
	return umk
}

// newProvider returns a provider of ada after MakeKEK.
func newProvider(t *testing.T, w *env) *awskms.Provider {
	t.Helper()
	p := w.provider("ada", nil)
	if err := p.MakeKEK(ctx, umkOf(t, p), "ada"); err != nil {
		t.Fatal(err)
	}
	return p
}

// derive calls DeriveKEK and destroys the KEK.
func derive(t testing.TB, p *awskms.Provider, user string) error {
	t.Helper()
	kek, err := p.DeriveKEK(ctx, umkOf(t, p), user)
	if err == nil {
		kek.Destroy()
	} else if kek != nil {
		t.Errorf("DeriveKEK returned a KEK and %v", err)
	}
	return err
}

func destroy(k *envelope.Keys, err error) error {
	if k != nil {
		k.Destroy()
	}
	return err
}
