package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

// errUnknown: the request may have taken effect, may yet, or may never.
var errUnknown = errors.New("the outcome of the request is not known")

// cause is why one action of a transaction was refused.
type cause int

const (
	met         cause = iota
	unmet             // its condition does not hold
	contended         // another transaction has the item now
	throttled         // capacity
	badlyFormed       // a limit of the service, or a bug
)

// refusal is a transaction that took no effect, a cause for each action.
type refusal struct {
	causes []cause
	detail error
}

func (r *refusal) Error() string { return fmt.Sprintf("transaction refused: %v", r.detail) }

func (r *refusal) Unwrap() error { return r.detail }

// isTransient reports whether the same transaction may succeed a moment later.
func (r *refusal) isTransient() bool {
	return !slices.Contains(r.causes, unmet) && !slices.Contains(r.causes, badlyFormed)
}

func (r *refusal) throttled() bool { return slices.Contains(r.causes, throttled) }

// conflict turns unmet conditions into the ConflictError of the contract. An
// item has precedence over the meta item.
func (r *refusal) conflict(actions []action) error {
	var found *record.ConflictError
	for i, c := range r.causes {
		if c != unmet {
			continue
		}
		e := &record.ConflictError{Table: actions[i].table, Key: actions[i].record.Key}
		if found == nil || found.IsOnMeta() {
			found = e
		}
	}
	if found == nil {
		return fmt.Errorf("%w: %w", record.ErrUnavailable, r)
	}
	return found
}

// Unreachable reports whether an error of a Store means that DynamoDB as a whole
// cannot be used: no answer, a failure of the service, credentials, the clock or
// capacity. It is false for one table that is missing, denied or of another shape.
func Unreachable(err error) bool {
	f, ok := errors.AsType[*conn.Fault](err)
	return ok && f.Kind == record.ErrUnavailable && !f.OfTable
}

// readFault turns the error of a read into an error of record. It returns
// *refusal for a canceled transactional read, else ErrUnavailable or the error
// of the context.
func (c *client) readFault(ctx context.Context, err error, tables ...record.Table) error {
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if ok && ctx.Err() == nil && c.Explain(err, tables) == nil {
		return c.refusalOf(canceled, tables)
	}
	return c.ReadFault(ctx, err, tables...)
}

// writeFault turns the error of a transaction into a *refusal, a definite
// ErrUnavailable or ErrTooLarge, or errUnknown (see client.transact).
func (c *client) writeFault(err error, actions []action) error {
	var tables []record.Table
	for _, a := range actions {
		if !slices.Contains(tables, a.table) {
			tables = append(tables, a.table)
		}
	}
	if awsclient.IsNotSent(err) {
		return c.Explain(err, tables)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if status := awsclient.Status(err); !ok || status < 400 || status >= 500 {
		return fmt.Errorf("%w: %w", errUnknown, c.orUnreachable(err))
	}
	all := func(x cause) error {
		detail := &smithy.GenericAPIError{Code: api.ErrorCode(), Message: api.ErrorMessage()}
		return &refusal{causes: slices.Repeat([]cause{x}, len(actions)), detail: detail}
	}
	if awsclient.ClassOfError(err) == awsclient.Throttled {
		return all(throttled)
	}
	if f := c.Explain(err, tables); f != nil {
		return f
	}
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok && len(canceled.CancellationReasons) == len(actions) {
		return c.refusalOf(canceled, tables)
	}
	switch api.ErrorCode() {
	case "ConditionalCheckFailedException": // of a PutItem
		return all(unmet)
	case "TransactionConflictException", "TransactionCanceledException": // the latter without reasons: no effect, and no word why
		return all(contended)
	case "IdempotentParameterMismatchException", "ValidationException", "SerializationException":
		return all(badlyFormed)
	}
	return fmt.Errorf("%w: %w", errUnknown, c.orUnreachable(err))
}

// orUnreachable dresses an error for the case that the protocol gives up.
func (c *client) orUnreachable(err error) error {
	if f := c.Explain(err, nil); f != nil {
		return f
	}
	return &conn.Fault{Kind: record.ErrUnavailable, Message: "writing to DynamoDB at " + c.At, HintText: "try again. Read the dialogue to see the result", Cause: err}
}

// refusalOf reads the cancellation reasons, one for each action.
func (c *client) refusalOf(e *types.TransactionCanceledException, tables []record.Table) *refusal {
	r := &refusal{detail: e}
	for _, reason := range e.CancellationReasons {
		code, message := aws.ToString(reason.Code), aws.ToString(reason.Message)
		x, known := causes[code]
		if !known {
			x = badlyFormed
		}
		r.causes = append(r.causes, x)
		if x != badlyFormed {
			continue
		}
		told := &smithy.GenericAPIError{Code: code, Message: message}
		r.detail = told
		if f := c.CodeFault(code, message, tables); f != nil {
			f.Cause, r.detail = told, f
		}
	}
	return r
}

// causes of a cancellation ("TransactWriteItems", cancellation reasons).
var causes = map[string]cause{
	"": met, "None": met,
	"ConditionalCheckFailed":        unmet,
	"TransactionConflict":           contended,
	"ProvisionedThroughputExceeded": throttled,
	"ThrottlingError":               throttled,
	"RequestLimitExceeded":          throttled,
}
