package encrypted_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// gatedProvider counts the calls of a provider, and denies all calls once it is
// closed.
type gatedProvider struct {
	*localfile.Provider
	closed         atomic.Bool
	derived, wraps atomic.Int32
}

func (d *gatedProvider) DeriveKEK(ctx context.Context, umk keys.UMK, user string) (*keys.KEK, error) {
	d.derived.Add(1)
	if d.closed.Load() {
		return nil, keys.ErrDenied
	}
	return d.Provider.DeriveKEK(ctx, umk, user)
}

func (d *gatedProvider) UnwrapDEK(ctx context.Context, kek *keys.KEK, b keys.Binding, wrapped keys.Wrapped) (*envelope.Secret, error) {
	d.wraps.Add(1)
	if d.closed.Load() {
		return nil, keys.ErrDenied
	}
	return d.Provider.UnwrapDEK(ctx, kek, b, wrapped)
}

// gatedStore is a store with a gatedProvider and a clock of its own.
type gatedStore struct {
	*encrypted.Store
	provider *gatedProvider
	ahead    atomic.Int64
}

func (h *fixture) guarded(records record.Store) *gatedStore {
	g := &gatedStore{provider: &gatedProvider{Provider: localfile.Open(h.UMK, nil)}}
	now := func() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) }
	g.Store = encrypted.New(records, g.provider, "ada", audit.NewLog(records, "ada", nil), &encrypted.Options{Now: now})
	h.T.Cleanup(func() { g.Close() })
	return g
}

func (g *gatedStore) later(d time.Duration) { g.ahead.Add(int64(d)) }

// TestDeniedLater: a user that the provider denies can read until the keys in
// memory are too old, and not later.
func TestDeniedLater(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(5, 10)
	g := h.guarded(h.Records)
	load := func() error { _, err := g.Load(t.Context(), tea); return err }
	if err := load(); err != nil {
		t.Fatal(err)
	}
	g.provider.closed.Store(true)
	g.later(keys.DefaultTTL - time.Second)
	if err := load(); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	g.later(time.Second)
	if err := load(); !errors.Is(err, keys.ErrDenied) {
		t.Errorf("at the end: %v, want ErrDenied", err)
	}
}

// TestDeniedMeanwhile: a rotation that lasts longer than keys are kept in
// memory opens them again, and stops once it is denied. Its commits remain, and a
// permitted user finishes the rotation.
func TestDeniedMeanwhile(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(400, 10)
	var g *gatedStore
	commits := 0
	g = h.guarded(&interceptor{Store: h.Records, when: func(call string, table record.Table, _ record.Key) bool {
		if call == "Commit" && table == record.Dialogues {
			commits++
		}
		return commits == 2
	}, meets: func() {
		g.provider.closed.Store(true)
		g.later(keys.DefaultTTL)
	}})
	report, err := g.Rotate(t.Context(), tea)
	if !errors.Is(err, keys.ErrDenied) || report.Commits != 2 {
		t.Errorf("%+v, %v, want two commits and ErrDenied", report, err)
	}
	dialoguetest.Must(t)(h.As("ada").Rotate(t.Context(), tea))
	h.WantVersion(2, "ada")
}

// TestCallsOfProvider counts the calls of the provider that loads make.
func TestCallsOfProvider(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(5, 10)
	g := h.guarded(h.Records)
	load := func() {
		if _, err := g.Load(t.Context(), tea); err != nil {
			t.Error(err)
		}
	}
	expect := func(what string, n int32) {
		t.Helper()
		if derived, wraps := g.provider.derived.Load(), g.provider.wraps.Load(); derived != n || wraps != n {
			t.Errorf("%s: %d keys derived and %d unwrapped so far, want %d of each", what, derived, wraps, n)
		}
	}
	cold := make(chan struct{})
	done := make(chan struct{})
	for range 100 {
		go func() {
			<-cold
			load()
			done <- struct{}{}
		}()
	}
	close(cold)
	for range 100 {
		<-done
	}
	expect("100 cold loads at once", 1)
	for range 1000 {
		load()
	}
	expect("1,000 loads more", 1)
	g.later(keys.DefaultTTL)
	load()
	expect("after the TTL", 2)
}
