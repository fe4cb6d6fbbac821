package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
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

// A KEK is the key encryption key of one user: 32 bytes in memory, whatever
// provider returned it. It prints as "[redacted]". All methods may be called
// concurrently.
type KEK struct {
	envelope.Redacted
	user   string
	umk    string
	former []string // fingerprints of earlier master keys
	secret *envelope.Secret
	checks []record.Write // conditions of every commit that wraps under the KEK
}

// NewKEK returns the KEK of a user under the UMK with the given fingerprint. The
// KEK owns the secret from then on. former are the fingerprints of earlier UMKs,
// which older wraps name. NewKEK is for providers.
func NewKEK(user, umk string, secret *envelope.Secret, former ...string) *KEK {
	return &KEK{user: user, umk: umk, former: former, secret: secret}
}

// StoredAt adds the condition that the record at a key of blue_keys holds the
// given attributes, and returns k. Every commit that stores a wrap under the KEK
// then requires it. So a process that still has a KEK in memory cannot wrap under
// it after it was erased or replaced. StoredAt is for providers that store a KEK.
func (k *KEK) StoredAt(key record.Key, attrs record.Attrs) *KEK {
	k.checks = []record.Write{{Table: record.Keys, Record: record.Record{Key: key}, Prev: attrs, Check: true}}
	return k
}

// User returns the user of the KEK.
func (k *KEK) User() string { return k.user }

// UMK returns the fingerprint of the master key above the KEK.
func (k *KEK) UMK() string { return k.umk }

// umkFor returns the fingerprint that a valid wrap has: the one it names if that
// is an earlier master key, otherwise the current one.
func (k *KEK) umkFor(named string) string {
	if slices.Contains(k.former, named) {
		return named
	}
	return k.umk
}

// Destroy overwrites the key. Later uses return blue.ErrSealed.
func (k *KEK) Destroy() { k.secret.Destroy() }

// Generate generates a random secret of a dialogue and wraps it for the binding.
// It returns the errors of Wrap.
func (k *KEK) Generate(b Binding) (*envelope.Secret, Wrapped, error) {
	r := envelope.GenerateSecret()
	w, err := k.Wrap(b, r)
	if err != nil {
		r.Destroy()
		return nil, nil, err
	}
	return r, w, nil
}

// Wrap wraps the secret of a dialogue for the binding. It returns blue.ErrInvalid
// for a malformed binding or another user's, and blue.ErrSealed for a destroyed
// key.
func (k *KEK) Wrap(b Binding, r *envelope.Secret) (Wrapped, error) {
	if err := k.checkUser(b); err != nil {
		return nil, err
	}
	w, err := envelope.WrapSecret(k.secret, b.User, b.Dialogue, b.Version, r)
	if err != nil {
		return nil, fmt.Errorf("wrapping key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return w, nil
}

// Unwrap returns the secret that Wrap wrapped for the same user, dialogue and
// version. It returns *blue.TamperError with the place of the wrap if the wrap
// does not open, because AES-GCM cannot distinguish a changed wrap from a wrap of
// another place or key. It also returns the errors of Wrap. A nil KEK can be
// used to check the size of a wrap: any other wrap is blue.ErrInvalid.
func (k *KEK) Unwrap(b Binding, w Wrapped) (*envelope.Secret, error) {
	if len(w) != envelope.WrapSize {
		return nil, newTamperError(b.Dialogue, record.DamageMalformed, b.SK(), fmt.Sprintf("wrapped has %d bytes instead of %d", len(w), envelope.WrapSize))
	}
	if err := k.checkUser(b); err != nil {
		return nil, err
	}
	r, err := envelope.UnwrapSecret(k.secret, b.User, b.Dialogue, b.Version, w)
	if errors.Is(err, envelope.ErrOpen) {
		return nil, newTamperError(b.Dialogue, record.DamageChanged, b.SK(), "does not open: changed, or made for another user, dialogue, version or key")
	}
	if err != nil {
		return nil, fmt.Errorf("unwrapping key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return r, nil
}

// checkUser returns blue.ErrInvalid for a nil KEK and for the binding of another
// user. Package envelope checks the rest of the binding.
func (k *KEK) checkUser(b Binding) error {
	if k == nil {
		return fmt.Errorf("%w: keys: no key for a wrap of user %.80q", blue.ErrInvalid, b.User)
	}
	if b.User != k.user {
		return fmt.Errorf("%w: keys: the key of user %.80q cannot open a wrap of user %.80q", blue.ErrInvalid, k.user, b.User)
	}
	return nil
}

func (k *KEK) clone() (*KEK, error) {
	secret, err := k.secret.Clone()
	return &KEK{user: k.user, umk: k.umk, former: k.former, secret: secret, checks: k.checks}, err
}
