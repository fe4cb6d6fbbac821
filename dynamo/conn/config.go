package conn

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
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

// Config describes where the tables are and which credentials sign the requests.
// Nothing in it is read from the environment. To use AWS's own chain of settings
// (profiles, roles, AWS_* variables), load it and set AWS.
//
// The credentials are, in this order: a dummy for plain http to another host;
// Credentials; the dummy for plain http to this machine, which is DynamoDB
// Local; the credentials of AWS.
type Config struct {
	// Endpoint is the server's base URL, for example "http://localhost:8000".
	// "" is AWS's own endpoint of the region. Plain http is refused for other
	// hosts, because the network would see every request.
	Endpoint string
	// Insecure allows plain http to another host, such as DynamoDB Local in a
	// container. The network can read and change the requests. Credentials are
	// never sent there.
	Insecure bool
	// EndpointFrom names the setting that Endpoint comes from, for messages,
	// for example "DYNAMODB_ENDPOINT".
	EndpointFrom string
	// Region is AWS.Region if "", and "local" for a loopback endpoint.
	Region string
	// Prefix precedes each table's name: [A-Za-z0-9_.-]*, at most 241 bytes.
	// It is not part of any MAC or address.
	Prefix string
	// Credentials sign the requests, unchanged.
	Credentials aws.CredentialsProvider
	// AWS is the SDK's configuration, as config.LoadDefaultConfig returns it.
	// Its endpoint settings are ignored.
	AWS *aws.Config
	// HTTPClient sends the requests. Nil is the SDK's own client.
	HTTPClient aws.HTTPClient
	// RequestTimeout bounds one request and its answer, 15 s if 0. A given
	// HTTPClient ignores it.
	RequestTimeout time.Duration
	// Lease is how long package dynamo lets the large commit of another writer
	// go first before it treats that writer as dead, 3 s if 0. Stores can use
	// different values, because a lease is advisory.
	Lease time.Duration
}

// maxPrefix is the longest prefix that leaves room for the longest table name:
// a name has at most 255 bytes (Amazon DynamoDB quotas, "Table name").
const maxPrefix = 255 - len(record.Dialogues)

// attempts is how often the SDK sends one request. The commit protocol has a
// budget of its own in addition.
const attempts = 3

// CheckPrefix returns a *Fault, record.ErrInvalid, for a prefix that no table
// name can have.
func CheckPrefix(prefix string) error {
	if len(prefix) > maxPrefix || strings.ContainsFunc(prefix, isNotTableNameRune) {
		return &Fault{Kind: record.ErrInvalid, Message: fmt.Sprintf("the table prefix %q may hold letters, digits, '_', '.' and '-', at most %d", prefix, maxPrefix)}
	}
	return nil
}

func isNotTableNameRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r))
}

// endpoint returns the checked endpoint, the zero value for AWS's own.
func (c Config) endpoint() (awsclient.Endpoint, error) {
	if err := CheckPrefix(c.Prefix); err != nil || c.Endpoint == "" {
		return awsclient.Endpoint{}, err
	}
	e, err := awsclient.ParseEndpoint(c.Endpoint, c.EndpointFrom)
	if invalid, ok := errors.AsType[*awsclient.EndpointError](err); ok {
		return e, &Fault{Kind: record.ErrInvalid, Message: invalid.Error(), HintText: invalid.Hint()}
	}
	if err == nil && e.IsExposed() && !c.Insecure {
		err = &Fault{
			Kind:     record.ErrInvalid,
			Message:  fmt.Sprintf("the endpoint %s%s is plain http to another host; nothing was sent", e.URL, c.origin()),
			HintText: "use https, or a tunnel that ends on localhost",
		}
	}
	return e, err
}

// origin returns " (from SETTING)", or "" if the setting is not known.
func (c Config) origin() string {
	if c.EndpointFrom == "" {
		return ""
	}
	return " (from " + c.EndpointFrom + ")"
}

