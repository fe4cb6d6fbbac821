// Package awsclient holds the rules that every AWS client of this project
// shares: which endpoint it uses, which credentials sign a request, and the
// class of failure that an error of the SDK stands for.
//
// It reads no environment and sends nothing. The command reads the settings
// (cmd/blue-store). The packages dynamo, keys/awskms and audit/anchor build
// the clients and word the messages.
package awsclient

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	blue "github.com/superviber/blue-encrypted-store"
)

// A Service is an AWS service whose endpoint can be set.
type Service string

// The services that this project calls through a configurable endpoint.
const (
	DynamoDB Service = "DynamoDB" // Amazon DynamoDB
	KMS      Service = "KMS"      // AWS Key Management Service
)

// Variables returns the environment variables that can set the endpoint. The
// first one that is not empty wins.
func (s Service) Variables() []string {
	if s == KMS {
		return []string{"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"}
	}
	return []string{"DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"}
}

// exposure returns what an eavesdropper reads over plain http.
func (s Service) exposure() string {
	if s == KMS {
		return "it would show the keys"
	}
	return "it would show who asks for what"
}

// An Endpoint is the address of a service. The zero value is AWS's own
// endpoint of the region.
type Endpoint struct {
	URL      string // scheme, host and port in lower case, no trailing slash
	From     string // the setting it comes from, for example "DYNAMODB_ENDPOINT"
	Loopback bool   // the host is this machine
	Plain    bool   // the scheme is http
}

// IsLocal reports whether the endpoint is plain http on this machine. Such a
// server is a local replacement for AWS and needs no region and no credentials.
func (e Endpoint) IsLocal() bool { return e.Loopback && e.Plain }

// IsExposed reports whether the network can read and change the requests.
func (e Endpoint) IsExposed() bool { return e.Plain && !e.Loopback }

// EndpointFlags are the values of --endpoint and --insecure-endpoint.
type EndpointFlags struct {
	Endpoint string
	Given    bool // --endpoint was given, possibly empty
	Insecure bool
}

// An EndpointError states why an endpoint cannot be used. It wraps
// blue.ErrInvalid.
type EndpointError struct{ message, hint string }

// Error implements error.
func (e *EndpointError) Error() string { return e.message }

// Hint returns what to type.
func (e *EndpointError) Hint() string { return e.hint }

// Unwrap returns blue.ErrInvalid.
func (e *EndpointError) Unwrap() error { return blue.ErrInvalid }

// Find returns the endpoint from the flag, or from the first variable of env
// that is set, or AWS's own. An empty variable counts as unset, an empty flag
// is an error. Find sends nothing. Errors are *EndpointError.
func (s Service) Find(f EndpointFlags, env func(string) string) (Endpoint, error) {
	text, from := f.Endpoint, "--endpoint"
	if f.Given && text == "" {
		return Endpoint{}, &EndpointError{"--endpoint is empty", "leave it out to use AWS, or: --endpoint http://localhost:8000"}
	}
	for _, name := range s.Variables() {
		if text == "" {
			text, from = env(name), name
		}
	}
	if text == "" {
		return Endpoint{From: "default: AWS"}, nil
	}
	e, err := ParseEndpoint(text, from)
	if err == nil && e.IsExposed() && !f.Insecure {
		return e, &EndpointError{
			fmt.Sprintf("the endpoint %s (from %s) is plain http to another host: %s; nothing was sent", e.URL, from, s.exposure()),
			"use https, a tunnel that ends on localhost, or --insecure-endpoint",
		}
	}
	return e, err
}

// ParseEndpoint checks an endpoint and normalizes it to scheme, host and port.
// Capitals and one trailing slash make no difference. The message never quotes
// the text, because it can contain a password. Errors are *EndpointError.
func ParseEndpoint(text, from string) (Endpoint, error) {
	bad := func(why string) (Endpoint, error) {
		subject := "the endpoint "
		if from != "" {
			subject += "from " + from + " "
		}
		return Endpoint{From: from}, &EndpointError{subject + why, "for example http://localhost:8000"}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("is not a URL")
	case u.User != nil:
		return bad("holds a user or a password; credentials go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("does not begin with http:// or https://")
	case u.Hostname() == "":
		return bad("names no host")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("must end after the host and the port")
	}
	u = &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	return Endpoint{URL: u.String(), From: from, Plain: u.Scheme == "http", Loopback: IsLoopback(u.Hostname())}, nil
}

// IsLoopback reports whether a host name is this machine. It uses no resolver,
// because a name other than localhost can resolve to any address.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// dummy signs requests to a server that does not check signatures. It is not a
// secret, but it is long enough for FIPS 140-3.
var dummy = aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local-dummy-secret"}

// minSecret is the minimum length in bytes of a secret access key under
// GODEBUG=fips140=only. Signature Version 4 prepends "AWS4" for its first HMAC,
// whose key must have 112 bits (NIST SP 800-131A). AWS's own secrets have 40.
const minSecret = 112/8 - len("AWS4")

// A CredentialsError reports that no usable credentials were found. Nothing was
// signed and nothing was sent.
type CredentialsError struct {
	Short bool // the secret is too short for GODEBUG=fips140=only
	Cause error
}

// Error implements error.
func (e *CredentialsError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.Cause }

var errShort = errors.New("the AWS secret access key is too short to sign with: GODEBUG=fips140=only takes no key of less than 112 bits")

// Credentials returns the credentials for an endpoint, in this order: the dummy
// for plain http to another host, so that no secret is exposed; own, unless it
// is nil; the dummy for a local server; the credentials of the SDK's configuration.
// Retrieve returns *CredentialsError.
func Credentials(at Endpoint, own aws.CredentialsProvider, sdk *aws.Config) aws.CredentialsProvider {
	switch {
	case at.IsExposed():
		return staticCredentials(dummy, nil)
	case own != nil:
		return Checked(own)
	case at.IsLocal():
		return staticCredentials(dummy, nil)
	case sdk != nil && sdk.Credentials != nil:
		return Checked(sdk.Credentials)
	}
	return Checked(staticCredentials(aws.Credentials{}, errors.New("none were given")))
}

// Checked returns a provider whose errors are *CredentialsError. It refuses a
// secret that the SDK cannot sign with in FIPS 140-3 mode.
func Checked(p aws.CredentialsProvider) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := p.Retrieve(ctx)
		switch {
		case err != nil:
			return c, &CredentialsError{Cause: err}
		case fips140.Enforced() && len(c.SecretAccessKey) < minSecret:
			return aws.Credentials{}, &CredentialsError{Short: true, Cause: errShort}
		}
		return c, nil
	})
}

