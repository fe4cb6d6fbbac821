package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Fault is an error of DynamoDB, or a missing answer, in the words of this
// project: what happened, what it means, what to type. It wraps Kind, Cause and,
// if Denied is set, record.ErrDenied.
type Fault struct {
	Kind      error // record.ErrUnavailable, ErrInvalid or ErrTooLarge
	Message   string
	HintText  string
	Throttled bool  // the capacity is exhausted, the same request can succeed later
	OfTable   bool  // the server answers, but one of its tables cannot be used
	Denied    bool  // a policy refuses the request
	Cause     error // the SDK's error, or nil
}

// Error implements error.
func (f *Fault) Error() string {
	text := f.Message
	if !f.Denied {
		text = fmt.Sprintf("%v: %s", f.Kind, text)
	}
	if f.Cause != nil {
		text += ": " + awsclient.Cause(f.Cause)
	}
	return text
}

// Unwrap returns the errors that the fault wraps.
func (f *Fault) Unwrap() []error {
	all := []error{f.Kind}
	if f.Denied {
		all = append(all, record.ErrDenied)
	}
	if f.Cause != nil {
		all = append(all, f.Cause)
	}
	return all
}

// Hint returns what to type.
func (f *Fault) Hint() string { return f.HintText }

// ReadFault returns the error of a read in the words of this project: the
// context's own error, or a *Fault.
func (c *Conn) ReadFault(ctx context.Context, err error, tables ...record.Table) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f := c.Explain(err, tables); f != nil {
		return f
	}
	return &Fault{Kind: record.ErrUnavailable, Message: "reading from DynamoDB at " + c.At, HintText: "try again; if it lasts, see the cause", Cause: err}
}

// Explain returns the words for an error of a whole request, nil if there are
// none for it.
func (c *Conn) Explain(err error, tables []record.Table) *Fault {
	f := c.find(err, tables)
	if f != nil {
		f.Cause = err
	}
	return f
}

func (c *Conn) find(err error, tables []record.Table) *Fault {
	if e, ok := errors.AsType[*awsclient.CredentialsError](err); ok {
		if e.Short {
			return &Fault{Kind: record.ErrUnavailable, Message: e.Error(), HintText: "AWS's own secrets are long enough; for a local server any 10 letters will do"}
		}
		return &Fault{Kind: record.ErrUnavailable, Message: noCredentials, HintText: noCredentialsHint}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if awsclient.Status(err) >= 500 {
			return &Fault{Kind: record.ErrUnavailable, Message: "DynamoDB at " + c.At + " has a fault of its own", HintText: "try again in a while"}
		}
		code := api.ErrorCode()
		if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok && len(canceled.CancellationReasons) == 0 {
			code = "ValidationException" // as DynamoDB Local refuses keys that are not the table's
		}
		return c.CodeFault(code, api.ErrorMessage(), tables)
	}
	if awsclient.Status(err) != 0 {
		return &Fault{Kind: record.ErrUnavailable, Message: "what answers at " + c.At + " is not DynamoDB", HintText: c.startHint()}
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return &Fault{Kind: record.ErrUnavailable, Message: "cannot reach DynamoDB at " + c.At + " (not falling back to SQLite)", HintText: c.startHint()}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Fault{Kind: record.ErrUnavailable, Message: "the server at " + c.At + " shows a certificate that is not to be trusted", HintText: "check the endpoint; behind a proxy of your own set AWS_CA_BUNDLE"}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return &Fault{Kind: record.ErrUnavailable, Message: "DynamoDB at " + c.At + " did not answer in time", HintText: c.startHint()}
	}
	return nil
}

func (c *Conn) startHint() string {
	if c.Local {
		return "start it: just up; or unset the endpoint to use AWS; or choose --store sqlite:PATH"
	}
	return "check the network, the region and the endpoint; or choose --store sqlite:PATH"
}

