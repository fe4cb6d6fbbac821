package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

var ctx = context.Background()

// mark returns a text that is different for different keys.
func mark(k *envelope.Keys) string { t := k.Tag("x", nil); return k.ID() + " " + string(t[:]) }

// must returns the mark of the keys and destroys them.
func must(t *testing.T) func(*envelope.Keys, error) string {
	return func(k *envelope.Keys, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer k.Destroy()
		return mark(k)
	}
}

func TestCreateOpenActive(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", nil)
	made := must(t)(r.Create(ctx, "tea"))
	if got := must(t)(r.Active(ctx, "tea")); got != made {
		t.Error("Active returns other keys")
	}
	if got := must(t)(w.ring("ada", nil).Open(ctx, "dek#tea#1")); got != made {
		t.Error("Open in another process returns other keys")
	}
	if got := must(t)(w.ring("ada", nil).Create(ctx, "tea")); got != made {
		t.Error("Create repeated, after a crash, returns other keys")
	}
	if got := must(t)(r.Create(ctx, "milk")); got[3:] == made[3:] {
		t.Error("two dialogues share keys")
	}
}

// TestCreateCommit: Create stores the records of the package documentation in one
// commit, on the condition that they do not exist.
func TestCreateCommit(t *testing.T) {
	w := newEnv(t)
	w.at = time.Date(2026, 1, 2, 4, 4, 5, 6, time.FixedZone("", 3600))
	var commits [][]record.Write
	w.store.onCommit = func(writes []record.Write) { commits = append(commits, writes) }
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	if len(commits) != 1 || len(commits[0]) != 2 {
		t.Fatalf("commits %v; want one of two writes", commits)
	}
	header, wrap := commits[0][0], commits[0][1]
	for _, write := range commits[0] {
		if write.Table != record.Keys || write.Prev != nil || write.Check {
			t.Errorf("%v: want a put into blue_keys that must not exist", write.Record.Key)
		}
	}
	wantHeader := record.Record{Key: record.Key{Partition: "dialogue#tea", Item: "head"}, Attrs: record.Attrs{
		"active_version": record.N(1), "state": record.S("active"), "created_at": record.S("2026-01-02T03:04:05.000000006Z"),
		"turn": header.Record.Attrs["turn"],
	}}
	if len(header.Record.Attrs["turn"].Str()) != 26 {
		t.Errorf("turn is %v; want 26 random characters", header.Record.Attrs["turn"])
	}
	if !header.Record.Equal(wantHeader) {
		t.Errorf("the header is %v; want %v", header.Record, wantHeader)
	}
	wrapped := wrap.Record.Attrs["wrapped"]
	if n := len(wrapped.Bin()); n != 60 {
		t.Errorf("wrapped has %d bytes", n)
	}
	wantWrap := record.Record{Key: record.Key{Partition: "dialogue#tea", Item: "wrap#0000000001#ada"}, Attrs: record.Attrs{
		"wrapped": wrapped, "umk": record.S("umk:a"), "user": record.S("ada"), "version": record.N(1), "created_at": record.S("2026-01-02T03:04:05.000000006Z"),
		"proof": wrap.Record.Attrs["proof"],
	}}
	if n := len(wrap.Record.Attrs["proof"].Bin()); n != 32 {
		t.Errorf("proof has %d bytes", n)
	}
	if !wrap.Record.Equal(wantWrap) {
		t.Errorf("wrap is %v; want %v", wrap.Record, wantWrap)
	}
}

