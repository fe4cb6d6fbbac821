package anchor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

var (
	_ audit.Anchor = (*Dir)(nil)
	_ audit.Anchor = (*S3)(nil)
)

var ctx = context.Background()

// chainOf returns the chain that begins with the given digits.
func chainOf(first string) string { return first + strings.Repeat("0", 32-len(first)) }

// noteOf returns a note over a chain's first size events. A different word gives
// a different root, and a different key a different signature.
func noteOf(t testing.TB, chain string, size uint64, word string, key byte) string {
	t.Helper()
	s, err := checkpoint.NewSigner(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(chain), Size: size, Root: sha256.Sum256(fmt.Append(nil, chain, size, word))})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// chains returns the chains of an anchor, and errors as "!" and their text.
func chains(a audit.Anchor) []string {
	var all []string
	for chain, err := range a.Chains(ctx) {
		if err != nil {
			all = append(all, "!"+chain+err.Error())
			continue
		}
		all = append(all, chain)
	}
	return all
}

// testAnchor tests the contract of audit.Anchor. make returns an empty anchor.
func testAnchor(t *testing.T, make func(t *testing.T) audit.Anchor) {
	a1, a2, b1 := chainOf("aa1"), chainOf("aa2"), chainOf("b1")
	publish := func(t *testing.T, a audit.Anchor, chain string, size uint64) string {
		t.Helper()
		note := noteOf(t, chain, size, "", 1)
		if err := a.Publish(ctx, chain, size, note); err != nil {
			t.Fatal(err)
		}
		return note
	}
	latest := func(t *testing.T, a audit.Anchor, chain, want string) {
		t.Helper()
		if got, err := a.Latest(ctx, chain); err != nil || got != want {
			t.Errorf("the latest note of %s: %q, %v; want %q", chain, got, err, want)
		}
	}
	t.Run("nothing", func(t *testing.T) {
		a := make(t)
		if _, err := a.Latest(ctx, a1); !errors.Is(err, blue.ErrNotFound) {
			t.Errorf("got %v; want ErrNotFound", err)
		}
		for _, c := range chains(a) {
			if !strings.HasPrefix(c, "!not found") {
				t.Errorf("an empty anchor has %s", c)
			}
		}
	})
	t.Run("the newest, with any number of digits", func(t *testing.T) {
		a := make(t)
		for _, size := range []uint64{1, 9, 10, 99, 100, 256, 1000, 999_999_999_999} {
			latest(t, a, a1, publish(t, a, a1, size))
		}
		if _, err := a.Latest(ctx, a2); !errors.Is(err, blue.ErrNotFound) {
			t.Errorf("another chain: %v; want ErrNotFound", err)
		}
	})
	t.Run("twice", func(t *testing.T) {
		a := make(t)
		note := publish(t, a, a1, 7)
		publish(t, a, a1, 7)
		latest(t, a, a1, note)
		if err := a.Publish(ctx, a1, 7, noteOf(t, a1, 7, "", 2)); err != nil {
			t.Errorf("the same checkpoint signed by another key: %v", err)
		}
	})
	t.Run("another of this size", func(t *testing.T) {
		a := make(t)
		note := publish(t, a, a1, 7)
		if err := a.Publish(ctx, a1, 7, noteOf(t, a1, 7, "another", 1)); !errors.Is(err, blue.ErrConflict) {
			t.Errorf("got %v; want ErrConflict", err)
		}
		latest(t, a, a1, note)
	})
	t.Run("not back", func(t *testing.T) {
		a := make(t)
		note := publish(t, a, a1, 10)
		_ = a.Publish(ctx, a1, 9, noteOf(t, a1, 9, "", 1)) // an error, or kept in addition
		latest(t, a, a1, note)
	})
	t.Run("invalid notes", func(t *testing.T) {
		a := make(t)
		good := noteOf(t, a1, 7, "", 1)
		for name, c := range map[string]struct {
			chain string
			size  uint64
			note  string
		}{
			"another chain": {a2, 7, good}, "another size": {a1, 8, good}, "no note": {a1, 7, "note\n"}, "nothing": {a1, 7, ""},
			"no chain": {"", 7, good}, "a path": {"../../" + a1[6:], 7, good}, "upper case": {strings.ToUpper(a1), 7, good},
		} {
			if err := a.Publish(ctx, c.chain, c.size, c.note); !errors.Is(err, blue.ErrInvalid) {
				t.Errorf("%s: %v; want ErrInvalid", name, err)
			}
		}
		for _, chain := range []string{"", "..", "../../" + a1[6:], strings.ToUpper(a1), a1 + "/"} {
			if _, err := a.Latest(ctx, chain); !errors.Is(err, blue.ErrInvalid) {
				t.Errorf("the latest of %q: %v; want ErrInvalid", chain, err)
			}
		}
		for _, c := range chains(a) {
			if !strings.HasPrefix(c, "!not found") {
				t.Errorf("%s was kept", c)
			}
		}
	})
	t.Run("chains in order", func(t *testing.T) {
		a := make(t)
		for i, chain := range []string{b1, a2, a1, a2} {
			publish(t, a, chain, uint64(i+1))
		}
		if got, want := chains(a), []string{a1, a2, b1}; !slices.Equal(got, want) {
			t.Errorf("%v; want %v", got, want)
		}
		for range a.Chains(ctx) { // a loop can end early
			break
		}
	})
	t.Run("at once", func(t *testing.T) {
		a := make(t)
		var wg sync.WaitGroup
		for i := range 4 {
			chain := chainOf(fmt.Sprintf("c%d", i))
			wg.Go(func() {
				for size := range uint64(5) {
					note := noteOf(t, chain, size+1, "", 1)
					if err := a.Publish(ctx, chain, size+1, note); err != nil {
						t.Error(err)
					}
					if got, err := a.Latest(ctx, chain); err != nil || got != note {
						t.Errorf("%q, %v; want %q", got, err, note)
					}
				}
			})
		}
		wg.Wait()
		if got := chains(a); len(got) != 4 {
			t.Errorf("%v; want 4 chains", got)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		a := make(t)
		publish(t, a, a1, 1)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := a.Publish(gone, a1, 2, noteOf(t, a1, 2, "", 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("Publish: %v", err)
		}
		if _, err := a.Latest(gone, a1); !errors.Is(err, context.Canceled) {
			t.Errorf("Latest: %v", err)
		}
		for chain, err := range a.Chains(gone) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Chains: %s, %v", chain, err)
			}
		}
	})
}
