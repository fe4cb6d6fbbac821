package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// eventLog keeps events as text: action outcome key class.
type eventLog struct {
	mu    sync.Mutex
	lines []string
	fail  func(KeyEvent) error
}

func (b *eventLog) record(ctx context.Context, e KeyEvent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(e); err != nil {
			return err
		}
	}
	line := fmt.Sprintf("%s %s %s", e.Action, e.Outcome, e.KeyID)
	if e.Class != "" {
		line += " " + e.Class
	}
	b.lines = append(b.lines, line)
	return nil
}

func (b *eventLog) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	return lines
}

// recordedRing returns a new Ring and the log of its events.
func (w *env) recordedRing(user string) (*Ring, *eventLog) {
	b := &eventLog{}
	return w.ring(user, &Options{Now: w.now, Record: b.record}), b
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: the events are\n%q, want\n%q", what, got, want)
	}
}

func TestEvents(t *testing.T) {
	w := newEnv(t)
	r, b := w.recordedRing("ada")
	must(t)(r.Create(ctx, "tea"))
	wantLines(t, "Create", b.take(), "derive_kek success umk:a", "wrap_dek intent dek#tea#1", "wrap_dek success dek#tea#1", "unwrap_dek success dek#tea#1")
	must(t)(r.Create(ctx, "tea"))
	must(t)(r.Active(ctx, "tea"))
	must(t)(r.Open(ctx, "dek#tea#1"))
	wantLines(t, "cached keys", b.take())
	must(t)(r.Create(ctx, "milk"))
	wantLines(t, "a second Create", b.take(), "wrap_dek intent dek#milk#1", "wrap_dek success dek#milk#1", "unwrap_dek success dek#milk#1")

	other, b := w.recordedRing("ada")
	must(t)(other.Open(ctx, "dek#tea#1"))
	wantLines(t, "Open in another process", b.take(), "derive_kek success umk:a", "unwrap_dek success dek#tea#1")
	w.advance(DefaultTTL)
	must(t)(other.Open(ctx, "dek#tea#1"))
	wantLines(t, "Open after the TTL", b.take(), "derive_kek success umk:a", "unwrap_dek success dek#tea#1")
}

// TestFailureEvents: a failure makes one event with its class. TestLostKeyFile covers
// a lost key file.
func TestFailureEvents(t *testing.T) {
	derived := "derive_kek success umk:a"
	denied := fmt.Errorf("%w: the key policy forbids it", ErrDenied)
	for _, c := range []struct {
		name  string
		user  string
		spoil func(*env)
		want  []string
	}{
		{"missing", "ada", func(w *env) { w.drop("tea", adasWrap) }, []string{"unwrap_dek failure dek#tea#1 missing"}},
		{"header missing", "ada", func(w *env) { w.drop("tea", headerOfTea) }, []string{"unwrap_dek failure dek#tea#1 missing"}},
		{"not granted", "bob", func(*env) {}, []string{"unwrap_dek denied dek#tea#1 denied"}},
		{"erased", "ada", func(w *env) { w.edit("tea", headerOfTea, set("state", record.S("erased"))) }, []string{"unwrap_dek failure dek#tea#1 erased"}},
		{"malformed", "ada", func(w *env) { w.edit("tea", adasWrap, without("umk")) }, []string{"unwrap_dek failure dek#tea#1 tampered"}},
		{"altered", "ada", wrapped(func(b []byte) []byte { b[20] ^= 1; return b }), []string{derived, "unwrap_dek failure dek#tea#1 tampered"}},
		{"relabelled", "ada", func(w *env) { w.edit("tea", adasWrap, set("umk", record.S("umk:b"))) }, []string{derived, "unwrap_dek failure dek#tea#1 tampered"}},
		{"another master key", "ada", func(w *env) { w.provider = newFakeProvider(w.t, "umk:b") }, []string{"derive_kek success umk:b", "unwrap_dek failure dek#tea#1 wrong_key"}},
		{"provider denies", "ada", func(w *env) { w.provider.fail.Store(&denied) }, []string{"derive_kek denied  denied"}},
		{"the store does not respond", "ada", func(w *env) { w.store.onGet = func(context.Context, record.Key) {} }, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			must(t)(w.ring("ada", nil).Create(ctx, "tea"))
			c.spoil(w)
			r, b := w.recordedRing(c.user)
			open := ctx
			if c.name == "the store does not respond" {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				open = ended
				r.table = NewTable(contextStore{w.store})
			}
			if _, err := r.Open(open, "dek#tea#1"); err == nil {
				t.Fatal("Open returned the key")
			}
			wantLines(t, "Open", b.take(), c.want...)
		})
	}
}

