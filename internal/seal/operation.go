package seal

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// An Operation is one use of a dialogue, from its first read to its result. It
// leaves at most one event of its outcome:
//
//	read             decrypt success, before any of it is returned
//	write            encrypt success, in the commit of the data
//	either, failed   decrypt or encrypt, failure or denied, with an error class
//	change of keys   its own kind: intent, then success, failure or denied
//
// No event is written when nothing was read or written: the dialogue does not
// exist, the request is not valid, the store did not answer before anything was
// read, or another writer was first. If the response of a commit was lost, both
// a commit event and a failure event of class "unavailable" can exist.
//
// Each operation is also a span. Spans are nested as follows. Their attributes
// are ids, counts and sizes, which are readable in the store too. A span never
// has text of a dialogue, key bytes or a user name. A failed span has the error
// class as its status.
//
//	load get salvage verify   dialogue
//	  key.unwrap              dialogue, key_version   (package keys)
//	    key.derive_kek
//	  open                    items, bytes
//	  audit.append            (package audit)
//	commit                    dialogue
//	  key.wrap                dialogue, key_version   (package keys)
//	  seal                    items, bytes
//	witness                   dialogue
type Operation struct {
	// KeyID is the key in use, dek#{dialogue}#{version}, as far as it is known.
	KeyID string
	// Started is true once something was read or changed. A failure after that
	// leaves an event.
	Started bool

	store     *Sealer
	kind      audit.Operation
	dialogue  string
	hasResult bool // the event of success is stored
}

// Run performs an operation of the given kind. dialogue is "" for an operation
// that concerns no single dialogue. If work fails, Run stores the event of the
// failure. The caller must not return any data of the operation if Run fails.
// The error is the error of work, joined with blue.ErrAudit if the event of the
// failure cannot be stored.
func (s *Sealer) Run(ctx context.Context, name string, kind audit.Operation, dialogue string, work func(context.Context, *Operation) error) error {
	_, err := runOperation(ctx, s, name, kind, dialogue, func(ctx context.Context, o *Operation) (struct{}, error) { return struct{}{}, work(ctx, o) })
	return err
}

// runOperation is Run for work with a result. It returns no result with an error.
func runOperation[T any](ctx context.Context, s *Sealer, name string, kind audit.Operation, dialogue string, work func(context.Context, *Operation) (T, error)) (result T, err error) {
	ctx, span := s.Tracer.Start(ctx, name, trace.WithAttributes(attribute.String("dialogue", dialogue)))
	o := &Operation{store: s, kind: kind, dialogue: dialogue}
	done, err := work(ctx, o)
	if err != nil && !o.hasResult && o.needsEvent(err) {
		err = o.recordFailure(ctx, err)
	}
	endSpan(span, err)
	if err == nil {
		result = done
	}
	return result, err
}

// needsEvent reports whether a failure leaves an event.
func (o *Operation) needsEvent(cause error) bool {
	switch {
	case isVoided(cause), errors.Is(cause, blue.ErrConflict), errors.Is(cause, blue.ErrAudit):
		return false
	case errors.Is(cause, blue.ErrTampered), errors.Is(cause, blue.ErrSealed), errors.Is(cause, blue.ErrErased):
		return true
	}
	return o.Started && !errors.Is(cause, blue.ErrNotFound)
}

// failureEventTimeout is the maximum time to record a failure event after the
// caller's context has ended.
const failureEventTimeout = 5 * time.Second

// recordFailure stores the event of a failure and returns cause. If the event
// cannot be stored, it returns blue.ErrAudit too, unless the store is
// unavailable anyway.
func (o *Operation) recordFailure(ctx context.Context, cause error) error {
	outcome := audit.Failure
	if errors.Is(cause, keys.ErrDenied) {
		outcome = audit.Denied
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failureEventTimeout)
	defer cancel()
	err := o.Record(ctx, outcome, func(e *audit.Event) { e.ErrorClass = classOf(cause) })
	if errors.Is(cause, blue.ErrUnavailable) {
		return cause
	}
	return errors.Join(cause, err)
}

