package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// model is DynamoDB in virtual time. A transaction locks all its
// items, checks all conditions at once, and then its items become visible and
// free one by one, in any order. Until then get and page show the older state. Every request sleeps a random time, so at
// most one goroutine runs at a moment and a seed gives one history.
type model struct {
	mu       sync.Mutex // never held while sleeping
	rng      *rand.Rand
	cells    map[place]*cell
	sks      map[place][]string // sort keys of a partition, in order; its place has no SK
	tokens   map[string]*remembered
	faults   faults
	pageSize int
	requests int
	bytes    int64
	wrong    []string // what a server would have refused
}

type place struct {
	table record.Table
	key   record.Key
}

type cell struct {
	record record.Record // no attributes: no item
	locked bool
}

type remembered struct {
	actions int
	landed  time.Time // zero: it is landing
}

// faults are probabilities for each transaction.
type faults struct {
	requestLost, responseLost, late, duplicate, contended, throttled float64
	secondAnswer                                                     float64 // delivered twice and answered as the second copy
	readFails                                                        float64
	slow                                                             float64 // a request or a landing that takes long
	forgets                                                          float64 // the server does not know a token again: nothing rests on tokens
}

func (f faults) scaled(by float64) faults {
	return faults{f.requestLost * by, f.responseLost * by, f.late * by, f.duplicate * by, f.contended * by, f.throttled * by, f.secondAnswer * by, f.readFails * by, f.slow * by, f.forgets}
}

var ordinary = faults{requestLost: 0.02, responseLost: 0.03, late: 0.03, duplicate: 0.06, contended: 0.03, throttled: 0.02, secondAnswer: 0.03, readFails: 0.002, slow: 0.03}

func newModel(rng *rand.Rand) *model {
	return &model{rng: rng, cells: map[place]*cell{}, sks: map[place][]string{}, tokens: map[string]*remembered{}, pageSize: 1 << 20}
}

func (w *model) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64() < p
}

// upTo is a random time, to the nanosecond, so that no two are the same.
func (w *model) upTo(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return 1 + time.Duration(w.rng.Int64N(int64(d)))
}

func (w *model) latency() {
	d := 12 * time.Millisecond
	if w.chance(w.faults.slow) {
		d = time.Second
	}
	time.Sleep(w.upTo(d))
}

// lateness returns how late a copy arrives: milliseconds to 20 minutes.
func (w *model) lateness() time.Duration {
	switch {
	case w.chance(0.2):
		return w.upTo(50 * time.Millisecond)
	case w.chance(0.6):
		return w.upTo(3 * time.Second)
	case w.chance(0.6):
		return w.upTo(time.Minute)
	}
	return w.upTo(20 * time.Minute)
}

func (w *model) cell(table record.Table, key record.Key) *cell {
	p := place{table, key}
	if w.cells[p] == nil {
		w.cells[p] = &cell{record: record.Record{Key: key}}
	}
	return w.cells[p]
}

// execute is TransactWriteItems on the server; it returns when all is visible.
func (w *model) execute(token string, actions []action) error {
	r := w.lock(token, actions)
	if r != nil {
		if errors.Is(r, errLanded) {
			return nil
		}
		return r
	}
	slow := w.chance(4 * w.faults.slow)
	for _, i := range w.order(len(actions)) {
		if len(actions) > 1 {
			d := 4 * time.Millisecond
			if slow {
				d = 2500 * time.Millisecond / time.Duration(len(actions))
			}
			time.Sleep(w.upTo(d))
		}
		w.apply(actions[i])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[token].landed = time.Now()
	return nil
}

var errLanded = errors.New("landed before")

func (w *model) order(n int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Perm(n)
}

// lock checks the token, all locks and all conditions, and locks the items.
func (w *model) lock(token string, actions []action) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes := 0
	for _, a := range actions {
		bytes += a.record.Size()
	}
	if len(actions) > 100 || bytes > 4<<20 {
		w.wrong = append(w.wrong, fmt.Sprintf("a transaction of %d actions and %d bytes", len(actions), bytes))
	}
	if t := w.tokens[token]; t != nil && w.rng.Float64() >= w.faults.forgets {
		if t.actions != len(actions) {
			w.wrong = append(w.wrong, "a token used for two transactions")
		}
		if t.landed.IsZero() {
			return errUnknown // TransactionInProgressException
		}
		if time.Since(t.landed) < 10*time.Minute {
			return errLanded
		}
	}
	r := &refusal{causes: make([]cause, len(actions)), detail: errors.New("model")}
	refused := false
	for i, a := range actions {
		c := w.cell(a.table, a.record.Key)
		switch {
		case c.locked:
			r.causes[i], refused = contended, true
		case !a.when.holds(c.record):
			r.causes[i], refused = unmet, true
		}
	}
	if refused {
		return r
	}
	for _, a := range actions {
		w.cell(a.table, a.record.Key).locked = true
	}
	w.tokens[token] = &remembered{actions: len(actions)}
	return nil
}

// holds is expressionOf in words of the model: a MAC stands for all attributes
// but the store's own.
func (c condition) holds(r record.Record) bool {
	exists := len(r.Attrs) > 0
	if c.absent {
		return !exists
	}
	if !exists {
		return false
	}
	_, sealed := c.equal[macName]
	for name, v := range c.equal {
		if sealed && name != macName && name[0] != '_' {
			continue
		}
		if got, ok := r.Attrs[name]; !ok || !got.Equal(v) {
			return false
		}
	}
	return !slices.ContainsFunc(c.missing, func(name string) bool { _, ok := r.Attrs[name]; return ok })
}

