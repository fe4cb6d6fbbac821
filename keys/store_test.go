package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

var empty = &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }}

// TestRingOnStore uses a real store and a real key file, with 50 concurrent creators.
func TestRingOnStore(t *testing.T) {
	ctx := t.Context()
	store := memory.New()
	home := t.TempDir()
	ring := func(home, user string) *keys.Ring {
		r := keys.NewRing(store, localfile.Open(filepath.Join(home, "keys", "umk.key"), empty), user, nil)
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	addr, err := envelope.ItemAddress("tea", "meta")
	if err != nil {
		t.Fatal(err)
	}
	var first *envelope.Keys
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			k, err := ring(home, "ada").Create(ctx, "tea")
			if err != nil {
				t.Error(err)
				return
			}
			defer k.Destroy()
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				if first, err = ring(home, "ada").Active(ctx, "tea"); err != nil {
					t.Error(err)
					return
				}
			}
			sealed, nonce, err := k.Seal(addr, []byte(`{}`))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := first.Open(addr, sealed, nonce); err != nil {
				t.Errorf("two creators have different keys: %v", err)
			}
		})
	}
	wg.Wait()
	if all, err := store.Query(ctx, record.Query{Table: record.Keys, Partition: "dialogue#tea"}); err != nil || len(all) != 2 {
		t.Errorf("%d records, %v; want the header and one wrap", len(all), err)
	}
	if _, err := ring(home, "bob").Open(ctx, "dek#tea#1"); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("bob: %v; want ErrSealed", err)
	}
	var wrong *keys.WrongKeyError
	if _, err := ring(t.TempDir(), "ada").Open(ctx, "dek#tea#1"); !errors.As(err, &wrong) {
		t.Errorf("another key file: %v; want WrongKeyError", err)
	}
}

func ExampleWrongKeyError() {
	err := fmt.Errorf("opening key 1 of dialogue tea: %w", &keys.WrongKeyError{Want: "umk:7c1f09aa52e3d410", Have: "umk:90aa1b2c3d4e5f60"})
	fmt.Println(err)
	fmt.Println(errors.Is(err, blue.ErrSealed), errors.Is(err, blue.ErrTampered))
	// Output:
	// opening key 1 of dialogue tea: wrapped by umk:7c1f09aa52e3d410, you have umk:90aa1b2c3d4e5f60
	// true false
}

// TestLostKeyFile: the audit log distinguishes a lost key file ("missing") from a
// file that is not a key ("sealed").
func TestLostKeyFile(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(path string) error
		class string
	}{
		{"lost", os.Remove, "missing"},
		{"not a key", func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) }, "sealed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, path := memory.New(), filepath.Join(t.TempDir(), "umk.key")
			of := func(opts *localfile.Options, record func(context.Context, keys.KeyEvent) error) *keys.Ring {
				r := keys.NewRing(store, localfile.Open(path, opts), "ada", &keys.Options{Record: record})
				t.Cleanup(func() { _ = r.Close() })
				return r
			}
			if _, err := of(empty, nil).Create(t.Context(), "tea"); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			var events []keys.KeyEvent
			_, err := of(nil, func(_ context.Context, e keys.KeyEvent) error {
				events = append(events, e)
				return nil
			}).Open(t.Context(), "dek#tea#1")
			if !errors.Is(err, blue.ErrSealed) || keys.Class(err) != c.class {
				t.Errorf("%v is %q; want ErrSealed of class %q", err, keys.Class(err), c.class)
			}
			if want := (keys.KeyEvent{Action: "derive_kek", Outcome: "failure", Class: c.class}); len(events) != 1 || events[0] != want {
				t.Errorf("the events are %+v; want %+v", events, want)
			}
		})
	}
}
