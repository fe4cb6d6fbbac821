package audit

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

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
	err = l.commit(ctx, "audit.append", e.Writes(&void))
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
