package dynamo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

// fault is an answer of the service, or the lack of one, in the words of this
// project: what happened, what it means, what to type.
type fault struct {
	kind      error // ErrUnavailable, ErrInvalid or ErrTooLarge
	message   string
	hint      string
	throttled bool // capacity: the same request may succeed later
	ofTable   bool // the server answers, and has a table that cannot be used
	denied    bool // by a policy: record.ErrDenied, and message says it all
	cause     error
}

func (f *fault) Error() string {
	text := f.message
	if !f.denied {
		text = fmt.Sprintf("%v: %s", f.kind, text)
	}
	if f.cause != nil {
		text += ": " + awsclient.Cause(f.cause)
	}
	return text
}

func (f *fault) Unwrap() []error {
	all := []error{f.kind}
	if f.denied {
		all = append(all, record.ErrDenied)
	}
	if f.cause != nil {
		all = append(all, f.cause)
	}
	return all
}

// Hint says what to type.
func (f *fault) Hint() string { return f.hint }

// Unreachable reports whether an error of a Store means that DynamoDB as a
// whole cannot be used: no answer, a fault of its own, credentials, clock,
// capacity; and not one of its tables, which is missing, denied, or not ours.
func Unreachable(err error) bool {
	f, ok := errors.AsType[*fault](err)
	return ok && f.kind == record.ErrUnavailable && !f.ofTable
}

// isThrottled reports whether a read failed for want of capacity alone.
func isThrottled(err error) bool {
	f, ok := errors.AsType[*fault](err)
	return ok && f.throttled
}

// readFault turns the error of a read into one of ours. A *refusal is what a
// transactional read met; else ErrUnavailable, or the context's own error.
func (c *connection) readFault(ctx context.Context, err error, tables ...record.Table) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f := c.explain(err, tables); f != nil {
		return f
	}
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return c.refusalOf(canceled, tables)
	}
	return &fault{kind: record.ErrUnavailable, message: "reading from DynamoDB at " + c.at, hint: "try again; if it lasts, see the cause", cause: err}
}

