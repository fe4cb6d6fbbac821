package dynamo

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/record"
)

// twoActions touch two tables.
// attempts is how often package conn lets the SDK send a read.
const attempts = 3

func twoActions() []action {
	return []action{
		{table: record.Dialogues, record: record.Record{Key: record.Key{Partition: "dialogue#d", Item: "meta"}, Attrs: record.Attrs{"n": record.N(1)}}, when: condition{absent: true}},
		{table: record.Audit, record: record.Record{Key: record.Key{Partition: "chain", Item: "1"}, Attrs: record.Attrs{"n": record.N(1)}}, when: condition{absent: true}},
	}
}

// TestRefusals: a transaction that certainly took no effect, cause by cause.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  answer
		causes  []cause
		passing bool
		is      error // besides
	}{
		{"condition", cancelled("ConditionalCheckFailed: The conditional request failed", "None"), []cause{unmet, met}, false, nil},
		{"both conditions", cancelled("ConditionalCheckFailed", "ConditionalCheckFailed"), []cause{unmet, unmet}, false, nil},
		{"conflict", cancelled("None", "TransactionConflict: Transaction is ongoing for the item"), []cause{met, contended}, true, nil},
		{"conflict and condition", cancelled("TransactionConflict", "ConditionalCheckFailed"), []cause{contended, unmet}, false, nil},
		{"throttling of one", cancelled("ThrottlingError", "None"), []cause{throttled, met}, true, nil},
		{"throughput of one", cancelled("None", "ProvisionedThroughputExceeded"), []cause{met, throttled}, true, nil},
		{"validation", cancelled("ValidationError: something else", "None"), []cause{badlyFormed, met}, false, nil},
		{"item size", cancelled("ValidationError: Item size has exceeded the maximum allowed size", "None"), []cause{badlyFormed, met}, false, record.ErrTooLarge},
		{"collection size", cancelled("None", "ItemCollectionSizeLimitExceeded: Collection size exceeded."), []cause{met, badlyFormed}, false, record.ErrTooLarge},
		{"key schema", cancelled("ValidationError: The provided key element does not match the schema", "None"), []cause{badlyFormed, met}, false, record.ErrUnavailable},
		{"a code of the future", cancelled("Sunspots", "None"), []cause{badlyFormed, met}, false, nil},
		{"no reasons", says(400, "TransactionCanceledException", "cancelled"), []cause{contended, contended}, true, nil},
		{"throttled whole", says(400, "ThrottlingException", "Rate exceeded"), []cause{throttled, throttled}, true, nil},
		{"throughput whole", says(400, "ProvisionedThroughputExceededException", "slow down"), []cause{throttled, throttled}, true, nil},
		{"request limit", says(400, "RequestLimitExceeded", "slow down"), []cause{throttled, throttled}, true, nil},
		{"other bytes, same token", says(400, "IdempotentParameterMismatchException", "mismatch"), []cause{badlyFormed, badlyFormed}, false, nil},
		{"request validation", says(400, "ValidationException", "Member must have length less than or equal to 100"), []cause{badlyFormed, badlyFormed}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, c.answer)
			err := f.client(t).transact(t.Context(), "token", twoActions())
			r, ok := errors.AsType[*refusal](err)
			if !ok || errors.Is(err, errUnknown) {
				t.Fatalf("answer: %v, want a refusal", err)
			}
			if !slices.Equal(r.causes, c.causes) || r.isTransient() != c.passing {
				t.Errorf("causes %v, passing %v; want %v, %v", r.causes, r.isTransient(), c.causes, c.passing)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			if c.is == nil && (errors.Is(err, record.ErrTooLarge) || errors.Is(err, record.ErrUnavailable)) {
				t.Errorf("%v contains too much", err)
			}
			if f.count() != 1 {
				t.Errorf("%d requests, want 1", f.count())
			}
		})
	}
}