func TestCreateRace(t *testing.T) {
	for _, c := range []struct {
		name  string
		rings int
	}{{"one process", 1}, {"ten", 10}, {"fifty", 50}} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			// Each goroutine waits until all of them have read that there is
			// no key header.
			var seen sync.WaitGroup
			seen.Add(50)
			var first sync.Map
			w.store.onGet = func(ctx context.Context, k record.Key) {
				if id := ctx.Value(callerKey{}); id != nil && k.Item == headerSK {
					if _, twice := first.LoadOrStore(id, true); !twice {
						seen.Done()
						seen.Wait()
					}
				}
			}
			rings := make([]*Ring, c.rings)
			for i := range rings {
				rings[i] = w.ring("ada", nil)
			}
			marks := make([]string, 50)
			var wg sync.WaitGroup
			for i := range marks {
				wg.Go(func() {
					k, err := rings[i%len(rings)].Create(context.WithValue(ctx, callerKey{}, i+1), "tea")
					if err != nil {
						t.Error(err)
						return
					}
					defer k.Destroy()
					marks[i] = mark(k)
				})
			}
			wg.Wait()
			if marks = slices.Compact(marks); len(marks) != 1 {
				t.Errorf("50 creators got %d different keys", len(marks))
			}
			if n := w.provider.generated.Load(); n != 50 {
				t.Errorf("%d keys were generated; want one for each creator", n)
			}
			if all, _ := w.store.Query(ctx, record.Query{Table: record.Keys, Partition: "dialogue#tea"}); len(all) != 2 {
				t.Errorf("%d records are stored; want the header and one wrap", len(all))
			}
		})
	}
}

type callerKey struct{}

func TestTTL(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", nil)
	must(t)(r.Create(ctx, "a"))
	must(t)(w.ring("ada", nil).Create(ctx, "b"))
	if n := w.provider.umks.Load(); n != 2 {
		t.Fatalf("two rings used the master key %d times", n)
	}
	steps := []struct {
		at    time.Duration
		open  string
		loads int64 // unwraps by then
		umks  int64
	}{
		{0, "dek#a#1", 0, 0},
		{200 * time.Second, "dek#a#1", 0, 0},
		{200 * time.Second, "dek#b#1", 1, 0}, // b expires with the KEK, not after its own 300 s
		{300*time.Second - 1, "dek#a#1", 1, 0},
		{300*time.Second - 1, "dek#b#1", 1, 0},
		{300 * time.Second, "dek#a#1", 2, 1}, // use has not extended it
		{300 * time.Second, "dek#b#1", 3, 1},
		{599 * time.Second, "dek#b#1", 3, 1},
		{600 * time.Second, "dek#b#1", 4, 2},
	}
	start, loads, umks := w.at, w.provider.unwrapped.Load(), w.provider.umks.Load()
	for _, s := range steps {
		w.set(start.Add(s.at))
		must(t)(r.Open(ctx, s.open))
		if n := w.provider.unwrapped.Load() - loads; n != s.loads {
			t.Errorf("after %v and %s: %d unwraps; want %d", s.at, s.open, n, s.loads)
		}
		if n := w.provider.umks.Load() - umks; n != s.umks {
			t.Errorf("after %v and %s: %d uses of the master key; want %d", s.at, s.open, n, s.umks)
		}
	}
}

// TestRevocation: when the provider starts to deny a key, cached secrets are usable
// until the TTL ends, and no longer.
func TestRevocation(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", nil)
	must(t)(r.Create(ctx, "tea"))
	denied := fmt.Errorf("%w: denied", blue.ErrSealed)
	w.provider.fail.Store(&denied)
	w.set(w.at.Add(299 * time.Second))
	must(t)(r.Open(ctx, "dek#tea#1"))
	w.set(w.at.Add(time.Second))
	if _, err := r.Open(ctx, "dek#tea#1"); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("after the TTL: %v; want ErrSealed", err)
	}
	if n := len(r.secrets.entries) + len(r.keks.entries); n != 0 {
		t.Errorf("%d secrets are still cached", n)
	}
	w.provider.fail.Store(nil) // the failure is not cached
	must(t)(r.Open(ctx, "dek#tea#1"))
}

