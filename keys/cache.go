package keys

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// cache keeps secrets by id for an absolute time. It hands out copies, which
// their takers destroy: so an entry can be zeroed the moment it leaves,
// without counting who still uses it. A copy of 32 bytes costs less than a
// counter and cannot be wrong.
//
// Loads of one id happen one at a time; failures are not kept. An expired
// entry is zeroed by a timer, of which there is one while anything is held, by a
// miss on any id before that, or by close.
type cache[V interface{ Destroy() }] struct {
	now   func() time.Time
	ttl   time.Duration
	max   int
	clone func(V) (V, error)

	mu      sync.Mutex
	held    map[string]entry[V]
	flights map[string]*flight
	uses    uint64 // counts the hits and puts
	timer   *time.Timer
	wakes   time.Time // when the timer sweeps; zero: it is stopped
	closed  bool
}

type entry[V any] struct {
	value V
	until time.Time // from this moment on it is not served
	used  uint64    // the last of uses; the least goes first when there are too many
}

// flight is one load in progress. Its fields are set before done is closed.
type flight struct {
	done      chan struct{}
	err       error
	abandoned bool // its caller gave up, which says nothing to the others
}

// loader fetches a value; until is when it must be gone, zero for a ttl after
// the load began.
type loader[V any] func(context.Context) (value V, until time.Time, err error)

var errClosed = fmt.Errorf("%w: the key ring is closed", blue.ErrUnavailable)

func newCache[V interface{ Destroy() }](now func() time.Time, ttl time.Duration, most int, clone func(V) (V, error)) *cache[V] {
	return &cache[V]{now: now, ttl: ttl, max: most, clone: clone, held: map[string]entry[V]{}, flights: map[string]*flight{}}
}

// get returns a copy of the value and the moment it expires.
func (c *cache[V]) get(ctx context.Context, id string, load loader[V]) (V, time.Time, error) {
	for {
		found, f, leads, err := c.look(id)
		if err != nil || f == nil {
			return found.value, found.until, err
		}
		if leads {
			return c.lead(ctx, id, f, load)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return found.value, found.until, ctx.Err()
		}
		if f.err != nil && !f.abandoned {
			return found.value, found.until, f.err
		}
	}
}

// look returns a copy of what is held, or the flight to wait for, or a new
// flight that the caller leads.
func (c *cache[V]) look(id string) (found entry[V], f *flight, leads bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return found, nil, false, errClosed
	}
	now := c.now()
	if e, ok := c.held[id]; ok && before(now, e.until) {
		c.uses++
		e.used = c.uses
		c.held[id] = e
		found.until = e.until
		found.value, err = c.clone(e.value)
		return found, nil, false, err
	}
	c.sweep(now)
	if f, ok := c.flights[id]; ok {
		return found, f, false, nil
	}
	f = &flight{done: make(chan struct{})}
	c.flights[id] = f
	return found, f, true, nil
}

// lead loads, keeps a copy and lets the waiting ones go. The time counts from
// before the load, for the permission was given no later.
func (c *cache[V]) lead(ctx context.Context, id string, f *flight, load loader[V]) (value V, until time.Time, err error) {
	defer func() {
		c.mu.Lock()
		delete(c.flights, id)
		c.mu.Unlock()
		close(f.done)
	}()
	start := c.now()
	value, until, err = load(ctx)
	f.err, f.abandoned = err, err != nil && ctx.Err() != nil
	if err != nil {
		return value, until, err
	}
	if until.IsZero() {
		until = start.Add(c.ttl)
	}
	if err := c.keep(id, value, until); err != nil {
		value.Destroy()
		f.err = err
		var none V
		return none, until, err
	}
	return value, until, nil
}

func (c *cache[V]) keep(id string, value V, until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	kept, err := c.clone(value)
	if err != nil {
		return err
	}
	c.drop(id)
	for len(c.held) >= c.max {
		c.drop(c.idlest())
	}
	c.uses++
	c.held[id] = entry[V]{kept, until, c.uses}
	if c.wakes.IsZero() || until.Before(c.wakes) {
		c.wake(until)
	}
	return nil
}

// wake sets the timer for a moment of the cache's clock. Where that clock is
// not the timer's (tests), it sweeps too late or once more than needed.
func (c *cache[V]) wake(at time.Time) {
	c.wakes = at
	in := at.Sub(c.now())
	if c.timer == nil {
		c.timer = time.AfterFunc(in, c.expire)
		return
	}
	c.timer.Reset(in)
}

// expire sweeps, and sets the timer for what is left.
func (c *cache[V]) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.sweep(c.now())
	c.wakes = time.Time{}
	var next time.Time
	for _, e := range c.held {
		if next.IsZero() || e.until.Before(next) {
			next = e.until
		}
	}
	if !next.IsZero() {
		c.wake(next)
	}
}

func (c *cache[V]) sweep(now time.Time) {
	maps.DeleteFunc(c.held, func(_ string, e entry[V]) bool {
		expired := !before(now, e.until)
		if expired {
			e.value.Destroy()
		}
		return expired
	})
}

// before reports whether a moment is before another by both of the machine's
// clocks: the one that cannot be set, which may stand still while the machine
// sleeps, and the one on the wall.
func before(now, until time.Time) bool {
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

func (c *cache[V]) drop(id string) {
	if e, ok := c.held[id]; ok {
		e.value.Destroy()
		delete(c.held, id)
	}
}

// forget drops what is held under ids with a prefix. A load that is under way
// still ends in the cache.
func (c *cache[V]) forget(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.held {
		if strings.HasPrefix(id, prefix) {
			c.drop(id)
		}
	}
}

// idlest returns the id that has not been used for longest.
func (c *cache[V]) idlest() string {
	var id string
	least := c.uses + 1
	for other, e := range c.held {
		if e.used < least {
			id, least = other, e.used
		}
	}
	return id
}

func (c *cache[V]) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	for id := range c.held {
		c.drop(id)
	}
}
