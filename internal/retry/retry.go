// Package retry waits between two attempts of an operation.
//
// The caller decides what to retry and how often. This package only chooses
// how long to wait, with jitter, and stops when the context ends.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Backoff is a waiting time that doubles with each attempt, from Base to at
// most Max. The zero value does not wait.
type Backoff struct {
	Base time.Duration // the limit after the first attempt
	Max  time.Duration // the largest limit
}

// Writers is the backoff of writers that lost to another writer of the same
// partition: 1 ms to 64 ms.
var Writers = Backoff{Base: time.Millisecond, Max: 64 * time.Millisecond}

// Limit returns min(Base * 2^n, Max), the limit after attempt n. The first
// attempt is attempt 0.
func (b Backoff) Limit(n int) time.Duration {
	limit := b.Base
	for ; n > 0 && limit < b.Max; n-- {
		limit *= 2
	}
	return min(limit, b.Max)
}

// Wait waits for a random time in [0, Limit(n)), so that writers do not retry
// in step ("full jitter" in the AWS article "Exponential Backoff And Jitter").
// It returns ctx.Err() if the context ends first.
func (b Backoff) Wait(ctx context.Context, n int) error {
	return Sleep(ctx, time.Duration(rand.Float64()*float64(b.Limit(n))))
}

// Jitter returns a random time in [d/2, d] ("equal jitter" in the same
// article).
func Jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// Sleep waits for d. It returns ctx.Err() if the context ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