// CodeFault returns the words for an error code of the service, nil if there
// are none for it.
func (c *Conn) CodeFault(code, message string, tables []record.Table) *Fault {
	unusable := func(message, hint string) *Fault {
		return &Fault{Kind: record.ErrUnavailable, Message: message, HintText: hint}
	}
	ofTable := func(message, hint string) *Fault {
		return &Fault{Kind: record.ErrUnavailable, Message: message, HintText: hint, OfTable: true}
	}
	switch {
	case code == "ResourceNotFoundException":
		return ofTable(c.named(tables)+" not exist in "+c.At, "create it: blue-store table create")
	case code == "ValidationException" && strings.Contains(message, "does not have the specified index"):
		return ofTable(c.named(tables)+" not have an index that lists need", "see what differs: blue-store table status")
	case isSchema(code, message):
		return c.WrongKeys(tables)
	case isSize(code, message):
		return &Fault{Kind: record.ErrTooLarge, Message: "DynamoDB takes no item or request of this size"}
	}
	switch awsclient.ClassOf(code, message) {
	case awsclient.Throttled:
		f := unusable("DynamoDB at "+c.At+" takes no more requests for now", "wait a minute and try again; if it lasts, look at the limits of the tables and the account")
		f.Throttled = true
		return f
	case awsclient.Skewed:
		return unusable("the clock of this machine differs too much from the clock of "+c.At, "set the clock, for example: timedatectl set-ntp true")
	case awsclient.UnknownKey:
		if c.Local {
			return unusable("DynamoDB Local accepts only letters and digits in AWS_ACCESS_KEY_ID", "for example AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local-dummy-secret")
		}
		return unusable("the access key is not known at "+c.At, "check AWS_PROFILE or AWS_ACCESS_KEY_ID; see who you are: aws sts get-caller-identity")
	case awsclient.Expired:
		return unusable("the AWS credentials have expired", "renew them, for example: aws sso login")
	case awsclient.BadSignature:
		return unusable("the signature is refused at "+c.At+": the secret access key is wrong", "check AWS_SECRET_ACCESS_KEY, and the endpoint if a proxy is in between")
	case awsclient.NoCredentials:
		return unusable(noCredentials, noCredentialsHint)
	case awsclient.Denied:
		f := ofTable("access to "+c.list(tables)+" is denied at "+c.At, "the credentials need dynamodb:GetItem, Query, PutItem, DeleteItem, ConditionCheckItem on the tables, Query on their indexes, and Scan before the first key is made")
		f.Denied = true
		if slices.Equal(tables, []record.Table{record.Keys}) {
			f.HintText = "with keys in KMS each user may use the wrapped keys of dialogues and their own there (deploy/iam): BLUE_USER must be what the tag blue-user of the role says; else " + f.HintText
		}
		return f
	}
	return nil
}

const (
	noCredentials     = "there are no AWS credentials"
	noCredentialsHint = "set AWS_PROFILE (after: aws sso login), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)

// WrongKeys returns the fault of a table that has other keys than PK and SK.
func (c *Conn) WrongKeys(tables []record.Table) *Fault {
	return &Fault{
		Kind: record.ErrUnavailable, OfTable: true,
		Message:  c.named(tables) + " not have the keys PK and SK, both text",
		HintText: "see what differs: blue-store table status; or set another BLUE_TABLE_PREFIX",
	}
}

// isSchema reports whether the service refused the keys of a request because the
// table has other keys.
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

// list returns the physical names of tables, or "the tables" if they are not
// known.
func (c *Conn) list(tables []record.Table) string {
	if len(tables) == 0 {
		return "the tables"
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = c.Prefix + string(t)
	}
	if len(names) == 1 {
		return "table " + names[0]
	}
	return "one of the tables " + strings.Join(names, " and ")
}

// named returns the beginning of a sentence about tables, up to its verb.
func (c *Conn) named(tables []record.Table) string {
	if len(tables) == 0 {
		return "the tables do"
	}
	return c.list(tables) + " does"
}

// The key attributes of every table, both of type S.
const (
	PartitionKey = "PK" // a record.Partition
	SortKey      = "SK" // the item inside the partition
)

// KeysText returns a key schema as text, for example "PK (S), SK (S)".
func KeysText(schema []types.KeySchemaElement, attributes []types.AttributeDefinition) string {
	var parts []string
	for _, k := range schema {
		name, typ := aws.ToString(k.AttributeName), "?"
		for _, a := range attributes {
			if aws.ToString(a.AttributeName) == name {
				typ = string(a.AttributeType)
			}
		}
		parts = append(parts, name+" ("+typ+")")
	}
	return strings.Join(parts, ", ")
}

// CompareKeys returns how the keys of a table differ from PK and SK, "" if they
// are the same. An example is "keys are pk (S), sk (S), not PK (S), SK (S)".
func CompareKeys(t *types.TableDescription) string {
	const want = PartitionKey + " (S), " + SortKey + " (S)"
	if got := KeysText(t.KeySchema, t.AttributeDefinitions); got != want {
		return fmt.Sprintf("keys are %s, not %s", got, want)
	}
	return ""
}

// Recovery is the state of point-in-time recovery of a table.
type Recovery struct {
	Supported bool  // the server knows the operation, DynamoDB Local does not
	Stated    bool  // the answer states whether recovery is on
	On        bool  // recovery is on
	Days      int32 // length of the window, 35 if the service states none
}

// Recovery asks for the state of point-in-time recovery of a physical table. The
// error is the SDK's.
func (c *Conn) Recovery(ctx context.Context, table *string) (Recovery, error) {
	out, err := c.API.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: table})
	if awsclient.ClassOfError(err) == awsclient.Unsupported {
		return Recovery{}, nil
	}
	if err != nil {
		return Recovery{}, err
	}
	r := Recovery{Supported: true}
	if b := out.ContinuousBackupsDescription; b != nil && b.PointInTimeRecoveryDescription != nil {
		p := b.PointInTimeRecoveryDescription
		r.Stated = p.PointInTimeRecoveryStatus != ""
		r.On = p.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
		if r.Days = aws.ToInt32(p.RecoveryPeriodInDays); r.Days == 0 {
			r.Days = 35
		}
	}
	return r, nil
}
