package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/uuid/v5"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure a Log. The zero value is valid.
type Options struct {
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Signer returns the signer of the checkpoints. If it is nil, the chains
	// have no checkpoints. The log calls it before the first event, and again
	// if it fails.
	Signer func(context.Context) (*checkpoint.Signer, error)
	// Caller returns the identity of the principal in another system, such as
	// the ARN of the process in AWS. The log appends it to the name. It calls
	// Caller in the same way as Signer. If it is nil, nothing is appended.
	Caller func(context.Context) (string, error)
	// Anchors receive each checkpoint and keep it outside the store.
	Anchors []Anchor
	// Principals gives the principal a pseudonym. If it is nil, events contain
	// the name.
	Principals *Directory
	// Every is the number of events after which a checkpoint is due, 256 if 0.
	Every int
	// Interval is the time after which a checkpoint is due, counted from the
	// first event without one. It is 60 s if 0.
	Interval time.Duration
	// Tracer makes a span of each commit and publication of the log, none if
	// nil. Events contain the trace of their operation in either case.
	Tracer trace.Tracer
}

// A Log appends events for one process and one principal. All methods may be
// called concurrently. Each operation leases a chain until it ends, so commits
// do not wait for each other. The log uses a free chain again, so it has as many
// chains as operations ever ran at the same time. End it with Close.
//
// A checkpoint is due by the number or the age of the events without one. The
// log makes it before the next operation on the chain, and that operation fails
// if the checkpoint fails. If no operation comes, a timer makes it.
type Log struct {
	store      record.Store
	principal  string
	opts       Options // with the defaults filled in
	ids        uuid.Generator
	identifyMu sync.Mutex
	signer     *checkpoint.Signer     // set before name
	name       atomic.Pointer[string] // the name of the principal in events, nil until identify

	mu        sync.Mutex // not held during calls of the store
	free      []*chain   // the chain that was used last is at the end
	abandoned []*chain   // not used again, but their checkpoint is pending
	closed    bool
	alarm     *time.Timer // nil: none is set
	alarmAt   time.Time
	alarmWG   sync.WaitGroup
	ctx       context.Context // of the work of the alarm
	cancel    context.CancelFunc
}

// NewLog returns a log that writes to a store's Audit table. opts may be nil.
// Nothing is written before the first operation.
func NewLog(store record.Store, principal string, opts *Options) *Log {
	l := &Log{store: store, principal: principal, opts: *cmp.Or(opts, new(Options))}
	if l.opts.Now == nil {
		l.opts.Now = time.Now
	}
	l.opts.Every = cmp.Or(max(l.opts.Every, 0), 256)
	l.opts.Interval = cmp.Or(max(l.opts.Interval, 0), 60*time.Second)
	l.ids = uuid.NewGenWithOptions(uuid.WithRandomReader(rand.Reader), uuid.WithEpochFunc(func() time.Time { return l.opts.Now() }))
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// identify sets signer and name once.
func (l *Log) identify(ctx context.Context) (err error) {
	if l.name.Load() != nil {
		return nil
	}
	l.identifyMu.Lock()
	defer l.identifyMu.Unlock()
	if l.name.Load() != nil {
		return nil
	}
	name := l.principal
	if l.opts.Caller != nil {
		caller, err := l.opts.Caller(ctx)
		if err != nil {
			return fmt.Errorf("identifying the caller: %w", err)
		}
		name += " " + caller
	}
	if l.opts.Signer != nil {
		if l.signer, err = l.opts.Signer(ctx); err != nil {
			return fmt.Errorf("loading the audit signing key: %w", err)
		}
	}
	if l.opts.Principals != nil {
		if name, err = l.opts.Principals.Pseudonym(ctx, name); err != nil {
			return fmt.Errorf("reading the pseudonym of the principal: %w", err)
		}
	}
	l.name.Store(&name)
	return nil
}

// Name returns the name of a user in the log's events: the pseudonym if the log
// has a Directory, else the user itself. It returns ErrAudit if the pseudonym
// cannot be read or stored.
func (l *Log) Name(ctx context.Context, user string) (string, error) {
	if l.opts.Principals == nil {
		return user, nil
	}
	name, err := l.opts.Principals.Pseudonym(ctx, user)
	if err != nil {
		return "", fmt.Errorf("%w: reading the pseudonym of a user: %w", blue.ErrAudit, err)
	}
	return name, nil
}

// Directory returns the directory of the log's pseudonyms (Options.Principals),
// or nil.
func (l *Log) Directory() *Directory { return l.opts.Principals }

// Anchors returns the anchors of the log (Options.Anchors). The caller must not
// change the slice.
func (l *Log) Anchors() []Anchor { return l.opts.Anchors }

// commitLog makes a commit of the log in a span.
func (l *Log) commitLog(ctx context.Context, name string, writes []record.Write) error {
	ctx, end := l.startSpan(ctx, name)
	err := l.store.Commit(ctx, writes)
	end(err)
	return err
}

// startSpan starts a span if there is a tracer. The span gets the status of the
// error and not its text, because the text can contain names.
func (l *Log) startSpan(ctx context.Context, name string) (context.Context, func(error)) {
	if l.opts.Tracer == nil {
		return ctx, func(error) {}
	}
	ctx, span := l.opts.Tracer.Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Close ends the log. It stores a close event for each chain and, if the log has
// a signer, the checkpoint over the whole chain in the same commit, and then
// publishes it. If the log wrote nothing, Close writes nothing. After Close,
// Lease and Append return ErrAudit.
//
// The caller must end all operations first. A chain that an operation still
// holds is closed by another call of Close, which also retries what failed. A
// chain that is never closed is reported as unclosed, with the number of events
// that its checkpoints prove. Close returns ErrAudit if any chain fails, and
// closes the others.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.mu.Unlock()
	l.cancel()
	l.alarmWG.Wait()
	return l.forEachIdle(func(c *chain) error {
		if c.abandoned || c.closed {
			return l.signAndPublish(ctx, c)
		}
		if err := retryVoided(func() error { return l.closeChain(ctx, c) }); err != nil {
			return err
		}
		return l.publish(ctx, c)
	})
}

// closeChain commits the close event of a chain and its last checkpoint.
func (l *Log) closeChain(ctx context.Context, c *chain) error {
	s := l.newLease(ctx, c)
	e, err := s.Draft(Close, "", "", Success)
	if err != nil {
		return err
	}
	e.Close("")
	void, err := s.Void(e)
	if err != nil {
		return err
	}
	writes := e.Writes(&void)
	note := ""
	if l.signer != nil {
		tree := c.tree.Clone()
		tree.Append(e.leaf())
		if note, err = l.signTree(c.id, tree); err != nil {
			return err
		}
		writes = append(writes, checkpointWrite(c.id, e.Seq, note))
	}
	err = l.commitLog(ctx, "audit.close", writes)
	c.abandoned = !c.settle(err, e, void, l.opts.Now())
	if err != nil {
		return err
	}
	c.closed = true
	if l.signer != nil {
		l.setSigned(c, note)
	}
	return nil
}
