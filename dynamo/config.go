package dynamo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

// Config says where the tables are and who asks. Nothing in it is read from
// the environment: whoever wants AWS's own chain of settings (profiles, roles,
// AWS_*) loads it and hands it over as AWS.
//
// Credentials are, in this order: "local" and a dummy secret for plain http to another
// host, whatever else is given; Credentials; the same dummies for plain http to
// this machine, which is DynamoDB Local; those of AWS.
type Config struct {
	// Endpoint is the server's base URL, e.g. "http://localhost:8000". ""
	// is AWS's own endpoint of the region. Plain http is for loopback
	// addresses alone: anywhere else it would show who asks for what.
	Endpoint string
	// Insecure allows plain http to another host, such as DynamoDB Local in
	// another container: what is sent there can be read and changed on the
	// way. Credentials never go there; the dummies do.
	Insecure bool
	// EndpointFrom is where Endpoint was set, e.g. "DYNAMODB_ENDPOINT", for
	// messages.
	EndpointFrom string
	// Region is AWS.Region if "", and "local" for a loopback endpoint.
	Region string
	// Prefix stands before each table's name: [A-Za-z0-9_.-]*. No MAC and
	// no address sees it.
	Prefix string
	// Credentials are used as they are.
	Credentials aws.CredentialsProvider
	// AWS is the SDK's configuration, as config.LoadDefaultConfig returns
	// it. Its endpoint settings are not used: Endpoint alone decides.
	AWS *aws.Config
	// HTTPClient sends the requests; nil is the SDK's own.
	HTTPClient aws.HTTPClient
	// RequestTimeout bounds one request, its answer included; 0 means 15 s.
	// It is the SDK's own client that obeys it, not an HTTPClient.
	RequestTimeout time.Duration
	// Lease is how long a writer lets another's big commit go first before it
	// believes it dead; 0 means 3 s. Stores with different ones get along:
	// a lease is advice (turns.go).
	Lease time.Duration
}

// maxPrefix leaves room for the longest table name: 255 bytes in all
// ("Service, account, and table quotas", 3–255).
const maxPrefix = 255 - len(record.Dialogues)

// attempts bounds how often the SDK sends a request; the protocol has a budget
// of its own on top.
const attempts = 3

// check returns the parsed endpoint, the zero value for AWS's own.
func (c Config) check() (awsclient.Endpoint, error) {
	if len(c.Prefix) > maxPrefix || strings.ContainsFunc(c.Prefix, notOfTableName) {
		return awsclient.Endpoint{}, &fault{kind: record.ErrInvalid, message: fmt.Sprintf("the table prefix %q may hold letters, digits, '_', '.' and '-', at most %d", c.Prefix, maxPrefix)}
	}
	if c.Endpoint == "" {
		return awsclient.Endpoint{}, nil
	}
	e, err := awsclient.ParseEndpoint(c.Endpoint, c.EndpointFrom)
	if wrong, ok := errors.AsType[*awsclient.EndpointError](err); ok {
		return e, &fault{kind: record.ErrInvalid, message: wrong.Error(), hint: wrong.Hint()}
	}
	if err == nil && e.IsExposed() && !c.Insecure {
		err = &fault{
			kind:    record.ErrInvalid,
			message: fmt.Sprintf("the endpoint %s%s is plain http to another host; nothing was sent", e.URL, c.from()),
			hint:    "use https, or a tunnel that ends on localhost",
		}
	}
	return e, err
}

func notOfTableName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r))
}

// from is " (from DYNAMODB_ENDPOINT)", or nothing.
func (c Config) from() string {
	if c.EndpointFrom == "" {
		return ""
	}
	return " (from " + c.EndpointFrom + ")"
}

// connection is a client of the service, and how to speak of it.
type connection struct {
	api    *dynamodb.Client
	prefix string
	at     string // e.g. "http://localhost:8000 (from DYNAMODB_ENDPOINT)", "eu-central-1"
	local  bool   // DynamoDB Local, or something that stands in for it
}

// connect checks a configuration and sends nothing.
func connect(c Config) (*connection, error) {
	at, err := c.check()
	if err != nil {
		return nil, err
	}
	var base aws.Config
	if c.AWS != nil {
		base = c.AWS.Copy()
	}
	s := &connection{prefix: c.Prefix, local: at.Loopback}
	if base.Region, err = c.region(s.local); err != nil {
		return nil, err
	}
	s.at = base.Region
	if at.URL != "" {
		s.at = at.URL + c.from()
	}
	base.Credentials = aws.NewCredentialsCache(awsclient.Credentials(at, c.Credentials, c.AWS))
	s.api = dynamodb.NewFromConfig(base, func(o *dynamodb.Options) {
		o.BaseEndpoint = nil
		if at.URL != "" {
			o.BaseEndpoint = aws.String(at.URL)
			o.AccountIDEndpointMode = aws.AccountIDEndpointModeDisabled
		}
		o.HTTPClient = checked{c.httpClient()}
		o.Retryer = retryer(retry.DefaultRetryables)
	})
	return s, nil
}

func (c Config) region(local bool) (string, error) {
	switch {
	case c.Region != "":
		return c.Region, nil
	case c.AWS != nil && c.AWS.Region != "":
		return c.AWS.Region, nil
	case local:
		return "local", nil
	}
	return "", &fault{kind: record.ErrInvalid, message: "no AWS region is set", hint: "set AWS_REGION, for example AWS_REGION=eu-central-1, or an endpoint on this machine: DYNAMODB_ENDPOINT=http://localhost:8000"}
}

func (c Config) httpClient() aws.HTTPClient {
	if c.HTTPClient != nil {
		return c.HTTPClient
	}
	timeout := c.RequestTimeout
	if timeout <= 0 {
		timeout = 15 * time.Second
	}
	if c.AWS != nil && c.AWS.HTTPClient != nil {
		if b, ok := c.AWS.HTTPClient.(*awshttp.BuildableClient); ok {
			return b.WithTimeout(timeout)
		}
		return c.AWS.HTTPClient
	}
	return awshttp.NewBuildableClient().WithTimeout(timeout)
}

// retryer repeats what may be repeated, with a short jittered pause. The SDK's
// token bucket is off: it would let one caller's bad minute end another's
// first retry, and the attempts are bounded anyway.
func retryer(what []retry.IsErrorRetryable) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Retryables = what
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return rand.N(min(100*time.Millisecond<<attempt, time.Second)), nil
		})
	})
}

// table returns the physical name of a table.
func (s *connection) table(t record.Table) (*string, error) {
	switch t {
	case record.Dialogues, record.Audit, record.Keys:
		return aws.String(s.prefix + string(t)), nil
	}
	return nil, fmt.Errorf("%w: record: unknown table %q", record.ErrInvalid, t)
}
