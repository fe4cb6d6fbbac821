package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/retry"
)

const ms = time.Millisecond

func TestLimit(t *testing.T) {
	for n, want := range []time.Duration{1 * ms, 2 * ms, 4 * ms, 8 * ms, 16 * ms, 32 * ms, 64 * ms, 64 * ms} {
		if got := retry.Writers.Limit(n); got != want {
			t.Errorf("attempt %d: %v, want %v", n, got, want)
		}
	}
	for _, c := range []struct {
		b    retry.Backoff
		n    int
		want time.Duration
	}{
		{retry.Backoff{}, 3, 0},
		{retry.Backoff{Base: 10 * ms, Max: 640 * ms}, 1 << 30, 640 * ms}, // no overflow
		{retry.Backoff{Base: 100 * ms, Max: 150 * ms}, 1, 150 * ms},
		{retry.Backoff{Base: 100 * ms, Max: 50 * ms}, 0, 50 * ms},
		{retry.Backoff{Base: 100 * ms, Max: 200 * ms}, -1, 100 * ms},
	} {
		if got := c.b.Limit(c.n); got != c.want {
			t.Errorf("%+v, attempt %d: %v, want %v", c.b, c.n, got, c.want)
		}
	}
}

// TestWait draws 1,000 waits: all are below the limit, and they differ.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 1000 {
			start := time.Now()
			if err := retry.Writers.Wait(t.Context(), 6); err != nil {
				t.Fatal(err)
			}
			waited := time.Since(start)
			if waited < 0 || waited >= 64*ms {
				t.Fatalf("waited %v", waited)
			}
			seen[waited] = true
		}
		if len(seen) < 900 {
			t.Errorf("%d different waits of 1000", len(seen))
		}
		start := time.Now()
		if err := (retry.Backoff{}).Wait(t.Context(), 9); err != nil || time.Since(start) != 0 {
			t.Errorf("the zero value waited %v: %v", time.Since(start), err)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := retry.Sleep(ctx, time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := (retry.Backoff{Base: time.Hour, Max: time.Hour}).Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ended: %v", err)
		}
	})
}

func TestJitter(t *testing.T) {
	for range 1000 {
		if got := retry.Jitter(10 * ms); got < 5*ms || got > 10*ms {
			t.Fatalf("%v", got)
		}
	}
	if got := retry.Jitter(0); got != 0 {
		t.Errorf("%v of nothing", got)
	}
}
