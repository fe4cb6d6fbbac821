package awsclient

import (
	"fmt"
	"net"
	"net/url"
	"strings"

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