func TestSingleFlight(t *testing.T) {
	w := newEnv(t)
	want := must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	before, umks := w.provider.unwrapped.Load(), w.provider.umks.Load()
	synctest.Test(t, func(t *testing.T) {
		r := w.ring("ada", nil)
		gate := make(chan struct{})
		w.provider.onUnwrap = func(context.Context) { <-gate }
		defer func() { w.provider.onUnwrap = nil }()
		for range 50 {
			go func() {
				k, err := r.Open(t.Context(), "dek#tea#1")
				if err != nil || mark(k) != want {
					t.Errorf("got other keys, or %v", err)
				}
			}()
		}
		synctest.Wait() // one goroutine waits for the gate, the others for that one
		close(gate)
		synctest.Wait()
	})
	if n := w.provider.unwrapped.Load() - before; n != 1 {
		t.Errorf("50 callers caused %d unwraps; want 1", n)
	}
	if n := w.provider.umks.Load() - umks; n != 1 {
		t.Errorf("50 callers caused %d uses of the master key; want 1", n)
	}
}

// TestLeaderGivesUp: waiting callers do not fail when the caller that loads the key
// is cancelled.
func TestLeaderGivesUp(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	synctest.Test(t, func(t *testing.T) {
		r := w.ring("ada", nil)
		leading, cancel := context.WithCancel(context.WithValue(t.Context(), callerKey{}, "leader"))
		w.provider.onUnwrap = func(ctx context.Context) {
			if ctx.Value(callerKey{}) == "leader" {
				<-ctx.Done()
			}
		}
		defer func() { w.provider.onUnwrap = nil }()
		go func() {
			if _, err := r.Open(leading, "dek#tea#1"); !errors.Is(err, context.Canceled) {
				t.Errorf("the leader: %v; want Canceled", err)
			}
		}()
		synctest.Wait()
		for range 10 {
			go func() {
				if _, err := r.Open(t.Context(), "dek#tea#1"); err != nil {
					t.Errorf("a follower: %v", err)
				}
			}()
		}
		cancelled, leave := context.WithCancel(t.Context())
		go func() {
			if _, err := r.Open(cancelled, "dek#tea#1"); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled follower: %v; want Canceled", err)
			}
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		cancel()
		synctest.Wait()
	})
}

// TestLeaderPanics: a load that panics does not block later callers.
func TestLeaderPanics(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", nil)
	must(t)(r.Create(ctx, "tea"))
	w.set(w.at.Add(time.Hour))
	w.provider.onUnwrap = func(context.Context) { panic("broken provider") }
	func() {
		defer func() { _ = recover() }()
		_, _ = r.Open(ctx, "dek#tea#1")
		t.Error("the panic was recovered")
	}()
	w.provider.onUnwrap = nil
	must(t)(r.Open(ctx, "dek#tea#1"))
}

func TestMax(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", &Options{Max: 3, Now: w.now})
	var held []*envelope.Keys
	var marks []string
	var first *envelope.Secret
	for i := range 10 {
		w.set(w.at.Add(time.Second))
		k, err := r.Create(ctx, fmt.Sprintf("d%d", i))
		if err != nil {
			t.Fatal(err)
		}
		held, marks = append(held, k), append(marks, mark(k))
		if first == nil {
			first = r.secrets.entries["dialogue#d0 wrap#0000000001#ada"].value.Secret
		}
		if n := len(r.secrets.entries); n != min(i+1, 3) {
			t.Errorf("after %d dialogues %d secrets are cached; want %d", i+1, n, min(i+1, 3))
		}
	}
	if first.InsecureBytes() != nil {
		t.Error("an evicted secret is not zeroed")
	}
	for i, k := range held { // most of them are evicted
		if mark(k) != marks[i] {
			t.Errorf("the keys of d%d changed after they were returned", i)
		}
	}
	before := w.provider.unwrapped.Load()
	must(t)(r.Open(ctx, "dek#d7#1"))
	must(t)(r.Create(ctx, "d10")) // evicts d8, because d7 was used later
	must(t)(r.Open(ctx, "dek#d7#1"))
	must(t)(r.Open(ctx, "dek#d9#1"))
	if n := w.provider.unwrapped.Load() - before; n != 1 {
		t.Errorf("%d unwraps; want 1, for d10", n)
	}
	if must(t)(r.Open(ctx, "dek#d0#1")) != marks[0] {
		t.Error("an evicted key differs after it is opened again")
	}
}

