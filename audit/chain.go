package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// A chain is one hash chain of this process. It needs no lock, because the
// goroutine that removed it from the lists of the log owns it.
//
// The index fields follow the day index. It lists on which days a chain had
// events. Its 16 partitions are named by the first digit of the chain and not by
// the day, because a reader must find all chains without trust in any clock.
type chain struct {
	id   string
	seq  uint64          // seq of the last stored event, 0 for none
	last string          // its hash
	tree checkpoint.Tree // over the events 1 … seq

	indexedDay   string // the latest day in the index
	unindexedDay string // a later day whose first event was a void, which stores no index record
	unindexedSeq uint64 // the seq of that event

	signed  uint64    // number of events under the newest stored checkpoint
	since   time.Time // when the first event after it was stored
	note    string    // that checkpoint, while an anchor does not have it
	pending []Anchor  // the anchors that do not have it
	failed  bool      // the last attempt to sign or publish failed

	abandoned bool // it is unknown whether the event after seq is stored
	closed    bool // the close event is stored
}

// openChain opens a chain in a commit of its own: the genesis event and the
// first record of the day index, so every chain with an event is listed. If the
// result of that commit is unknown, it abandons the chain and tries another one.
// A chain with only a genesis event is harmless, so no void event is needed.
func (l *Log) openChain(ctx context.Context) (c *chain, err error) {
	for range 2 {
		var id [16]byte
		rand.Read(id[:]) // never fails (crypto/rand)
		c = &chain{id: hex.EncodeToString(id[:])}
		c.last = FirstPrevious(c.id)
		if err = l.commitGenesis(ctx, c); err == nil {
			return c, nil
		}
		if isDefiniteRefusal(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("opening an audit chain: %w", err)
}

func (l *Log) commitGenesis(ctx context.Context, c *chain) error {
	key := "" // a claim only: a verifier gets the trusted key from another source
	if l.signer != nil {
		key = l.signer.VerifierKey()
	}
	e, err := l.newLease(ctx, c).Draft(Genesis, "", key, Success)
	if err != nil {
		return err
	}
	e.Close("")
	writes := e.Writes(nil)
	if err := l.commitLog(ctx, "audit.genesis", writes); err != nil && !isOwnRecordStored(ctx, l.store, err, writes[0].Record) {
		return err
	}
	c.append(e, l.opts.Now())
	c.setIndexed(e)
	return nil
}

// isOwnRecordStored reports whether a commit was refused because its own record is
// stored. A store can deliver a commit twice and answer as the second copy. A genesis
// has no void event, so the store does not compare it.
func isOwnRecordStored(ctx context.Context, store record.Store, err error, own record.Record) bool {
	if !errors.Is(err, record.ErrConflict) {
		return false
	}
	found, err := store.Get(ctx, record.Audit, own.Key)
	return err == nil && found.Equal(own)
}

// append adds a stored event to the chain.
func (c *chain) append(e Event, now time.Time) {
	if c.tree.Size() == c.signed {
		c.since = now
	}
	c.tree.Append(e.leaf())
	c.seq, c.last = e.Seq, e.EventHash
}

// settle updates the chain with the answer of the store to the commit of e. It
// reports whether the chain can be used again.
func (c *chain) settle(err error, e, void Event, now time.Time) (usable bool) {
	_, voided := errors.AsType[*record.VoidedError](err)
	switch {
	case err == nil:
		c.append(e, now)
		c.setIndexed(e)
	case voided:
		c.append(void, now)
		c.deferIndex(void)
	case isIndexConflict(err):
		c.setIndexed(e) // the record exists, so it need not be put again
	default:
		return isDefiniteRefusal(err)
	}
	return true
}

// isDefiniteRefusal reports whether an error of Commit means that nothing was
// written and that no part of the commit can be written later.
func isDefiniteRefusal(err error) bool {
	if c, ok := errors.AsType[*record.ConflictError](err); ok {
		// Another process wrote to this chain's key.
		_, isEvent := c.Key.Partition.Chain()
		return !isEvent && !c.Key.Partition.IsCheckpoint()
	}
	if errors.Is(err, record.ErrUnavailable) {
		return false // even if another class matches too
	}
	return errors.Is(err, record.ErrTooLarge) || errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrBusy)
}

// isIndexConflict reports whether a commit failed because the record of the day
// index exists.
func isIndexConflict(err error) bool {
	c, ok := errors.AsType[*record.ConflictError](err)
	return ok && c.Table == record.Audit && c.Key.Partition.IsIndex()
}

// day returns the UTC day of an event, YYYY-MM-DD.
func (e *Event) day() string { return e.Timestamp[:len("2006-01-02")] }

// firstOfDay returns the value of the index record that the event seq must
// store: the seq of the chain's first event of the day, or 0 if no record is
// needed. Days never go back. If the clock was set back, its events count for
// the days that the index has.
func (c *chain) firstOfDay(day string, seq uint64) uint64 {
	switch {
	case day <= c.indexedDay:
		return 0
	case day == c.unindexedDay:
		return c.unindexedSeq
	}
	return seq
}

// setIndexed records that the index has the day of an event.
func (c *chain) setIndexed(e Event) {
	if e.first > 0 {
		c.indexedDay = e.day()
	}
}

// deferIndex leaves the index record of a void event's day to the next event.
func (c *chain) deferIndex(void Event) {
	if day := void.day(); day > c.indexedDay && day != c.unindexedDay {
		c.unindexedDay, c.unindexedSeq = day, void.Seq
	}
}

// A Lease is the exclusive use of one chain by one operation. The caller must
// end it with exactly one call of End or Failed. Its methods must not be called
// concurrently.
type Lease struct {
	log   *Log
	chain *chain
	trace trace.SpanContext
}

// Lease returns a lease on a free chain, or on a new chain, which takes a commit
// of its own. Its events carry the trace of ctx. If a checkpoint of the chain is
// due, Lease makes it first. It returns ErrAudit if the chain cannot be opened,
// or the checkpoint cannot be stored or published. The caller must not perform
// the operation if an error is returned.
func (l *Log) Lease(ctx context.Context) (*Lease, error) {
	lease, err := l.openLease(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", blue.ErrAudit, err)
	}
	return lease, nil
}

func (l *Log) openLease(ctx context.Context) (*Lease, error) {
	if err := l.identify(ctx); err != nil {
		return nil, err
	}
	c, err := l.takeFree()
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		c, err = l.openChain(ctx)
	case l.isDue(c):
		if err = l.signAndPublish(ctx, c); err != nil {
			l.release(c)
		}
	}
	if err != nil {
		return nil, err
	}
	return l.newLease(ctx, c), nil
}