func staticCredentials(c aws.Credentials, err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, err })
}

// HTTPClient returns a client that sends requests with inner, or with the SDK's
// own client if inner is nil. It hides the method WriteTo of a request body.
//
// The SDK (smithy-go 1.28.9, package transport/http) closes a body as soon as
// the headers of the response arrive. net/http can call WriteTo of the body after
// that, to check that nothing follows the body it has sent. WriteTo of a closed
// body returns io.EOF, so net/http closes the connection, and the SDK cannot read
// the rest of the response. Read of a closed body has no such effect.
func HTTPClient(inner aws.HTTPClient) aws.HTTPClient {
	if inner == nil {
		inner = awshttp.NewBuildableClient()
	}
	return awsHTTPClient{inner}
}

type awsHTTPClient struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c awsHTTPClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}

// A Class is the kind of failure that an error code of AWS stands for,
// independent of the service.
type Class int

// The classes. Other is every code that needs the service's own words.
const (
	Other         Class = iota // not listed here
	Denied                     // a policy refuses the request
	UnknownKey                 // the access key does not exist
	Expired                    // the credentials have expired
	BadSignature               // the secret access key is wrong
	NoCredentials              // the request was not signed
	Skewed                     // the clocks differ too much
	Throttled                  // the capacity is exhausted, a later request can succeed
	Internal                   // the service failed
	Unsupported                // the server does not know the operation
)

// classes maps error codes to classes ("Common Error Types" of the AWS API
// references of DynamoDB and KMS, and their query-protocol spellings).
var classes = map[string]Class{
	"AccessDeniedException": Denied, "AccessDenied": Denied, "NotAuthorized": Denied,

	"UnrecognizedClientException": UnknownKey, "InvalidClientTokenId": UnknownKey, "InvalidAccessKeyId": UnknownKey,

	"ExpiredTokenException": Expired, "ExpiredToken": Expired, "RequestExpired": Expired,

	"InvalidSignatureException": BadSignature, "SignatureDoesNotMatch": BadSignature,
	"IncompleteSignatureException": BadSignature, "IncompleteSignature": BadSignature,

	"MissingAuthenticationTokenException": NoCredentials, "MissingAuthenticationToken": NoCredentials,

	"RequestTimeTooSkewed": Skewed,

	"ThrottlingException": Throttled, "Throttling": Throttled, "ProvisionedThroughputExceededException": Throttled,
	"RequestLimitExceeded": Throttled, "LimitExceededException": Throttled, "TooManyRequestsException": Throttled,
	"RequestThrottledException": Throttled,

	"InternalFailure": Internal, "ServiceUnavailable": Internal,

	"UnknownOperationException": Unsupported,
}

// ClassOf returns the class of a service's error code and message. A signature
// that the service calls expired or not yet current is a clock that differs.
func ClassOf(code, message string) Class {
	if strings.Contains(message, "Signature expired") || strings.Contains(message, "Signature not yet current") {
		return Skewed
	}
	return classes[code]
}

// ClassOfError returns the class of an SDK error, Other if the service sent none.
func ClassOfError(err error) Class {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return ClassOf(api.ErrorCode(), api.ErrorMessage())
	}
	return Other
}

// Code returns the service's code of an SDK error, "" if the service sent none.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Status returns the HTTP status of the answer, 0 if there was no answer.
func Status(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

// Cause returns the service's own words, or the text of the innermost error,
// because the text of an SDK error repeats the rest at each level.
func Cause(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// IsNotSent reports whether the request certainly never left this machine: there
// were no credentials, no connection, or a certificate that is not trusted.
func IsNotSent(err error) bool {
	if _, ok := errors.AsType[*CredentialsError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}
