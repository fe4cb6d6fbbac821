package encrypted

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

// operation is one use of a dialogue from its first read to its answer. It
// leaves at most one event of its own:
//
//	read            decrypt success, before anything of it is returned
//	write           encrypt success, in the commit of the data
//	either, failed  decrypt or encrypt, failure or denied, with an error class
//
// None is left where nothing was done: the dialogue is not there, the request
// cannot be, the store did not answer before anything was read, or somebody
// else was faster (a conflict; a voided commit has its void event). After an
// answer that was lost both may be true: the commit's event, if it landed, and
// a failure of class "unavailable", as its caller saw it.
type operation struct {
	s        *sealing
	kind     audit.Operation
	dialogue string
	span     trace.Span
	keyID    string // as far as it is known
	read     bool   // something of the dialogue was read
	landed   bool   // the event of success is stored
}

// operate begins an operation and its span.
func (s *sealing) operate(ctx context.Context, name string, kind audit.Operation, dialogue string) (context.Context, *operation) {
	ctx, span := s.tracer.Start(ctx, name, trace.WithAttributes(attribute.String("dialogue", dialogue)))
	return ctx, &operation{s: s, kind: kind, dialogue: dialogue, span: span}
}

// patience is how long an operation tries to record its failure, whose caller
// may have given up already.
const patience = 5 * time.Second

// end ends an operation and returns the error for its caller.
func (o *operation) end(ctx context.Context, cause error) error {
	if cause != nil && !o.landed && o.leaves(cause) {
		cause = o.failed(ctx, cause)
	}
	endSpan(o.span, cause)
	return cause
}

// leaves reports whether a failure leaves an event.
func (o *operation) leaves(cause error) bool {
	_, voided := errors.AsType[*record.VoidedError](cause)
	switch {
	case voided, errors.Is(cause, blue.ErrConflict), errors.Is(cause, blue.ErrAudit):
		return false
	case errors.Is(cause, blue.ErrTampered), errors.Is(cause, blue.ErrSealed), errors.Is(cause, blue.ErrErased):
		return true
	}
	return o.read && !errors.Is(cause, blue.ErrNotFound)
}

// failed stores the event of a failure and returns its error. One that cannot
// be stored is ErrAudit besides, except where the store was out of reach
// anyway.
func (o *operation) failed(ctx context.Context, cause error) error {
	outcome := audit.Failure
	if errors.Is(cause, keys.ErrDenied) {
		outcome = audit.Denied
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := o.s.log.Append(ctx, func(e *audit.Event) { e.ErrorClass = class(cause) }, o.kind, o.dialogue, o.keyID, outcome)
	if errors.Is(cause, blue.ErrUnavailable) {
		return cause
	}
	return errors.Join(cause, err)
}

// succeeded stores the event of a read, before anything of it is returned.
func (o *operation) succeeded(ctx context.Context, version uint64, items []record.Record) error {
	digest := audit.ItemsDigest(items)
	err := o.s.log.Append(ctx, func(e *audit.Event) {
		e.RootVersion, e.ItemCount, e.ItemsDigest = version, int64(len(items)), digest
	}, o.kind, o.dialogue, o.keyID, audit.Success)
	o.landed = err == nil
	return err
}

// class names an operation's failure in one word.
func class(err error) string {
	if errors.Is(err, blue.ErrRolledBack) {
		return "rolled_back"
	}
	return keys.Class(err)
}

// recordKey stores the event of a use of the key provider.
func (s *sealing) recordKey(ctx context.Context, e keys.KeyEvent) error {
	return s.log.Append(ctx, func(to *audit.Event) { to.ErrorClass = e.Class }, audit.Operation(e.Action), e.Dialogue, e.KeyID, audit.Outcome(e.Outcome))
}

// Witness implements record.Witness: the event of a read on top of which
// nothing was written.
func (s *sealing) Witness(ctx context.Context, records []record.Record) error {
	if len(records) == 0 {
		return nil
	}
	dialogue, err := dialogueOf(records[0].Key.Partition)
	if err != nil {
		return err
	}
	ctx, o := s.operate(ctx, "witness", audit.Decrypt, dialogue)
	var version uint64
	for _, r := range records {
		if r.Key.Item == record.Meta {
			o.keyID, version = r.Attrs[attrKeyID].Str(), uint64(r.Attrs[attrVersion].Int())
		}
	}
	return o.end(ctx, o.succeeded(ctx, version, records))
}

// endSpan ends a span. Of an error it tells the class, for messages go to the
// person who asked, and spans to somebody else.
func endSpan(span trace.Span, err error) {
	switch {
	case errors.Is(err, blue.ErrAudit):
		span.SetStatus(codes.Error, "audit")
	case err != nil:
		span.SetStatus(codes.Error, class(err))
	}
	span.End()
}