// A Conn is a client of one DynamoDB, with what messages need to name it. It may
// be used concurrently.
type Conn struct {
	API    *dynamodb.Client
	Prefix string // of the table names
	At     string // for messages, for example "http://localhost:8000 (from DYNAMODB_ENDPOINT)" or "eu-central-1"
	Local  bool   // the server is on this machine, so it is DynamoDB Local or a replacement
}

// Open checks a configuration and returns its client. It sends nothing. The
// error is a *Fault, record.ErrInvalid, if the configuration cannot be right.
func Open(c Config) (*Conn, error) {
	at, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	var base aws.Config
	if c.AWS != nil {
		base = c.AWS.Copy()
	}
	s := &Conn{Prefix: c.Prefix, Local: at.Loopback}
	if base.Region, err = c.region(s.Local); err != nil {
		return nil, err
	}
	s.At = base.Region
	if at.URL != "" {
		s.At = at.URL + c.origin()
	}
	base.Credentials = aws.NewCredentialsCache(awsclient.Credentials(at, c.Credentials, c.AWS))
	s.API = dynamodb.NewFromConfig(base, func(o *dynamodb.Options) {
		o.BaseEndpoint = nil
		if at.URL != "" {
			o.BaseEndpoint = aws.String(at.URL)
			o.AccountIDEndpointMode = aws.AccountIDEndpointModeDisabled
		}
		o.HTTPClient = checksumClient{awsclient.HTTPClient(c.httpClient())}
		o.Retryer = newRetryer(retry.DefaultRetryables)
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
	return "", &Fault{Kind: record.ErrInvalid, Message: "no AWS region is set", HintText: "set AWS_REGION, for example AWS_REGION=eu-central-1, or an endpoint on this machine: DYNAMODB_ENDPOINT=http://localhost:8000"}
}

func (c Config) httpClient() aws.HTTPClient {
	if c.HTTPClient != nil {
		return c.HTTPClient
	}
	timeout := cmp.Or(max(c.RequestTimeout, 0), 15*time.Second)
	if c.AWS != nil && c.AWS.HTTPClient != nil {
		if b, ok := c.AWS.HTTPClient.(*awshttp.BuildableClient); ok {
			return b.WithTimeout(timeout)
		}
		return c.AWS.HTTPClient
	}
	return awshttp.NewBuildableClient().WithTimeout(timeout)
}

// newRetryer returns a retryer with short jittered pauses. It does not use the
// SDK's token bucket, because failures of one caller would then prevent the
// first retry of another, and the attempts are bounded anyway.
func newRetryer(retryable []retry.IsErrorRetryable) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Retryables = retryable
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return rand.N(min(100*time.Millisecond<<attempt, time.Second)), nil
		})
	})
}

// RetryIfNotExecuted is an option of one call. It lets the SDK repeat only a
// request that no server has executed.
func RetryIfNotExecuted(o *dynamodb.Options) {
	o.Retryer = newRetryer([]retry.IsErrorRetryable{
		retry.NoRetryCanceledError{},
		retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if _, missing := errors.AsType[*awsclient.CredentialsError](err); !missing && awsclient.IsNotSent(err) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}),
		retry.RetryableError{}, // the SDK's own mark for a clock that it has corrected since
	})
}

// Table returns the physical name of a table. record.ErrInvalid for a table
// that does not exist.
func (c *Conn) Table(t record.Table) (*string, error) {
	switch t {
	case record.Dialogues, record.Audit, record.Keys:
		return aws.String(c.Prefix + string(t)), nil
	}
	return nil, fmt.Errorf("%w: record: unknown table %q", record.ErrInvalid, t)
}

// checksumClient reads an answer completely and compares it with its length and
// its checksum (header X-Amz-Crc32) before the SDK parses it. The SDK itself
// only logs a wrong checksum.
type checksumClient struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c checksumClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.inner.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if text := resp.Header.Get("X-Amz-Crc32"); text != "" {
		if want, err := strconv.ParseUint(text, 10, 32); err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
			return nil, fmt.Errorf("the answer of %d bytes does not have the checksum it came with", len(body))
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
