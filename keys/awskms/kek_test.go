package awskms_test

import (
	"errors"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestEraseWarm: a process with the cached KEK of an erased user does not wrap under
// it. Other processes of the user can open its later keys.
func TestEraseWarm(t *testing.T) {
	w := newEnv(t)
	warm := w.ring("bob", "bob")
	if err := destroy(warm.Create(ctx, "first")); err != nil {
		t.Fatal(err)
	}
	if err := w.provider("admin", nil).EraseKEK(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if err := destroy(warm.Create(ctx, "late")); err != nil {
		t.Fatal(err)
	}
	if err := destroy(w.ring("bob", "bob").Open(ctx, "dek#late#1")); err != nil {
		t.Errorf("another process of bob: %v", err)
	}
	if err := destroy(w.ring("bob", "bob").Open(ctx, "dek#first#1")); err == nil {
		t.Error("a wrap under the erased KEK opens")
	}
}

// TestEraseKEK: the KEK of one user is erased, and the KEK of another user is not.
func TestEraseKEK(t *testing.T) {
	w := newEnv(t)
	p := w.provider("ada", nil)
	for _, user := range []string{"ada", "bob"} {
		if err := p.MakeKEK(ctx, umkOf(t, p), user); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time, there is no KEK
		if err := p.EraseKEK(ctx, "ada"); err != nil {
			t.Fatal(err)
		}
	}
	if err := derive(t, p, "ada"); !errors.Is(err, keys.ErrNoKEK) {
		t.Errorf("deriving an erased key: %v", err)
	}
	if _, err := w.store.Get(ctx, record.Keys, kekKey("bob")); err != nil {
		t.Errorf("bob's key: %v", err)
	}
	if err := p.EraseKEK(ctx, "a b"); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("a malformed user: %v", err)
	}
}