// contextStore is a store that checks its context.
type contextStore struct{ *fakeStore }

func (s contextStore) Get(ctx context.Context, t record.Table, k record.Key) (record.Record, error) {
	if err := ctx.Err(); err != nil {
		return record.Record{}, err
	}
	return s.fakeStore.Get(ctx, t, k)
}

// TestFailureIsRecordedAfterCancel: a failure is recorded although the context of the
// caller has ended.
func TestFailureIsRecordedAfterCancel(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	leaving, leave := context.WithCancel(ctx)
	w.provider.onUnwrap = func(context.Context) { leave() }
	r, b := w.recordedRing("ada")
	if _, err := r.Open(leaving, "dek#tea#1"); !errors.Is(err, context.Canceled) || errors.Is(err, blue.ErrAudit) {
		t.Errorf("got %v; want only Canceled", err)
	}
	wantLines(t, "Open", b.take(), "derive_kek success umk:a", "unwrap_dek failure dek#tea#1 cancelled")
}

// TestNoEventNoKey: a key is not returned if any of its events cannot be stored.
func TestNoEventNoKey(t *testing.T) {
	full := errors.New("disk full")
	for _, failing := range []string{"derive_kek success", "wrap_dek intent", "wrap_dek success", "unwrap_dek success"} {
		w := newEnv(t)
		r, b := w.recordedRing("ada")
		stored := 0
		b.fail = func(e KeyEvent) error {
			if string(e.Action)+" "+string(e.Outcome) == failing {
				stored = len(w.store.records)
				return full
			}
			return nil
		}
		k, err := r.Create(ctx, "tea")
		if k != nil || !errors.Is(err, blue.ErrAudit) || !errors.Is(err, full) {
			t.Errorf("%s fails: got %v, %v; want ErrAudit and its cause", failing, k, err)
		}
		if before := failing == "derive_kek success" || failing == "wrap_dek intent"; before != (stored == 0) {
			t.Errorf("%s fails: %d records were stored", failing, stored)
		}
		if len(r.secrets.entries) != 0 {
			t.Errorf("%s fails: a secret is cached", failing)
		}
		b.fail = nil
		must(t)(r.Create(ctx, "tea")) // uses the stored key
	}
}

// TestNoEventOfFailure: a failure that cannot be recorded returns both errors.
func TestNoEventOfFailure(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	r, b := w.recordedRing("bob")
	b.fail = func(KeyEvent) error { return errors.New("disk full") }
	if _, err := r.Open(ctx, "dek#tea#1"); !errors.Is(err, ErrDenied) || !errors.Is(err, blue.ErrAudit) {
		t.Errorf("got %v; want ErrDenied and ErrAudit", err)
	}
}

// TestWrapOutcomes: an outcome follows the intent of a wrap for any result of the
// commit.
func TestWrapOutcomes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*env)
		want string
	}{
		{"lost race", func(w *env) {
			w.store.onCommit = func([]record.Write) {
				w.store.onCommit = nil
				must(t)(w.ring("ada", nil).Create(ctx, "tea"))
			}
		}, "wrap_dek failure dek#tea#1 conflict"},
		{"lost response", func(w *env) { w.store.fail = blue.ErrUnavailable }, "wrap_dek failure dek#tea#1 unavailable"},
		{"busy", func(w *env) { w.store.fail = blue.ErrBusy }, "wrap_dek failure dek#tea#1 busy"},
	} {
		w := newEnv(t)
		c.do(w)
		r, b := w.recordedRing("ada")
		_, err := r.Create(ctx, "tea")
		if (err == nil) != (c.name == "lost race") {
			t.Errorf("%s: %v", c.name, err)
		}
		lines := b.take()
		wantLines(t, c.name, lines[:3], "derive_kek success umk:a", "wrap_dek intent dek#tea#1", c.want)
	}
}

// TestEventsOfOneLoad: fifty callers that wait for one key make one event.
func TestEventsOfOneLoad(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	for _, user := range []string{"ada", "bob"} {
		r, b := w.recordedRing(user)
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			b.fail = func(e KeyEvent) error {
				if e.Action == unwrapDEK {
					<-gate
				}
				return nil
			}
			for range 50 {
				go func() {
					if _, err := r.Open(t.Context(), "dek#tea#1"); (err == nil) != (user == "ada") {
						t.Errorf("%s: %v", user, err)
					}
				}()
			}
			synctest.Wait()
			close(gate)
			synctest.Wait()
		})
		want := []string{"derive_kek success umk:a", "unwrap_dek success dek#tea#1"}
		if user == "bob" {
			want = []string{"unwrap_dek denied dek#tea#1 denied"}
		}
		wantLines(t, "50 callers as "+user, b.take(), want...)
	}
}