// recordRead stores the event of a read. It must be called before anything of
// the read is returned. The error is blue.ErrAudit.
func (o *Operation) recordRead(ctx context.Context, version uint64, items []record.Record) error {
	_, err := o.Conclude(ctx, func(e *audit.Event) {
		e.RootVersion, e.ItemCount, e.ItemsDigest = version, int64(len(items)), audit.ItemsDigest(items)
	})
	return err
}

// Conclude stores the event of success and returns it. A failure of the
// operation after that leaves no event. The error is blue.ErrAudit.
func (o *Operation) Conclude(ctx context.Context, fill func(*audit.Event)) (audit.Event, error) {
	var stored *audit.Event
	err := o.Record(ctx, audit.Success, func(e *audit.Event) {
		fill(e)
		stored = e
	})
	if err != nil {
		return audit.Event{}, err
	}
	o.hasResult = true
	return *stored, nil
}

// Record stores an event of the operation. fill adds to what the log and the
// operation know. The error is blue.ErrAudit.
func (o *Operation) Record(ctx context.Context, outcome audit.Outcome, fill func(*audit.Event)) error {
	return o.store.Log.Append(ctx, fill, o.kind, o.dialogue, o.KeyID, outcome)
}

// NoDetails adds nothing to an event. It is an argument of Operation.Record.
func NoDetails(*audit.Event) {}

// Subject returns the details of an event about a user: the name that the log
// gives the user, as the only item, without a tag. The error is blue.ErrAudit.
func (s *Sealer) Subject(ctx context.Context, user string) (func(*audit.Event), error) {
	if user == "" {
		return NoDetails, nil
	}
	name, err := s.Log.Name(ctx, user)
	if err != nil {
		return nil, err
	}
	return func(to *audit.Event) { SetItems(to, audit.Item{SK: name}) }, nil
}

// SetItems puts items without tags into an event.
func SetItems(to *audit.Event, items ...audit.Item) {
	if err := to.Write(items); err != nil { // compressing in memory does not fail
		panic("seal: " + err.Error())
	}
}

// recordKey stores the event of a use of the key provider.
func (s *Sealer) recordKey(ctx context.Context, e keys.KeyEvent) error {
	return s.Log.Append(ctx, func(to *audit.Event) { to.ErrorClass = e.Class }, audit.Operation(e.Action), e.Dialogue, e.KeyID, audit.Outcome(e.Outcome))
}

// classOf returns the error_class of an operation's failure.
func classOf(err error) string {
	if errors.Is(err, blue.ErrRolledBack) {
		return "rolled_back"
	}
	return keys.Class(err)
}

// IsLost reports whether a commit was not written because another writer was
// first.
func IsLost(err error) bool {
	_, conflict := errors.AsType[*record.ConflictError](err)
	return conflict || isVoided(err)
}

// isVoided reports whether a commit was not written because its audit event
// was voided.
func isVoided(err error) bool {
	_, voided := errors.AsType[*record.VoidedError](err)
	return voided
}

// endSpan ends a span. It sets the class of the error and not its message,
// because other people than the caller read spans.
func endSpan(span trace.Span, err error) {
	switch {
	case errors.Is(err, blue.ErrAudit):
		span.SetStatus(codes.Error, "audit")
	case err != nil:
		span.SetStatus(codes.Error, classOf(err))
	}
	span.End()
}

// setSize sets the attributes of a span that encrypts or decrypts n records:
// their number and their stored size in bytes.
func setSize(span trace.Span, n int, at func(i int) record.Record) {
	if !span.IsRecording() {
		return
	}
	bytes := 0
	for i := range n {
		bytes += at(i).Size()
	}
	span.SetAttributes(attribute.Int("items", n), attribute.Int("bytes", bytes))
}
