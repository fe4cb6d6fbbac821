package audit

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/uuid/v5"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure a Log. The zero value works.
type Options struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Signer returns what signs checkpoints; nil: the chains have none. It
	// is called before the first event, not before, and again if it fails.
	Signer func(context.Context) (*checkpoint.Signer, error)
	// Caller returns who the principal is to somebody else, such as the ARN
	// that AWS knows the process by. It is added to the name, and called as
	// Signer is; nil: nothing is added.
	Caller func(context.Context) (string, error)
	// Anchors keep the checkpoints outside the store, each of them all.
	Anchors []Anchor
	// Principals gives the principal a pseudonym; nil: events hold it as
	// given.
	Principals *Directory
	// Every is after how many events a checkpoint is due; 256 if 0.
	Every int
	// Interval is how long after the first event without one; 60 s if 0.
	Interval time.Duration
	// Tracer makes a span of each commit and publication of the log; nil:
	// none. Events carry the trace of their operation either way.
	Tracer trace.Tracer
}

const (
	defaultEvery    = 256
	defaultInterval = 60 * time.Second
)

// Log appends events for one process and principal. It may be used
// concurrently: every operation leases a chain of its own for as long as it
// lasts, so commits do not wait for each other. A chain is reused when free;
// there are as many as operations ever ran at once. End it with Close.
//
// A checkpoint is due by number or age of the events without one. It is made
// before the chain's next operation, which fails if it fails, and by an alarm
// when no operation comes.
type Log struct {
	store       record.Store
	principal   string
	principals  *Directory
	now         func() time.Time
	openSigner  func(context.Context) (*checkpoint.Signer, error)
	caller      func(context.Context) (string, error)
	signer      *checkpoint.Signer // set before who is
	anchors     []Anchor
	every       uint64
	interval    time.Duration
	tracer      trace.Tracer
	ids         uuid.Generator
	identifying sync.Mutex
	who         atomic.Pointer[string] // what events call the principal, once known

	mu      sync.Mutex // never held while the store is asked
	free    []*chain   // the one that was used last at the end
	left    []*chain   // not to be used again, but owed a checkpoint
	closed  bool
	alarm   *time.Timer // nil: none is set
	rings   time.Time   // when
	ringing sync.WaitGroup
	life    context.Context // of the alarm's work
	hush    context.CancelFunc
}

// NewLog returns a log that writes to a store's Audit table.
func NewLog(store record.Store, principal string, opts *Options) *Log {
	var o Options
	if opts != nil {
		o = *opts
	}
	l := &Log{
		store: store, principal: principal, principals: o.Principals, now: o.Now,
		openSigner: o.Signer, caller: o.Caller, anchors: o.Anchors, every: defaultEvery, interval: defaultInterval, tracer: o.Tracer,
	}
	if l.now == nil {
		l.now = time.Now
	}
	if o.Every > 0 {
		l.every = uint64(o.Every)
	}
	if o.Interval > 0 {
		l.interval = o.Interval
	}
	l.ids = uuid.NewGenWithOptions(uuid.WithRandomReader(rand.Reader), uuid.WithEpochFunc(func() time.Time { return l.now() }))
	l.life, l.hush = context.WithCancel(context.Background())
	return l
}

// identify finds out what events call the principal and what signs, once.
func (l *Log) identify(ctx context.Context) error {
	if l.who.Load() != nil {
		return nil
	}
	l.identifying.Lock()
	defer l.identifying.Unlock()
	if l.who.Load() != nil {
		return nil
	}
	name := l.principal
	if l.caller != nil {
		caller, err := l.caller(ctx)
		if err != nil {
			return fmt.Errorf("who the principal is: %w", err)
		}
		name += " " + caller
	}
	if l.openSigner != nil {
		var err error
		if l.signer, err = l.openSigner(ctx); err != nil {
			return fmt.Errorf("the key that signs: %w", err)
		}
	}
	if l.principals != nil {
		var err error
		if name, err = l.principals.Pseudonym(ctx, name); err != nil {
			return fmt.Errorf("the pseudonym of the principal: %w", err)
		}
	}
	l.who.Store(&name)
	return nil
}

// commit is a commit of the log's own, in a span.
func (l *Log) commit(ctx context.Context, name string, writes []record.Write) error {
	ctx, end := l.span(ctx, name)
	err := l.store.Commit(ctx, writes)
	end(err)
	return err
}

// span begins a span, if there is a tracer. It tells how it ended and no text.
func (l *Log) span(ctx context.Context, name string) (context.Context, func(error)) {
	if l.tracer == nil {
		return ctx, func(error) {}
	}
	ctx, span := l.tracer.Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
