// Package credentials says which AWS credentials sign a request, and what is
// wrong with those that cannot.
//
// What belongs here: the order in which they are taken, the dummy for servers
// that do not check, the error that tells credentials from every other fault.
// What does not: where they come from (cmd hands them in), where they may be
// sent (internal/endpoint), what a server says of them (dynamo, keys/awskms).
package credentials

import (
	"context"
	"crypto/fips140"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/superviber/blue-encrypted-store/internal/endpoint"
)

// dummy signs for a server that does not check: no secret at all, but as long as
// FIPS 140-3 asks of a key.
var dummy = aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local-dummy-secret"}

// leastSecret is the fewest bytes of a secret access key under GODEBUG=
// fips140=only: Signature Version 4 puts "AWS4" before it for its first HMAC,
// whose key must have 112 bits there (NIST SP 800-131A). AWS's own have 40.
const leastSecret = 112/8 - len("AWS4")

// Error is an error of finding credentials: nothing was signed and sent.
type Error struct {
	Short bool // there are some, with a secret too short for fips140=only
	Cause error
}

func (e *Error) Error() string { return e.Cause.Error() }
func (e *Error) Unwrap() error { return e.Cause }

var errShort = errors.New("the AWS secret access key is too short to sign with: GODEBUG=fips140=only takes no key of less than 112 bits")

// For returns those that sign what goes to an endpoint: the dummy where plain
// http goes to another host, whatever else is given; own, if not nil; the dummy
// on this machine; those of the SDK's configuration, if not nil. Retrieve
// returns *Error.
func For(at endpoint.Endpoint, own aws.CredentialsProvider, sdk *aws.Config) aws.CredentialsProvider {
	switch {
	case at.Open():
		return fixed(dummy, nil)
	case own != nil:
		return Checked(own)
	case at.Local():
		return fixed(dummy, nil)
	case sdk != nil && sdk.Credentials != nil:
		return Checked(sdk.Credentials)
	}
	return Checked(fixed(aws.Credentials{}, errors.New("none were given")))
}

// Checked returns a provider that returns *Error, and that instead of a secret
// which the SDK cannot sign with.
func Checked(p aws.CredentialsProvider) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := p.Retrieve(ctx)
		switch {
		case err != nil:
			return c, &Error{Cause: err}
		case fips140.Enforced() && len(c.SecretAccessKey) < leastSecret:
			return aws.Credentials{}, &Error{Short: true, Cause: errShort}
		}
		return c, nil
	})
}

func fixed(c aws.Credentials, err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, err })
}