// TestUnknownOutcomes: it is not known whether the transaction took effect, and
// the client asks once: a second answer would say nothing about the first.
func TestUnknownOutcomes(t *testing.T) {
	written := `{"ItemCollectionMetrics":{"blue_dialogues":[]}}`
	for name, a := range map[string]answer{
		"500":                      says(500, "InternalServerError", "The request processing has failed"),
		"503":                      says(503, "ServiceUnavailable", "try later"),
		"502 of a proxy":           {status: 502, body: "<html>bad gateway</html>"},
		"in progress":              says(400, "TransactionInProgressException", "The transaction with the given request token is already in progress"),
		"reply lost":               {drop: true},
		"reply cut":                {body: written, cut: true},
		"reply with another sum":   {body: written, crc: "1"},
		"sum that is no number":    {body: written, crc: "x"},
		"refusal cut":              func() answer { a := cancelled("ConditionalCheckFailed", "None"); a.cut = true; return a }(),
		"refusal with another sum": func() answer { a := cancelled("ConditionalCheckFailed", "None"); a.crc = "1"; return a }(),
		"no JSON":                  {body: "<html>met</html>"},
		"400 without a code":       {status: 400, body: "{}"},
		"400 of a proxy":           {status: 400, body: "<html>no</html>"},
		"a code of the future":     says(400, "SunspotsException", "try another star"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, a)
			err := f.client(t).transact(t.Context(), "token", twoActions())
			if !errors.Is(err, errUnknown) {
				t.Fatalf("answer: %v, want errUnknown", err)
			}
			if _, refused := errors.AsType[*refusal](err); refused {
				t.Errorf("%v is a refusal as well", err)
			}
			if f.count() != 1 {
				t.Errorf("%d requests, want 1", f.count())
			}
		})
	}
}