func (w *model) apply(a action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.cell(a.table, a.record.Key)
	c.locked = false
	if a.check {
		return
	}
	p := place{a.table, record.Key{Partition: a.record.Key.Partition}}
	i, found := slices.BinarySearch(w.sks[p], a.record.Key.Item)
	switch {
	case len(a.record.Attrs) > 0 && !found:
		w.sks[p] = slices.Insert(w.sks[p], i, a.record.Key.Item)
	case len(a.record.Attrs) == 0 && found:
		w.sks[p] = slices.Delete(w.sks[p], i, i+1)
	}
	c.record = record.Record{Key: a.record.Key, Attrs: a.record.Attrs}
	w.bytes += int64(a.record.Size())
}

// link is the api of one process, which may die before or after any request.
type link struct {
	w       *model
	sent    int
	dieAt   int  // the number of the request; 0: never
	dieBack bool // after the request instead of before
	kill    context.CancelFunc
}

var _ api = (*link)(nil)

func (l *link) before(ctx context.Context) error {
	l.w.mu.Lock()
	l.sent++
	l.w.requests++
	die := l.dieAt > 0 && (l.sent > l.dieAt || l.sent == l.dieAt && !l.dieBack)
	l.w.mu.Unlock()
	if die {
		l.kill()
	}
	return ctx.Err()
}

func (l *link) after(ctx context.Context) error {
	l.w.mu.Lock()
	die := l.sent == l.dieAt && l.dieBack
	l.w.mu.Unlock()
	if die {
		l.kill()
	}
	return ctx.Err()
}

func (l *link) transact(ctx context.Context, token string, actions []action) error {
	if err := l.before(ctx); err != nil {
		return err
	}
	w := l.w
	w.latency()
	actions = slices.Clone(actions)
	all := func(c cause) error {
		return &refusal{causes: slices.Repeat([]cause{c}, len(actions)), detail: errors.New("fault")}
	}
	deliver := func(after time.Duration) {
		go func() {
			time.Sleep(after)
			_ = w.execute(token, actions)
		}()
	}
	switch {
	case w.chance(w.faults.requestLost):
		time.Sleep(w.upTo(time.Second))
		return errUnknown
	case w.chance(w.faults.late):
		deliver(w.lateness())
		time.Sleep(w.upTo(time.Second))
		return errUnknown
	case w.chance(w.faults.contended):
		return all(contended)
	case w.chance(w.faults.throttled):
		return all(throttled)
	case w.chance(w.faults.duplicate):
		deliver(w.lateness())
	case w.chance(w.faults.secondAnswer):
		deliver(w.upTo(2 * time.Millisecond))
		time.Sleep(w.upTo(30 * time.Millisecond)) // the first copy is written, or is just being applied
	}
	err := w.execute(token, actions)
	if l.after(ctx) != nil {
		return errUnknown
	}
	if w.chance(w.faults.responseLost) {
		time.Sleep(w.upTo(2 * time.Second))
		return errUnknown
	}
	time.Sleep(w.upTo(5 * time.Millisecond))
	return err
}

// reading is what all reads share.
func (l *link) reading(ctx context.Context) error {
	if err := l.before(ctx); err != nil {
		return err
	}
	l.w.latency()
	if l.w.chance(l.w.faults.readFails) {
		return fmt.Errorf("%w: model", record.ErrUnavailable)
	}
	return nil
}

func (l *link) get(ctx context.Context, table record.Table, key record.Key) (record.Record, bool, error) {
	if err := l.reading(ctx); err != nil {
		return record.Record{}, false, err
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	r := l.w.cell(table, key).record
	return r, len(r.Attrs) > 0, nil
}

func (l *link) page(ctx context.Context, table record.Table, pk record.Partition, bounds span, after string, limit int) (records []record.Record, next string, err error) {
	if err := l.reading(ctx); err != nil {
		return nil, "", err
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for _, sk := range l.w.sks[place{table, record.Key{Partition: pk}}] {
		if sk < bounds.first || bounds.last != "" && sk >= bounds.last || sk <= after {
			continue
		}
		if len(records) == l.w.pageSize || limit > 0 && len(records) == limit {
			return records, records[len(records)-1].Key.Item, nil
		}
		records = append(records, l.w.cell(table, record.Key{Partition: pk, Item: sk}).record)
	}
	return records, "", nil
}

func (l *link) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	if err := l.reading(ctx); err != nil {
		return nil, err
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	var records []record.Record
	bytes := 0
	for _, k := range keys {
		c := l.w.cell(table, k)
		if c.locked {
			return nil, &refusal{causes: slices.Repeat([]cause{contended}, len(keys)), detail: errors.New("model")}
		}
		bytes += c.record.Size()
		records = append(records, c.record)
	}
	if len(keys) > 100 || bytes > 4<<20 {
		l.w.wrong = append(l.w.wrong, fmt.Sprintf("a snapshot of %d items and %d bytes", len(keys), bytes))
	}
	return records, nil
}

func (l *link) index(context.Context, record.Index, string) ([]record.Record, error) {
	return nil, errors.New("the model has no index")
}

// newID is a UUIDv7 of the virtual time.
func (w *model) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%s-7%03x-8%03x-%012x", bornAt(time.Now()), w.rng.IntN(1<<12), w.rng.IntN(1<<12), w.rng.Int64N(1<<48))
}

// store is the real protocol of one process over the model.
func (w *model) store(a api, owner string, l limits) *Store {
	s := newStore(a, owner, w.newID)
	s.limits = l
	s.jitter = func(d time.Duration) time.Duration { return d/2 + w.upTo(d/2) }
	return s
}

func isLog(a action) bool { return strings.HasPrefix(string(a.record.Key.Partition), logPrefix) }
