// Package endpoint says which DynamoDB and which KMS is asked: where the setting
// comes from, how it must look, and where plain http may lead
// (docs/decisions/0012).
//
// What belongs here: the one rule, for every program, dynamo.Config and
// awskms.Config. What does not: credentials, regions and the asking (dynamo,
// keys/awskms), the reading of the environment (cmd hands it in), and the
// servers of the tests (internal/testing/dynamolocal, internal/testing/kmslocal).
package endpoint

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// Service is what is asked.
type Service string

const (
	DynamoDB Service = "DynamoDB"
	KMS      Service = "KMS"
)

// Variables returns those that may set the endpoint; the first one that is not
// empty wins.
func (s Service) Variables() []string {
	if s == KMS {
		return []string{"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"}
	}
	return []string{"DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"}
}

// shown is what could be read on the way over plain http.
func (s Service) shown() string {
	if s == KMS {
		return "it would show the keys"
	}
	return "it would show who asks for what"
}

// Endpoint is where a service is.
type Endpoint struct {
	URL      string // scheme, host and port in lower case, no trailing slash; "" for AWS
	From     string // where it was set, e.g. "DYNAMODB_ENDPOINT"
	Loopback bool   // it is on this machine
	Plain    bool   // and spoken to by plain http
}

// Local reports whether this is a local stand-in by all signs: plain http on
// this machine. It needs no region and no credentials.
func (e Endpoint) Local() bool { return e.Loopback && e.Plain }

// Open reports whether what is sent there can be read and changed on the way.
func (e Endpoint) Open() bool { return e.Plain && !e.Loopback }

// Flags are --endpoint and --insecure-endpoint as typed.
type Flags struct {
	Endpoint string
	Given    bool // --endpoint stands there, though it may be empty
	Insecure bool
}

// Error is an endpoint that cannot be used. It is blue.ErrInvalid.
type Error struct{ message, hint string }

func (e *Error) Error() string { return e.message }
func (e *Error) Hint() string  { return e.hint } // what to type
func (e *Error) Unwrap() error { return blue.ErrInvalid }

// Find returns the endpoint that is set nearest: by the flag, else by the
// variables of env in their order, else AWS. An empty variable is not set; an
// empty flag is an error. Errors are *Error. Nothing is looked up or sent.
func (s Service) Find(f Flags, env func(string) string) (Endpoint, error) {
	text, from := f.Endpoint, "--endpoint"
	if f.Given && text == "" {
		return Endpoint{}, &Error{"--endpoint is empty", "leave it out to use AWS, or: --endpoint http://localhost:8000"}
	}
	for _, name := range s.Variables() {
		if text == "" {
			text, from = env(name), name
		}
	}
	if text == "" {
		return Endpoint{From: "default: AWS"}, nil
	}
	e, err := Parse(text, from)
	if err == nil && e.Open() && !f.Insecure {
		return e, &Error{
			fmt.Sprintf("the endpoint %s (from %s) is plain http to another host: %s; nothing was sent", e.URL, from, s.shown()),
			"use https, a tunnel that ends on localhost, or --insecure-endpoint",
		}
	}
	return e, err
}

// Parse checks the form of an endpoint and writes it one way: scheme, host and
// port; capitals and one trailing slash make no difference. A message shows
// nothing of the text, for a password can be in it. Errors are *Error.
func Parse(text, from string) (Endpoint, error) {
	bad := func(why string) (Endpoint, error) {
		subject := "the endpoint "
		if from != "" {
			subject += "from " + from + " "
		}
		return Endpoint{From: from}, &Error{subject + why, "for example http://localhost:8000"}
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

// IsLoopback reports whether a host name is this machine. It asks no resolver: a name other than localhost may lead anywhere.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
