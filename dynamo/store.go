package dynamo

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// Store is a record.Store over DynamoDB. It may be used concurrently.
type Store struct {
	api    api
	now    func() time.Time
	pause  func(ctx context.Context, d time.Duration) error
	jitter func(d time.Duration) time.Duration // at most d
	newID  func() string                       // UUIDv7
	limits limits
	leases *leases
	closed atomic.Bool

	keysSeen atomic.Bool // the table of the indexes has our keys (erased.go)
}

var (
	_ record.Store    = (*Store)(nil)
	_ record.Unsteady = (*Store)(nil)
)

// limits are DynamoDB's and our own; the simulation makes them small.
type limits struct {
	actions  int           // of a transaction (AWS: 100)
	bytes    int           // of a transaction (AWS: 4 MB), with room for names
	chunk    int           // bytes of records in a log item
	leftover time.Duration // how old a log is when a cleaner looks at it
	lease    time.Duration // how long others respect a lease
}

var serviceLimits = limits{
	actions: record.MaxActions, bytes: record.MaxActionBytes, chunk: record.MaxLogChunk,
	leftover: 15 * time.Minute, lease: 3 * time.Second,
}

// newStore returns the protocol over an api. owner is this process in leases.
func newStore(api api, owner string, newID func() string) *Store {
	return &Store{api: api, now: time.Now, pause: retry.Sleep, jitter: retry.Jitter, newID: newID, limits: serviceLimits, leases: newLeases(owner)}
}

// Settle implements record.Unsteady: a Query is read-committed, so it can show
// part of a transaction that is being committed (AWS, "Isolation levels").
func (s *Store) Settle() (reads int, over time.Duration) { return 5, 3 * time.Second }

// maxReads bounds how often a read starts again because the partition changed
// under it.
const maxReads = 32

// Get implements record.Store. An item that a pending log holds is there.
func (s *Store) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	if err := s.checkOpen(); err != nil {
		return record.Record{}, err
	}
	for range maxReads {
		r, exists, again, err := s.find(ctx, table, key)
		switch {
		case err != nil:
			return record.Record{}, err
		case exists:
			return publicItem(r), nil
		case !again:
			return record.Record{}, fmt.Errorf("%w: record %s %s", record.ErrNotFound, key.Partition, key.Item)
		}
	}
	return record.Record{}, fmt.Errorf("%w: %s %s", record.ErrBusy, key.Partition, key.Item)
}

// find is one attempt of Get. It reads the item, then the meta item and its
// pending log, then the item again, because an earlier log can have been
// applied between.
func (s *Store) find(ctx context.Context, table record.Table, key record.Key) (r record.Record, exists, again bool, err error) {
	r, exists, err = s.api.get(ctx, table, key)
	if err != nil || exists || table != record.Dialogues || key.Item == record.Meta {
		return r, exists, false, err
	}
	meta, _, err := s.api.get(ctx, table, metaKey(key.Partition))
	if err != nil {
		return r, false, false, err
	}
	logged, whole, err := s.logOf(ctx, meta)
	if err != nil || !whole {
		return r, false, !whole, err
	}
	for _, l := range logged {
		if l.Key == key {
			return l, true, false, nil
		}
	}
	r, exists, err = s.api.get(ctx, table, key)
	return r, exists, false, err
}

// Query implements record.Store: all pages, with the pending log laid over
// them, or, for an update, rolled forward first.
func (s *Store) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	if err := record.CheckQuery(q); err != nil {
		return nil, err
	}
	read := s.read
	if q.Exact && q.Table == record.Dialogues {
		read = s.exact
	}
	for range maxReads {
		records, again, err := read(ctx, q)
		if err != nil {
			return nil, err
		}
		if !again {
			return publicItems(records), nil
		}
	}
	return nil, fmt.Errorf("%w: %s changed while it was read", record.ErrBusy, q.Partition)
}

// read is one try of Query; again reports that it must be repeated.
func (s *Store) read(ctx context.Context, q record.Query) (records []record.Record, again bool, err error) {
	records, err = s.pages(ctx, q, span{})
	meta := record.MetaOf(records)
	if err != nil || meta.Key.Item == "" || q.Table != record.Dialogues {
		return records, false, err
	}
	if q.ForUpdate {
		if again, err := s.prepare(ctx, meta); err != nil || again {
			return nil, again, err
		}
	}
	logged, whole, err := s.logOf(ctx, meta)
	return overlayPendingLog(records, logged), !whole, err
}

// prepare makes a partition ready for an update: it rolls a pending log
// forward and lets a large writer go first. changed reports that the partition must
// be read again.
func (s *Store) prepare(ctx context.Context, meta record.Record) (changed bool, err error) {
	if p, pending := pendingOf(meta); pending {
		return true, s.drain(ctx, meta.Key.Partition, p)
	}
	if s.leases.mustWait(meta, s.now(), s.limits.lease) {
		return true, s.leases.wait(ctx, s, meta)
	}
	return false, nil
}

