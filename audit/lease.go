package audit

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Lease is one operation's hold on a chain. It must end in exactly one of
// End, Landed, Failed or Unknown.
type Lease struct {
	log   *Log
	chain *chain
	trace trace.SpanContext
}

// Lease takes a free chain, or opens one: a commit of its own. The events
// drafted under it carry the trace of ctx. A checkpoint of the chain that is
// due is made first. ErrAudit if the chain cannot be opened, or the checkpoint
// be stored or published; then the operation must not happen.
func (l *Log) Lease(ctx context.Context) (*Lease, error) {
	s, err := l.lease(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", blue.ErrAudit, err)
	}
	return s, nil
}

func (l *Log) lease(ctx context.Context) (*Lease, error) {
	if err := l.identify(ctx); err != nil {
		return nil, err
	}
	c, err := l.take()
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		c, err = l.begin(ctx)
	case l.due(c):
		if err = l.sign(ctx, c); err != nil {
			l.release(c)
		}
	}
	if err != nil {
		return nil, err
	}
	return l.hold(ctx, c), nil
}

// hold is a lease of a chain that is nobody else's.
func (l *Log) hold(ctx context.Context, c *chain) *Lease {
	return &Lease{l, c, trace.SpanContextFromContext(ctx)}
}

// take returns a free chain, nil if there is none.
func (l *Log) take() (*chain, error) {
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

// release makes a chain free, or, if it was left, waits for its checkpoint.
func (l *Log) release(c *chain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !c.left && !c.closed:
		l.free = append(l.free, c)
	case l.owes(c):
		l.left = append(l.left, c)
	}
	l.arm(c)
}

// Draft returns the chain's next event, with what the log knows filled in.
func (s *Lease) Draft(op Operation, dialogue, keyID string, outcome Outcome) (Event, error) {
	id, err := s.log.ids.NewV7()
	if err != nil {
		return Event{}, fmt.Errorf("%w: no event id: %w", blue.ErrAudit, err)
	}
	e := Event{
		EventID: id.String(), Timestamp: s.log.now().UTC().Format(timeFormat),
		Operation: op, KeyID: keyID, Principal: *s.log.who.Load(), Outcome: outcome,
		Chain: s.chain.id, Seq: s.chain.seq + 1, Dialogue: dialogue, Previous: s.chain.last,
	}
	if s.trace.HasTraceID() {
		e.TraceID = s.trace.TraceID().String()
	}
	if s.trace.HasSpanID() {
		e.SpanID = s.trace.SpanID().String()
	}
	e.first = s.chain.firstOf(e.day(), e.Seq)
	return e, nil
}

// Void returns the event that stands for e if its outcome must be settled:
// the same place in the chain, and nothing done.
func (s *Lease) Void(e Event) (Event, error) {
	v, err := s.Draft(Void, e.Dialogue, e.KeyID, Failure)
	if err != nil {
		return v, err
	}
	v.Close("")
	return v, nil
}

// End ends the lease by what the store answered to the commit of the event.
func (s *Lease) End(err error, e, void Event) {
	if s.chain.settle(err, e, void, s.log.now()) {
		s.log.release(s.chain)
		return
	}
	s.Unknown()
}

// Landed ends the lease: the event is stored and the chain goes on from it.
func (s *Lease) Landed(e Event) { s.End(nil, e, Event{}) }

// Failed ends the lease: the event is certainly not stored, and its seq is
// free for the next.
func (s *Lease) Failed() { s.log.release(s.chain) }

// Unknown ends the lease: nobody can say whether the event is stored, so the
// chain is not used again. Its earlier events are certain, and still get their
// checkpoint.
func (s *Lease) Unknown() {
	s.chain.left = true
	s.log.release(s.chain)
}

// Append stores an event that belongs to no commit, such as a read. It
// returns when the event is durable; ErrAudit otherwise.
func (l *Log) Append(ctx context.Context, fill func(*Event), op Operation, dialogue, keyID string, outcome Outcome) error {
	err := retry(func() error { return l.append(ctx, fill, op, dialogue, keyID, outcome) })
	if err != nil {
		return fmt.Errorf("%w: the event of this %s could not be stored: %w", blue.ErrAudit, op, err)
	}
	return nil
}

// maxVoids bounds how often an event is tried again after its place was voided.
const maxVoids = 3

// retry runs a commit of an event again if it has certainly not landed and the
// chain has moved along.
func retry(commit func() error) (err error) {
	for range maxVoids {
		err = commit()
		if _, voided := errors.AsType[*record.VoidedError](err); !voided && !onIndex(err) {
			break
		}
	}
	return err
}

func (l *Log) append(ctx context.Context, fill func(*Event), op Operation, dialogue, keyID string, outcome Outcome) error {
	lease, err := l.lease(ctx)
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
