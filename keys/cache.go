package keys

import (
	"context"
	"strings"
	"sync"
	"time"
)

// A cache keeps secrets by id until an absolute time. It returns copies, which
// callers own and must destroy. It can therefore overwrite an entry with zeros at
// any time.
//
// Loads of one id run one at a time, and failures are not kept. An expired entry
// is destroyed by its timer, by a lookup of any missing id, or by close.
type cache[V interface{ Destroy() }] struct {
	now   func() time.Time
	ttl   time.Duration
	max   int
	clone func(V) (V, error)

	mu      sync.Mutex
	entries map[string]*entry[V]
	loads   map[string]*load
	uses    uint64 // number of lookups and stores
	closed  bool
}

type entry[V any] struct {
	value V
	until time.Time   // the entry is not returned at or after this time
	used  uint64      // cache.uses at the last use
	timer *time.Timer // runs at until
}

// A load is a running call of a loader. Its fields are set before done is closed.
type load struct {
	done      chan struct{}
	err       error
	abandoned bool // the context of the caller has ended, so other callers try again
}

// A loader returns a value and the time when it must be destroyed. The zero time
// means one ttl after the start of the load.
type loader[V any] func(context.Context) (value V, until time.Time, err error)

func newCache[V interface{ Destroy() }](now func() time.Time, ttl time.Duration, limit int, clone func(V) (V, error)) *cache[V] {
	return &cache[V]{now: now, ttl: ttl, max: limit, clone: clone, entries: map[string]*entry[V]{}, loads: map[string]*load{}}
}

// get returns a copy of a value and the time when it expires. It calls fetch if
// the value is not in the cache and no other call is loading it.
func (c *cache[V]) get(ctx context.Context, id string, fetch loader[V]) (value V, until time.Time, err error) {
	for {
		value, until, l, isFirst, err := c.lookup(id)
		if err != nil || l == nil {
			return value, until, err
		}
		if isFirst {
			return c.load(ctx, id, l, fetch)
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return value, until, ctx.Err()
		}
		if l.err != nil && !l.abandoned {
			return value, until, l.err
		}
	}
}

// lookup returns a copy of a cached value. If there is none, it returns the
// running load of the id, or a new load that the caller must run (isFirst).
func (c *cache[V]) lookup(id string) (value V, until time.Time, l *load, isFirst bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return value, until, nil, false, errClosed
	}
	now := c.now()
	if e, ok := c.entries[id]; ok && isBefore(now, e.until) {
		c.uses++
		e.used = c.uses
		value, err = c.clone(e.value)
		return value, e.until, nil, false, err
	}
	c.removeExpired(now)
	l, running := c.loads[id]
	if !running {
		l = &load{done: make(chan struct{})}
		c.loads[id] = l
	}
	return value, until, l, !running, nil
}

// load calls the loader once, caches a copy and wakes the waiting callers. The ttl
// starts before the call, because the provider checked the permission after that.
func (c *cache[V]) load(ctx context.Context, id string, l *load, fetch loader[V]) (value V, until time.Time, err error) {
	defer func() {
		c.mu.Lock()
		delete(c.loads, id)
		c.mu.Unlock()
		close(l.done)
	}()
	start := c.now()
	value, until, err = fetch(ctx)
	if until.IsZero() {
		until = start.Add(c.ttl)
	}
	l.err, l.abandoned = err, err != nil && ctx.Err() != nil
	if err == nil {
		if l.err = c.store(id, value, until); l.err != nil {
			value.Destroy()
			return *new(V), until, l.err
		}
	}
	return value, until, err
}

// store caches a copy of a value. It removes the entry that was not used for the
// longest time if the cache is full.
func (c *cache[V]) store(id string, value V, until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	kept, err := c.clone(value)
	if err != nil {
		return err
	}
	c.remove(id)
	for len(c.entries) >= c.max {
		oldest := ""
		for other, e := range c.entries {
			if oldest == "" || e.used < c.entries[oldest].used {
				oldest = other
			}
		}
		c.remove(oldest)
	}
	c.uses++
	c.entries[id] = &entry[V]{kept, until, c.uses, time.AfterFunc(until.Sub(c.now()), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.removeExpired(c.now())
	})}
	return nil
}

// isBefore compares two times by the monotonic clock and by the wall clock. The
// monotonic clock cannot be set, but it can stop while the machine sleeps.
func isBefore(now, until time.Time) bool {
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

func (c *cache[V]) removeExpired(now time.Time) {
	for id, e := range c.entries {
		if !isBefore(now, e.until) {
			c.remove(id)
		}
	}
}

func (c *cache[V]) remove(id string) {
	if e, ok := c.entries[id]; ok {
		e.timer.Stop()
		e.value.Destroy()
		delete(c.entries, id)
	}
}

// forget removes the entries whose ids have a prefix. A running load of such an id
// still stores its value.
func (c *cache[V]) forget(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.entries {
		if strings.HasPrefix(id, prefix) {
			c.remove(id)
		}
	}
}

// close removes all entries. Later calls of get return errClosed.
func (c *cache[V]) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.forget("")
}