// exact is one try of an exact Query. Every commit changes the meta item, so
// transactional reads that each hold the same meta item show one moment. A log
// rolled forward between them changes nothing: it is laid over them all.
//
// What it cannot see is a new item of a transaction that is decided and not
// yet applied there: no reader knows its key. Hence Settle.
func (s *Store) exact(ctx context.Context, q record.Query) (records []record.Record, again bool, err error) {
	before, _, err := s.api.get(ctx, q.Table, metaKey(q.Partition))
	if err != nil {
		return nil, false, err
	}
	listed, err := s.pages(ctx, q, span{})
	if err != nil {
		return nil, false, err
	}
	meta := record.MetaOf(listed)
	meta.Key = metaKey(q.Partition) // also if there is none
	if !sameAttrs(meta, before) {
		return nil, true, nil
	}
	if q.ForUpdate {
		if again, err := s.prepare(ctx, meta); err != nil || again {
			return nil, again, err
		}
	}
	logged, whole, err := s.logOf(ctx, meta)
	if err != nil || !whole {
		return nil, !whole, err
	}
	for chunk := range s.transactions(listed) {
		keys := []record.Key{meta.Key}
		for _, r := range chunk {
			keys = append(keys, r.Key)
		}
		found, err := s.snapshot(ctx, q.Table, keys)
		if err != nil || !sameAttrs(found[0], meta) {
			return nil, true, err
		}
		for _, r := range found[1:] {
			if len(r.Attrs) > 0 {
				records = append(records, r)
			}
		}
	}
	if len(meta.Attrs) > 0 {
		records = append(records, meta)
	}
	return overlayPendingLog(records, logged), false, nil
}

// transactions cuts records, except the meta item, into pieces that one transaction can
// hold next to the meta item.
func (s *Store) transactions(records []record.Record) func(yield func([]record.Record) bool) {
	return func(yield func([]record.Record) bool) {
		var piece []record.Record
		bytes := 0
		for _, r := range records {
			if r.Key.Item == record.Meta {
				continue
			}
			if len(piece) > 0 && (len(piece)+1 >= s.limits.actions || bytes+r.Size() > s.limits.bytes-record.MaxRecord) {
				if !yield(piece) {
					return
				}
				piece, bytes = nil, 0
			}
			piece = append(piece, r)
			bytes += r.Size()
		}
		if len(piece) > 0 {
			yield(piece)
		}
	}
}

// pages reads what q asks for of a span of a partition, page by page.
func (s *Store) pages(ctx context.Context, q record.Query, bounds span) ([]record.Record, error) {
	var all []record.Record
	after, left := q.After, q.Limit
	for {
		page, next, err := s.api.page(ctx, q.Table, q.Partition, bounds, after, left)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		left -= len(page)
		if next == "" || q.Limit > 0 && left <= 0 {
			return all, nil
		}
		if next <= after {
			return nil, repeatedPageError(string(q.Partition))
		}
		after = next
	}
}

// Index implements record.Store.
func (s *Store) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	records, err := s.api.index(ctx, index, pk)
	if err == nil && len(records) == 0 {
		err = s.confirmEmpty(ctx)
	}
	return publicItems(records), err
}

// Close implements record.Store. There is nothing to release; a call under way
// is finished.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

func (s *Store) checkOpen() error {
	if s.closed.Load() {
		return fmt.Errorf("%w: the store is closed", record.ErrUnavailable)
	}
	return nil
}

// Commit implements record.Store. The commit point is one transaction, of
// whatever size the commit is: a large one first puts its new records into a log
// and the transaction makes the log pending; see log.go.
func (s *Store) Commit(ctx context.Context, writes []record.Write) error {
	if err := s.checkOpen(); err != nil {
		return err
	}
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	actions := make([]action, len(writes))
	for i, w := range writes {
		actions[i] = actionOf(w)
	}
	if s.fits(actions) {
		return s.settle(ctx, writes, actions)
	}
	return s.commitLarge(ctx, writes)
}

func (s *Store) fits(actions []action) bool {
	bytes := 0
	for _, a := range actions {
		bytes += a.record.Size()
	}
	return len(actions) <= s.limits.actions && bytes <= s.limits.bytes
}

// actionOf is the plain form of a write. The meta item must carry no pending log
// and no lease: see prepare.
func actionOf(w record.Write) action {
	a := action{table: w.Table, record: w.Record, check: w.Check}
	if w.Prev == nil {
		a.when.absent = true
		return a
	}
	a.when.equal = w.Prev
	if a.isOnMeta() {
		a.when.missing = []string{attrPending, attrLease}
	}
	return a
}

func (a action) isOnMeta() bool {
	return a.table == record.Dialogues && a.record.Key.Item == record.Meta
}

// asRead is the condition that a meta item is just what was read, the store's own
// attributes included.
func asRead(meta record.Record) condition {
	if len(meta.Attrs) == 0 {
		return condition{absent: true}
	}
	c := condition{equal: meta.Attrs}
	for _, name := range []string{attrPending, attrLease} {
		if _, ok := meta.Attrs[name]; !ok {
			c.missing = append(c.missing, name)
		}
	}
	return c
}

func metaKey(pk record.Partition) record.Key { return record.Key{Partition: pk, Item: record.Meta} }

func sameAttrs(a, b record.Record) bool {
	return record.Record{Attrs: a.Attrs}.Equal(record.Record{Attrs: b.Attrs})
}

// Config describes where the tables are and which credentials sign the requests.
type Config = conn.Config

// Open returns a store over the tables that a configuration names. It sends
// nothing: the first call shows whether the server answers and the tables exist.
// ErrInvalid if the configuration cannot be right.
func Open(_ context.Context, c Config) (*Store, error) {
	at, err := conn.Open(c)
	if err != nil {
		return nil, err
	}
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	s := newStore(&client{at}, newID(), newID)
	if c.Lease > 0 {
		s.limits.lease = c.Lease
	}
	return s, nil
}
