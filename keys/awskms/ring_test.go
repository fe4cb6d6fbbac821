package awskms_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/record"
)

// callsSince returns the calls since before.
func callsSince(w *env, before map[string]int) string {
	now := w.layer.Calls()
	var parts []string
	for _, action := range slices.Sorted(maps.Keys(now)) {
		if n := now[action] - before[action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", strings.TrimPrefix(action, "kms:"), n))
		}
	}
	return strings.Join(parts, ", ")
}

// TestCalls counts the calls of KMS.
func TestCalls(t *testing.T) {
	w := newEnv(t)
	first := w.ring("ada", "ada")
	step := func(name, want string, do func()) {
		t.Helper()
		before := w.layer.Calls()
		do()
		if got := callsSince(w, before); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
	open := func(r *keys.Ring, dialogue string) {
		t.Helper()
		if err := destroy(r.Open(ctx, "dek#"+dialogue+"#1")); err != nil {
			t.Error(err)
		}
	}
	step("the first dialogue of a user", "Decrypt 1, GenerateDataKeyWithoutPlaintext 1", func() {
		if err := destroy(first.Create(ctx, "tea")); err != nil {
			t.Fatal(err)
		}
	})
	step("another dialogue", "", func() {
		for i := range 10 {
			if err := destroy(first.Create(ctx, fmt.Sprintf("d%d", i))); err != nil {
				t.Fatal(err)
			}
		}
	})
	second := w.ring("ada", "ada")
	step("a cold open", "Decrypt 1", func() { open(second, "tea") })
	step("a thousand within the TTL", "", func() {
		for i := range 1000 {
			open(second, fmt.Sprintf("d%d", i%10))
			if i%10 == 9 {
				w.advance(2990 * time.Millisecond)
			}
		}
	})
	w.advance(time.Second) // 300 s since the cold open
	step("after the TTL", "Decrypt 1", func() { open(second, "tea"); open(second, "d1") })
	step("100 at once, one dialogue", "Decrypt 1", func() {
		r := w.ring("ada", "ada")
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { open(r, "tea") })
		}
		all.Wait()
	})
	step("100 at once, ten dialogues", "Decrypt 1", func() {
		r := w.ring("ada", "ada")
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { open(r, fmt.Sprintf("d%d", i%10)) })
		}
		all.Wait()
	})
	step("granting two dialogues of one version", "Encrypt 2", func() {
		if granted, err := second.Grant(ctx, "tea", "bob"); err != nil || !granted {
			t.Fatal(granted, err)
		}
		if granted, err := second.Grant(ctx, "d1", "bob"); err != nil || !granted {
			t.Fatal(granted, err)
		}
	})
}

