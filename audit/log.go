package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/uuid/v5"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure a Log. The zero value works.
type Options struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Log appends events for one process and principal. It may be used
// concurrently: every operation leases a chain of its own for as long as it
// lasts, so commits do not wait for each other. A chain is reused when free;
// there are as many as operations ever ran at once.
type Log struct {
	store     record.Store
	principal string
	now       func() time.Time
	ids       uuid.Generator

	mu   sync.Mutex
	free []*chain
}

// chain is one hash chain of this process.
type chain struct {
	id   string
	seq  uint64 // of the last event that landed; 0 for none
	last string // its hash
}

// NewLog returns a log that writes to a store's Audit table.
func NewLog(store record.Store, principal string, opts *Options) *Log {
	l := &Log{store: store, principal: principal, now: time.Now}
	if opts != nil && opts.Now != nil {
		l.now = opts.Now
	}
	l.ids = uuid.NewGenWithOptions(uuid.WithRandomReader(rand.Reader), uuid.WithEpochFunc(func() time.Time { return l.now() }))
	return l
}

// Lease is one operation's hold on a chain. It must end in exactly one of
// Landed, Failed or Unknown.
type Lease struct {
	log   *Log
	chain *chain
}

// Lease takes a free chain, or begins one. The events drafted under it carry
// the trace of ctx. ErrAudit if none can be begun.
func (l *Log) Lease(ctx context.Context) (*Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		return &Lease{l, c}, nil
	}
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	c := &chain{id: hex.EncodeToString(id[:])}
	c.last = genesis(c.id)
	return &Lease{l, c}, nil
}

// Draft returns the chain's next event, with what the log knows filled in.
func (s *Lease) Draft(op Operation, dialogue, keyID string, outcome Outcome) (Event, error) {
	id, err := s.log.ids.NewV7()
	if err != nil {
		return Event{}, fmt.Errorf("%w: no event id: %w", blue.ErrAudit, err)
	}
	return Event{
		EventID: id.String(), Timestamp: s.log.now().UTC().Format("2006-01-02T15:04:05.000000000Z"),
		Operation: op, KeyID: keyID, Principal: s.log.principal, Outcome: outcome,
		Chain: s.chain.id, Seq: s.chain.seq + 1, Dialogue: dialogue, Previous: s.chain.last,
	}, nil
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

// Landed ends the lease: the event is stored and the chain goes on from it.
func (s *Lease) Landed(e Event) {
	s.chain.seq, s.chain.last = e.Seq, e.EventHash
	s.Failed()
}

// Failed ends the lease: the event is certainly not stored, and its seq is
// free for the next.
func (s *Lease) Failed() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.free = append(s.log.free, s.chain)
}

// Unknown ends the lease: nobody can say whether the event is stored, so the
// chain is not used again.
func (s *Lease) Unknown() {}

// Append stores an event that belongs to no commit, such as a read. It
// returns when the event is durable; ErrAudit otherwise.
func (l *Log) Append(ctx context.Context, fill func(*Event), op Operation, dialogue, keyID string, outcome Outcome) error {
	var err error
	for range maxVoids {
		if err = l.append(ctx, fill, op, dialogue, keyID, outcome); err == nil {
			return nil
		}
		if _, voided := errors.AsType[*record.VoidedError](err); !voided {
			break
		}
	}
	return fmt.Errorf("%w: the event of this %s could not be stored: %w", blue.ErrAudit, op, err)
}

// maxVoids bounds how often an event is tried again after its place was voided.
const maxVoids = 3

func (l *Log) append(ctx context.Context, fill func(*Event), op Operation, dialogue, keyID string, outcome Outcome) error {
	lease, err := l.Lease(ctx)
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
	err = l.store.Commit(ctx, e.Writes(&void))
	lease.End(err, e, void)
	return err
}

// End ends the lease by what the store answered to the commit of the event.
func (s *Lease) End(err error, e, void Event) {
	_, voided := errors.AsType[*record.VoidedError](err)
	switch {
	case err == nil:
		s.Landed(e)
	case voided:
		s.Landed(void)
	case definite(err):
		s.Failed()
	default:
		s.Unknown()
	}
}

// definite reports whether an error of Commit says that nothing was written
// and nothing of it can be any more.
func definite(err error) bool {
	if c, ok := errors.AsType[*record.ConflictError](err); ok {
		return !strings.HasPrefix(c.Key.PK, "audit#") // there a stranger stands in our chain
	}
	return errors.Is(err, record.ErrTooLarge) || errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrBusy)
}