// writeFault turns the error of a transaction into a *refusal, a definite
// ErrUnavailable or ErrTooLarge, or errUnknown (see client.transact).
func (c *connection) writeFault(err error, actions []action) error {
	var tables []record.Table
	for _, a := range actions {
		if !slices.Contains(tables, a.table) {
			tables = append(tables, a.table)
		}
	}
	if awsclient.IsNotSent(err) {
		return c.explain(err, tables)
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
	if f := c.explain(err, tables); f != nil {
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
func (c *connection) orUnreachable(err error) error {
	if f := c.explain(err, nil); f != nil {
		return f
	}
	return &fault{kind: record.ErrUnavailable, message: "writing to DynamoDB at " + c.at, hint: "try again; what was written shows when the dialogue is read", cause: err}
}

// refusalOf reads the cancellation reasons, one for each action.
func (c *connection) refusalOf(e *types.TransactionCanceledException, tables []record.Table) *refusal {
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
		if f := c.codeFault(code, message, tables); f != nil {
			f.cause, r.detail = told, f
		}
	}
	return r
}

// causes of a cancellation ("TransactWriteItems", cancellation reasons).
var causes = map[string]cause{
	"": fine, "None": fine,
	"ConditionalCheckFailed":        unmet,
	"TransactionConflict":           contended,
	"ProvisionedThroughputExceeded": throttled,
	"ThrottlingError":               throttled,
	"RequestLimitExceeded":          throttled,
}

// explain finds the words for an error that stands for the whole request, nil
// if there are none for it.
func (c *connection) explain(err error, tables []record.Table) *fault {
	f := c.found(err, tables)
	if f != nil {
		f.cause = err
	}
	return f
}

func (c *connection) found(err error, tables []record.Table) *fault {
	if e, ok := errors.AsType[*awsclient.CredentialsError](err); ok {
		if e.Short {
			return &fault{kind: record.ErrUnavailable, message: e.Error(), hint: "AWS's own secrets are long enough; for a local server any 10 letters will do"}
		}
		return &fault{kind: record.ErrUnavailable, message: noCredentials, hint: noCredentialsHint}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if awsclient.Status(err) >= 500 {
			return &fault{kind: record.ErrUnavailable, message: "DynamoDB at " + c.at + " has a fault of its own", hint: "try again in a while"}
		}
		code := api.ErrorCode()
		if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok && len(canceled.CancellationReasons) == 0 {
			code = "ValidationException" // as DynamoDB Local refuses keys that are not the table's
		}
		return c.codeFault(code, api.ErrorMessage(), tables)
	}
	if awsclient.Status(err) != 0 {
		return &fault{kind: record.ErrUnavailable, message: "what answers at " + c.at + " is not DynamoDB", hint: c.startHint()}
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return &fault{kind: record.ErrUnavailable, message: "cannot reach DynamoDB at " + c.at + " (not falling back to SQLite)", hint: c.startHint()}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &fault{kind: record.ErrUnavailable, message: "the server at " + c.at + " shows a certificate that is not to be trusted", hint: "check the endpoint; behind a proxy of your own set AWS_CA_BUNDLE"}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return &fault{kind: record.ErrUnavailable, message: "DynamoDB at " + c.at + " did not answer in time", hint: c.startHint()}
	}
	return nil
}

func (c *connection) startHint() string {
	if c.local {
		return "start it: just up; or unset the endpoint to use AWS; or choose --store sqlite:PATH"
	}
	return "check the network, the region and the endpoint; or choose --store sqlite:PATH"
}

// codeFault returns the words for an error code of the service, nil if there
// are none for it.
func (c *connection) codeFault(code, message string, tables []record.Table) *fault {
	unusable := func(message, hint string) *fault { return &fault{kind: record.ErrUnavailable, message: message, hint: hint} }
	ofTable := func(message, hint string) *fault {
		return &fault{kind: record.ErrUnavailable, message: message, hint: hint, ofTable: true}
	}
	switch {
	case code == "ResourceNotFoundException":
		return ofTable(c.named(tables)+" not exist in "+c.at, "create it: blue-store table create")
	case code == "ValidationException" && strings.Contains(message, "does not have the specified index"):
		return ofTable(c.named(tables)+" not have an index that lists need", "see what differs: blue-store table status")
	case isSchema(code, message):
		return c.wrongKeys(tables)
	case isSize(code, message):
		return &fault{kind: record.ErrTooLarge, message: "DynamoDB takes no item or request of this size"}
	}
	switch awsclient.ClassOf(code, message) {
	case awsclient.Throttled:
		f := unusable("DynamoDB at "+c.at+" takes no more requests for now", "wait a minute and try again; if it lasts, look at the limits of the tables and the account")
		f.throttled = true
		return f
	case awsclient.Skewed:
		return unusable("the clock of this machine differs too much from that of "+c.at, "set the clock, for example: timedatectl set-ntp true")
	case awsclient.UnknownKey:
		if c.local {
			return unusable("DynamoDB Local accepts only letters and digits in AWS_ACCESS_KEY_ID", "for example AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local-dummy-secret")
		}
		return unusable("the access key is not known at "+c.at, "check AWS_PROFILE or AWS_ACCESS_KEY_ID; see who you are: aws sts get-caller-identity")
	case awsclient.Expired:
		return unusable("the AWS credentials have expired", "renew them, for example: aws sso login")
	case awsclient.BadSignature:
		return unusable("the signature is refused at "+c.at+": the secret access key is wrong", "check AWS_SECRET_ACCESS_KEY, and the endpoint if a proxy is in between")
	case awsclient.NoCredentials:
		return unusable(noCredentials, noCredentialsHint)
	case awsclient.Denied:
		f := ofTable("access to "+c.list(tables)+" is denied at "+c.at, "the credentials need dynamodb:GetItem, Query, PutItem, DeleteItem, ConditionCheckItem on the tables, Query on their indexes, and Scan before the first key is made")
		f.denied = true
		if slices.Equal(tables, []record.Table{record.Keys}) {
			f.hint = "with keys in KMS each user may use the wrapped keys of dialogues and their own there (deploy/iam): BLUE_USER must be what the tag blue-user of the role says; else " + f.hint
		}
		return f
	}
	return nil
}

const (
	noCredentials     = "there are no AWS credentials"
	noCredentialsHint = "set AWS_PROFILE (after: aws sso login), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)

// wrongKeys is the fault of a table whose keys are others than ours.
func (c *connection) wrongKeys(tables []record.Table) *fault {
	return &fault{
		kind: record.ErrUnavailable, ofTable: true,
		message: c.named(tables) + " not have the keys PK and SK, both text",
		hint:    "see what differs: blue-store table status; or set another BLUE_TABLE_PREFIX",
	}
}

// isSchema: the table's keys are others than ours.
func isSchema(code, message string) bool {
	if code != "ValidationException" && code != "ValidationError" {
		return false
	}
	for _, words := range []string{
		"does not match the schema", "One of the required keys was not given a value", "Query condition missed key schema element", "Missing the key", "number of conditions on the keys is invalid",
		"Condition parameter type does not match schema type", "Type mismatch for key", "Type mismatch for Index Key",
	} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

func isSize(code, message string) bool {
	return code == "ItemCollectionSizeLimitExceeded" || code == "ItemCollectionSizeLimitExceededException" || code == "RequestEntityTooLarge" ||
		(code == "ValidationException" || code == "ValidationError") && strings.Contains(strings.ToLower(message), "size") && strings.Contains(message, "exceed")
}

// list names physical tables; all three if it is not known which.
func (c *connection) list(tables []record.Table) string {
	if len(tables) == 0 {
		return "the tables"
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = c.prefix + string(t)
	}
	if len(names) == 1 {
		return "table " + names[0]
	}
	return "one of the tables " + strings.Join(names, " and ")
}

// named begins a sentence about tables that are not as they should be.
func (c *connection) named(tables []record.Table) string {
	if len(tables) == 0 {
		return "the tables do"
	}
	return c.list(tables) + " does"
}

// notExecuted lets the SDK repeat a transaction that no server has executed.
var notExecuted = []retry.IsErrorRetryable{
	retry.NoRetryCanceledError{},
	retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
		if _, missing := errors.AsType[*awsclient.CredentialsError](err); !missing && awsclient.IsNotSent(err) {
			return aws.TrueTernary
		}
		return aws.UnknownTernary
	}),
	retry.RetryableError{}, // the SDK's own mark for a clock that it has corrected since
}