// newLease returns a lease on a chain that this goroutine owns.
func (l *Log) newLease(ctx context.Context, c *chain) *Lease {
	return &Lease{l, c, trace.SpanContextFromContext(ctx)}
}

// takeFree removes the free chain that was used last from the list and returns
// it, or nil if no chain is free.
func (l *Log) takeFree() (*chain, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.New("the log is closed")
	}
	n := len(l.free)
	if n == 0 {
		return nil, nil
	}
	c := l.free[n-1]
	l.free = l.free[:n-1]
	return c, nil
}

// release returns a chain to the free list. An abandoned or closed chain is kept
// only while its checkpoint is pending.
func (l *Log) release(c *chain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !c.abandoned && !c.closed:
		l.free = append(l.free, c)
	case l.hasPending(c):
		l.abandoned = append(l.abandoned, c)
	}
	l.setAlarm(c)
}

// Draft returns the chain's next event with the fields that the log knows: all
// except the items, RootVersion, ErrorClass and the hashes. The caller sets
// those and calls [Event.Close]. Draft returns ErrAudit if no event id can be
// made.
func (s *Lease) Draft(op Operation, dialogue, keyID string, outcome Outcome) (Event, error) {
	id, err := s.log.ids.NewV7()
	if err != nil {
		return Event{}, fmt.Errorf("%w: making an event id: %w", blue.ErrAudit, err)
	}
	e := Event{
		EventID: id.String(), Timestamp: s.log.opts.Now().UTC().Format(timeFormat),
		Operation: op, KeyID: keyID, Principal: *s.log.name.Load(), Outcome: outcome,
		Chain: s.chain.id, Seq: s.chain.seq + 1, Dialogue: dialogue, Previous: s.chain.last,
	}
	if s.trace.HasTraceID() {
		e.TraceID = s.trace.TraceID().String()
	}
	if s.trace.HasSpanID() {
		e.SpanID = s.trace.SpanID().String()
	}
	e.first = s.chain.firstOfDay(e.day(), e.Seq)
	return e, nil
}

// Void returns the event that the store puts in place of e if it must settle an
// unknown outcome. It has the same position in the chain and records that
// nothing was done. It returns the error of Draft.
func (s *Lease) Void(e Event) (Event, error) {
	v, err := s.Draft(Void, e.Dialogue, e.KeyID, Failure)
	v.Close("")
	return v, err
}

// End ends the lease with the answer of the store to the commit of e. err is the
// error of Commit, or nil. If it is unknown whether the event is stored, the
// chain is not used again. Its earlier events are certain and still get their
// checkpoint.
func (s *Lease) End(err error, e, void Event) {
	s.chain.abandoned = !s.chain.settle(err, e, void, s.log.opts.Now())
	s.log.release(s.chain)
}

// Failed ends the lease of an operation that did not commit its event. The next
// event gets its seq.
func (s *Lease) Failed() { s.log.release(s.chain) }

// Append stores an event that is not part of a commit of data, such as the event
// of a read. fill sets further fields of the draft. Append returns when the
// event is durable. Otherwise it returns ErrAudit, and the caller must not
// perform the operation.
func (l *Log) Append(ctx context.Context, fill func(*Event), op Operation, dialogue, keyID string, outcome Outcome) error {
	err := retryVoided(func() error { return l.append(ctx, fill, op, dialogue, keyID, outcome) })
	if err != nil {
		return fmt.Errorf("%w: storing the %s event: %w", blue.ErrAudit, op, err)
	}
	return nil
}

func (l *Log) append(ctx context.Context, fill func(*Event), op Operation, dialogue, keyID string, outcome Outcome) error {
	lease, err := l.openLease(ctx)
	if err != nil {
		return err
	}
	e, err := lease.Draft(op, dialogue, keyID, outcome)
	if err != nil {
		lease.Failed()
		return err
	}
	fill(&e)
	e.Close("")
	void, err := lease.Void(e)
	if err != nil {
		lease.Failed()
		return err
	}
	err = l.commitLog(ctx, "audit.append", e.Writes(&void))
	lease.End(err, e, void)
	return err
}

// retryVoided runs the commit of an event up to three times. It retries if the
// event was certainly not written and the chain is updated: its position was
// voided, or its index record exists.
func retryVoided(commit func() error) (err error) {
	for range 3 {
		err = commit()
		if _, voided := errors.AsType[*record.VoidedError](err); !voided && !isIndexConflict(err) {
			break
		}
	}
	return err
}