// TestGrantedCalls: a granted key takes one call for each dialogue and does not need
// the KEK of the user.
func TestGrantedCalls(t *testing.T) {
	w := newEnv(t)
	ada, bob := w.ring("ada", "ada"), w.ring("bob", "bob")
	for _, dialogue := range []string{"tea", "milk"} {
		if err := destroy(ada.Create(ctx, dialogue)); err != nil {
			t.Fatal(err)
		}
		if _, err := ada.Grant(ctx, dialogue, "bob"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after   time.Duration
		open    string
		decrypt int
	}{
		{0, "tea", 1}, {100 * time.Second, "milk", 1}, {199 * time.Second, "tea", 0}, {time.Second, "tea", 1}, {0, "milk", 0}, {100 * time.Second, "milk", 1},
	} {
		w.advance(c.after)
		before := w.layer.Calls()["kms:Decrypt"]
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := destroy(bob.Open(ctx, "dek#"+c.open+"#1")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := w.layer.Calls()["kms:Decrypt"] - before; n != c.decrypt {
			t.Errorf("after %s, %s: %d calls; want %d", c.after, c.open, n, c.decrypt)
		}
	}
	// A user with a KEK does not open it either.
	if err := destroy(w.ring("carol", "carol").Create(ctx, "soup")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ring("ada", "ada").Grant(ctx, "tea", "carol"); err != nil {
		t.Fatal(err)
	}
	before := w.layer.Calls()
	if err := destroy(w.ring("carol", "carol").Open(ctx, "dek#tea#1")); err != nil || callsSince(w, before) != "Decrypt 1" {
		t.Errorf("carol: %s, %v", callsSince(w, before), err)
	}
	if _, err := w.store.Get(ctx, record.Keys, record.Key{Partition: "user#bob", Item: "kek"}); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("bob has a KEK: %v", err)
	}
}

// TestDenied: when KMS starts to refuse, no key opens after the TTL, and no other key
// is used instead.
func TestDenied(t *testing.T) {
	w := newEnv(t)
	ada, bob := w.ring("ada", "ada"), w.ring("bob", "bob")
	if err := destroy(ada.Create(ctx, "tea")); err != nil {
		t.Fatal(err)
	}
	if _, err := ada.Grant(ctx, "tea", "bob"); err != nil {
		t.Fatal(err)
	}
	if err := destroy(bob.Open(ctx, "dek#tea#1")); err != nil {
		t.Fatal(err)
	}
	w.layer.Play(kmsfault.Fault{Answer: kmsfault.Denied})
	w.advance(299 * time.Second)
	for name, r := range map[string]*keys.Ring{"ada": ada, "bob": bob} {
		if err := destroy(r.Open(ctx, "dek#tea#1")); err != nil {
			t.Errorf("%s, before the TTL: %v", name, err)
		}
	}
	w.advance(time.Second)
	for name, r := range map[string]*keys.Ring{"ada": ada, "bob": bob} {
		for _, call := range []func() (*envelope.Keys, error){
			func() (*envelope.Keys, error) { return r.Open(ctx, "dek#tea#1") },
			func() (*envelope.Keys, error) { return r.Active(ctx, "tea") },
			func() (*envelope.Keys, error) { return r.Create(ctx, "tea") },
		} {
			if err := destroy(call()); !errors.Is(err, keys.ErrDenied) || !errors.Is(err, blue.ErrSealed) {
				t.Errorf("%s, after the TTL: %v; want ErrDenied", name, err)
			}
		}
	}
	if err := destroy(ada.Create(ctx, "new")); !errors.Is(err, keys.ErrDenied) {
		t.Errorf("a new dialogue: %v; want ErrDenied", err)
	}
	if all, err := w.store.Query(ctx, record.Query{Table: record.Keys, Partition: "dialogue#new"}); err != nil || len(all) != 0 {
		t.Errorf("a refused dialogue has %d records of keys, %v", len(all), err)
	}
	w.layer.Clear() // the refusal is not cached
	if err := destroy(ada.Open(ctx, "dek#tea#1")); err != nil {
		t.Error(err)
	}
}

// TestTwoUsers uses one table, one KMS key and the policy in deploy/iam. Bob cannot
// open ada's keys as himself or as ada, unless they are granted. Ada cannot open his.
func TestTwoUsers(t *testing.T) {
	w := newEnv(t)
	w.allowUsers("ada", "bob")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(destroy(w.ring("ada", "ada").Create(ctx, "tea")))
	must(destroy(w.ring("bob", "bob").Create(ctx, "milk")))
	refused := func(name string, err error, want awskms.Reason) {
		t.Helper()
		e, ok := errors.AsType[*awskms.Error](err)
		if want == "" && errors.Is(err, keys.ErrDenied) && !ok {
			return
		}
		if !ok || e.Reason != want || !errors.Is(err, blue.ErrSealed) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	refused("bob as bob", destroy(w.ring("bob", "bob").Open(ctx, "dek#tea#1")), "")
	refused("bob as ada", destroy(w.ring("bob", "ada").Open(ctx, "dek#tea#1")), awskms.Denied)
	refused("ada as bob", destroy(w.ring("ada", "bob").Open(ctx, "dek#milk#1")), awskms.Denied)
	refused("bob as ada, who has no key yet", destroy(w.ring("bob", "carol").Create(ctx, "soup")), awskms.Denied)

	// Bob can write the table. He stores ada's KEK and wrap at his own keys.
	theft := newTheft(t, w)
	refused("ada's key as bob's", derive(t, theft.provider("bob", nil), "bob"), awskms.WrongContext)

	_, err := w.ring("ada", "ada").Grant(ctx, "tea", "bob")
	must(err)
	must(destroy(w.ring("bob", "bob").Open(ctx, "dek#tea#1")))
	refused("ada opens bob's grant as bob", destroy(w.ring("ada", "bob").Open(ctx, "dek#tea#1")), awskms.Denied)
	refused("bob opens ada's wrap as ada", destroy(w.ring("bob", "ada").Open(ctx, "dek#tea#1")), awskms.Denied)
	refused("ada opens bob's", destroy(w.ring("ada", "ada").Open(ctx, "dek#milk#1")), "")
	stranger := destroy(w.ring("mallory", "ada").Open(ctx, "dek#tea#1"))
	refused("a principal without a policy", stranger, awskms.Denied)
}

// newTheft returns an env with the same KMS and another table, in which ada's KEK is
// stored as bob's.
func newTheft(t *testing.T, w *env) *env {
	t.Helper()
	theft := &env{t: t, arn: w.arn, layer: w.layer, url: w.url, store: copyOf(t, w, "ada", "bob"), at: w.at}
	return theft
}