func TestUnknownAfterTheDeadline(t *testing.T) {
	f := newFake(t, answer{wait: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := f.client(t).transact(ctx, "token", twoActions())
	if !errors.Is(err, errUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("answer: %v, want errUnknown and the deadline", err)
	}
	f = newFake(t, answer{wait: time.Minute})
	at, err := conn.Open(Config{Endpoint: f.URL, RequestTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&client{at}).transact(t.Context(), "token", twoActions()); !errors.Is(err, errUnknown) || f.count() != 1 {
		t.Errorf("answer: %v after %d requests, want errUnknown after 1", err, f.count())
	}
}

// TestNothingSentAfterTheEnd: a context that has ended is definite.
func TestNothingSentAfterTheEnd(t *testing.T) {
	f := newFake(t, answer{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.client(t).transact(ctx, "token", twoActions()); !errors.Is(err, context.Canceled) || errors.Is(err, errUnknown) {
		t.Errorf("answer: %v, want the context's alone", err)
	}
	if f.count() != 0 {
		t.Errorf("%d requests", f.count())
	}
}

// meanings are answers of the service that no retry changes: the same words
// for reads and transactions, and what to type.
var meanings = []struct {
	name   string
	answer answer
	says   string // part of the message
	hint   string // part of the hint
}{
	{"table missing", says(400, "ResourceNotFoundException", "Requested resource not found"), "does not exist in http://", "blue-store table create"},
	{"key schema", says(400, "ValidationException", "The provided key element does not match the schema"), "keys PK and SK", "blue-store table status"},
	{"index missing", says(400, "ValidationException", "The table does not have the specified index: GSI1"), "an index that lists need", "blue-store table status"},
	{"key unknown", says(400, "UnrecognizedClientException", "The security token included in the request is invalid."), "letters and digits", "AWS_ACCESS_KEY_ID=local"},
	{"expired", says(400, "ExpiredTokenException", "The security token included in the request is expired"), "have expired", "aws sso login"},
	{"wrong secret", says(403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided."), "signature is refused", "AWS_SECRET_ACCESS_KEY"},
	{"clock behind", says(403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T000400Z"), "clock of this machine", "timedatectl"},
	{"clock ahead", says(403, "InvalidSignatureException", "Signature not yet current: 20260101T001000Z is still later than 20260101T000500Z"), "clock of this machine", "timedatectl"},
	{"clock", says(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."), "clock of this machine", "timedatectl"},
	{"unsigned", says(400, "MissingAuthenticationTokenException", "Request must contain either a valid (registered) AWS access key ID or X.509 certificate."), "no AWS credentials", "AWS_PROFILE"},
	{"denied", says(400, "AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: dynamodb:Query"), "is denied", "dynamodb:GetItem"},
}

func TestMeanings(t *testing.T) {
	calls := map[string]func(c *client) error{
		"get": func(c *client) error {
			_, _, err := c.get(t.Context(), record.Dialogues, someKey)
			return err
		},
		"page": func(c *client) error {
			_, _, err := c.page(t.Context(), record.Dialogues, "p", span{}, "", 0)
			return err
		},
		"snapshot": func(c *client) error {
			_, err := c.snapshot(t.Context(), record.Dialogues, []record.Key{someKey})
			return err
		},
		"index": func(c *client) error {
			_, err := c.index(t.Context(), record.ByStatus, "status#open")
			return err
		},
		"transact": func(c *client) error { return c.transact(t.Context(), "token", twoActions()) },
		"status": func(c *client) error {
			_, err := (&tables.Tables{Conn: c.Conn}).Status(t.Context())
			return err
		},
	}
	for _, m := range meanings {
		for name, call := range calls {
			if name == "status" && m.name == "table missing" {
				continue // that is an answer
			}
			t.Run(m.name+"/"+name, func(t *testing.T) {
				f := newFake(t, m.answer)
				err := call(f.client(t))
				if !errors.Is(err, record.ErrUnavailable) || errors.Is(err, errUnknown) {
					t.Fatalf("answer: %v, want ErrUnavailable", err)
				}
				if !strings.Contains(err.Error(), m.says) || strings.Contains(err.Error(), "RequestID") {
					t.Errorf("the message is %v", err)
				}
				if errors.Is(err, record.ErrDenied) != (m.name == "denied") {
					t.Errorf("ErrDenied is %v: %v", m.name != "denied", err)
				}
				if hint := hintOf(err); !strings.Contains(hint, m.hint) && !(name == "status" && m.name == "denied") {
					t.Errorf("the hint is %q", hint)
				}
				if f.count() != 1 {
					t.Errorf("%d requests, want 1", f.count())
				}
			})
		}
	}
}

func hintOf(err error) string {
	h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	if !ok {
		return ""
	}
	return h.Hint()
}

// TestMissingTableIsNamed: where it is known.
func TestMissingTableIsNamed(t *testing.T) {
	missing := says(400, "ResourceNotFoundException", "Requested resource not found")
	_, _, err := newFake(t, missing).client(t).get(t.Context(), record.Audit, someKey)
	if !strings.Contains(fmt.Sprint(err), "table blue_audit does not exist") {
		t.Errorf("%v", err)
	}
	err = newFake(t, missing).client(t).transact(t.Context(), "token", twoActions())
	if !strings.Contains(fmt.Sprint(err), "one of the tables blue_dialogues and blue_audit does not exist") {
		t.Errorf("%v", err)
	}
}

// TestReadsAreRepeated: a passing fault is tried three times in all.
func TestReadsAreRepeated(t *testing.T) {
	passing := map[string]answer{
		"500":         says(500, "InternalServerError", "x"),
		"503":         says(503, "ServiceUnavailable", "x"),
		"throttled":   says(400, "ThrottlingException", "x"),
		"throughput":  says(400, "ProvisionedThroughputExceededException", "x"),
		"reply lost":  {drop: true},
		"reply cut":   {body: `{"Item":{"PK":{"S":"p"},"SK":{"S":"s"},"n":{"N":"1"}}}`, cut: true},
		"another sum": {body: `{"Item":{"PK":{"S":"p"},"SK":{"S":"s"},"n":{"N":"1"}}}`, crc: "7"},
	}
	good := answer{body: `{"Item":{"PK":{"S":"p"},"SK":{"S":"s"},"n":{"N":"2"}}}`}
	for name, a := range passing {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, a, a, good)
			r, exists, err := f.client(t).get(t.Context(), record.Dialogues, someKey)
			if err != nil || !exists || !r.Attrs["n"].Equal(record.N(2)) {
				t.Errorf("read %v, %v, %v", r, exists, err)
			}
			f = newFake(t, a)
			if _, _, err = f.client(t).get(t.Context(), record.Dialogues, someKey); !errors.Is(err, record.ErrUnavailable) || hintOf(err) == "" {
				t.Errorf("for good: %v, hint %q", err, hintOf(err))
			}
			if f.count() != attempts {
				t.Errorf("%d requests, want %d", f.count(), attempts)
			}
			if want := name == "throttled" || name == "throughput"; isThrottled(err) != want {
				t.Errorf("throttled: %v", !want)
			}
		})
	}
}

func TestSnapshotRefusals(t *testing.T) {
	f := newFake(t, cancelled("TransactionConflict"))
	_, err := f.client(t).snapshot(t.Context(), record.Dialogues, []record.Key{someKey})
	r, ok := errors.AsType[*refusal](err)
	if !ok || !r.isTransient() || !slices.Equal(r.causes, []cause{contended}) {
		t.Errorf("answer: %v", err)
	}
}

// TestClockCorrected: the SDK sets its clock by the answer's date; the refused
// request was not executed, so even a transaction is sent again.
func TestClockCorrected(t *testing.T) {
	skewed := says(403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than ...")
	skewed.date = time.Now().Add(time.Hour)
	f := newFake(t, skewed, answer{})
	if err := f.client(t).transact(t.Context(), "token", twoActions()); err != nil || f.count() != 2 {
		t.Errorf("answer: %v after %d requests, want success after 2", err, f.count())
	}
}

// refused returns a port without a listener.
func refused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestUnreachable(t *testing.T) {
	at, err := conn.Open(Config{Endpoint: refused(t), EndpointFrom: "DYNAMODB_ENDPOINT"})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{at}
	_, _, getErr := c.get(t.Context(), record.Dialogues, someKey)
	_, statusErr := (&tables.Tables{Conn: at}).Status(t.Context())
	for name, err := range map[string]error{"get": getErr, "transact": c.transact(t.Context(), "token", twoActions()), "status": statusErr} {
		if !errors.Is(err, record.ErrUnavailable) || errors.Is(err, errUnknown) {
			t.Errorf("%s: %v, want ErrUnavailable, certainly", name, err)
		}
		if text := fmt.Sprint(err); !strings.Contains(text, "(from DYNAMODB_ENDPOINT)") || !strings.HasSuffix(text, "connection refused") || !strings.Contains(hintOf(err), "just up") {
			t.Errorf("%s: %v, hint %q", name, err, hintOf(err))
		}
	}
}

func TestNoCredentials(t *testing.T) {
	chain := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role, no profile")
	})
	for name, c := range map[string]Config{
		"none given":    {Region: "eu-central-1"},
		"an empty AWS":  {AWS: &aws.Config{Region: "eu-central-1"}},
		"a chain fails": {AWS: &aws.Config{Region: "eu-central-1", Credentials: chain}},
	} {
		at, err := conn.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		cl := &client{at}
		_, _, getErr := cl.get(t.Context(), record.Dialogues, someKey)
		for call, err := range map[string]error{"get": getErr, "transact": cl.transact(t.Context(), "token", twoActions())} {
			if !errors.Is(err, record.ErrUnavailable) || errors.Is(err, errUnknown) || !strings.Contains(fmt.Sprint(err), "no AWS credentials") || !strings.Contains(hintOf(err), "AWS_PROFILE") {
				t.Errorf("%s, %s: %v, hint %q", name, call, err, hintOf(err))
			}
		}
	}
}

// TestShortSecret: what the SDK cannot sign with under GODEBUG=fips140=only is an
// error before it tries.
func TestShortSecret(t *testing.T) {
	f := newFake(t, says(400, "AccessDeniedException", "not you"))
	at, err := conn.Open(Config{Endpoint: f.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = (&client{at}).get(t.Context(), record.Dialogues, someKey)
	if text := fmt.Sprint(err); strings.Contains(text, "112 bits") != fips140.Enforced() || !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("enforced %t: %v", fips140.Enforced(), err)
	}
}

// TestScanIsNamed: to look whether a store is empty, before the first key is
// made, takes a permission that nothing else does.
func TestScanIsNamed(t *testing.T) {
	f := newFake(t, says(400, "AccessDeniedException", "User: u is not authorized to perform: dynamodb:Scan"))
	s, err := Open(t.Context(), Config{Endpoint: f.URL})
	if err != nil {
		t.Fatal(err)
	}
	if empty, err := s.IsEmpty(t.Context()); empty || !errors.Is(err, record.ErrUnavailable) || !strings.Contains(hintOf(err), "dynamodb:") || !strings.Contains(hintOf(err), "Scan before the first key") {
		t.Errorf("empty %v: %v, hint %q", empty, err, hintOf(err))
	}
}

// TestUnreachableAsAWhole distinguishes a DynamoDB that cannot be used from a table
// that cannot.
func TestUnreachableAsAWhole(t *testing.T) {
	ofTable := []string{"table missing", "key schema", "index missing", "denied"}
	for _, m := range meanings {
		c := newFake(t, m.answer).client(t)
		_, _, err := c.get(t.Context(), record.Audit, someKey)
		want := !slices.Contains(ofTable, m.name)
		for _, err := range []error{err, c.transact(t.Context(), "", twoActions()[1:])} {
			if got := Unreachable(fmt.Errorf("x: %w", err)); got != want {
				t.Errorf("%s: unreachable is %v, want %v: %v", m.name, got, want, err)
			}
		}
	}
	for _, a := range []answer{{drop: true}, says(500, "InternalServerError", "x"), says(400, "ThrottlingException", "x")} {
		if _, _, err := newFake(t, a).client(t).get(t.Context(), record.Audit, someKey); !Unreachable(err) {
			t.Errorf("not unreachable: %v", err)
		}
	}
	for _, err := range []error{nil, record.ErrUnavailable, errUnknown, &conn.Fault{Kind: record.ErrTooLarge}} {
		if Unreachable(err) {
			t.Errorf("unreachable: %v", err)
		}
	}
}

// isThrottled reports whether a read failed because the capacity is exhausted.
func isThrottled(err error) bool {
	f, ok := errors.AsType[*conn.Fault](err)
	return ok && f.Throttled
}