func TestClose(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", nil)
	k, err := r.Create(ctx, "tea")
	if err != nil {
		t.Fatal(err)
	}
	want := mark(k)
	secret := r.secrets.entries["dialogue#tea wrap#0000000001#ada"].value.Secret
	kek := r.keks.entries["ada"].value
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if secret.InsecureBytes() != nil || kek.secret.InsecureBytes() != nil {
		t.Error("Close left a secret in memory")
	}
	if mark(k) != want {
		t.Error("Close changed keys in use")
	}
	for name, call := range calls(r, "tea") {
		if _, err := call(); !errors.Is(err, blue.ErrUnavailable) {
			t.Errorf("%s after Close: %v; want ErrUnavailable", name, err)
		}
	}
	if len(r.secrets.entries) != 0 {
		t.Error("a secret is cached after Close")
	}
}

// TestCloseDuringLoad: a load that ends after Close does not fill the cache.
func TestCloseDuringLoad(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	r := w.ring("ada", nil)
	w.provider.onUnwrap = func(context.Context) { _ = r.Close() }
	if _, err := r.Open(ctx, "dek#tea#1"); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
	if len(r.secrets.entries)+len(r.keks.entries) != 0 {
		t.Error("a secret is cached after Close")
	}
}

func calls(r *Ring, dialogue string) map[string]func() (*envelope.Keys, error) {
	return map[string]func() (*envelope.Keys, error){
		"Create": func() (*envelope.Keys, error) { return r.Create(ctx, dialogue) },
		"Active": func() (*envelope.Keys, error) { return r.Active(ctx, dialogue) },
		"Open":   func() (*envelope.Keys, error) { return r.Open(ctx, "dek#"+dialogue+"#1") },
	}
}

// TestRingPrintsNoKeys: printing a Ring shows no key.
func TestRingPrintsNoKeys(t *testing.T) {
	w := newEnv(t)
	r := w.ring("ada", nil)
	must(t)(r.Create(ctx, "tea"))
	for _, s := range []*envelope.Secret{r.secrets.entries["dialogue#tea wrap#0000000001#ada"].value.Secret, r.keks.entries["ada"].value.secret} {
		b := s.InsecureBytes()
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			got := fmt.Sprintf(format, r)
			for _, spelled := range []string{string(b), fmt.Sprintf("%x", b), strings.Trim(fmt.Sprint(b), "[]")} {
				if strings.Contains(got, spelled) {
					t.Errorf("%s of a ring shows a key", format)
				}
			}
		}
	}
}

// TestConcurrent: concurrent callers of a small cache get the right keys.
func TestConcurrent(t *testing.T) {
	w := newEnv(t)
	want := make([]string, 8)
	for i := range want {
		want[i] = must(t)(w.ring("ada", nil).Create(ctx, fmt.Sprintf("d%d", i)))
	}
	r := w.ring("ada", &Options{Max: 3, TTL: time.Second, Now: w.now})
	var failed atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 200 {
				d := (g*7 + i*3) % len(want)
				k, err := r.Open(ctx, fmt.Sprintf("dek#d%d#1", d))
				if err != nil || mark(k) != want[d] {
					failed.Add(1)
					continue
				}
				k.Destroy()
				if i%20 == 0 {
					w.advance(time.Second / 2)
				}
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n != 0 {
		t.Errorf("%d of 3200 calls failed or returned other keys", n)
	}
	if n := len(r.secrets.entries); n > 3 {
		t.Errorf("%d secrets are cached; want at most 3", n)
	}
}
