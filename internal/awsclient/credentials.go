package awsclient

import (
	"context"
	"crypto/fips140"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
)

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
		return static(dummy, nil)
	case own != nil:
		return Checked(own)
	case at.IsLocal():
		return static(dummy, nil)
	case sdk != nil && sdk.Credentials != nil:
		return Checked(sdk.Credentials)
	}
	return Checked(static(aws.Credentials{}, errors.New("none were given")))
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

func static(c aws.Credentials, err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, err })
}
