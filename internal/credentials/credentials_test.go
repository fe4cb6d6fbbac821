package credentials

import (
	"crypto/fips140"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/superviber/blue-encrypted-store/internal/endpoint"
)

// long is a secret that every mode signs with.
const long = "0123456789"

func TestFor(t *testing.T) {
	local := endpoint.Endpoint{URL: "http://localhost:8000", Loopback: true, Plain: true}
	open := endpoint.Endpoint{URL: "http://elsewhere:8000", Plain: true}
	own := fixed(aws.Credentials{AccessKeyID: "own", SecretAccessKey: long}, nil)
	sdk := &aws.Config{Credentials: fixed(aws.Credentials{AccessKeyID: "sdk", SecretAccessKey: long}, nil)}
	for _, c := range []struct {
		name string
		at   endpoint.Endpoint
		own  aws.CredentialsProvider
		sdk  *aws.Config
		want string // access key id, "" for *Error
	}{
		{"an open endpoint gets none of ours", open, own, sdk, "local"},
		{"own come first on this machine", local, own, sdk, "own"},
		{"own come first in AWS", endpoint.Endpoint{}, own, sdk, "own"},
		{"this machine gets the dummy, not the profile's", local, nil, sdk, "local"},
		{"AWS gets the profile's", endpoint.Endpoint{}, nil, sdk, "sdk"},
		{"no configuration", endpoint.Endpoint{}, nil, nil, ""},
		{"a configuration without any", endpoint.Endpoint{}, nil, &aws.Config{}, ""},
	} {
		got, err := For(c.at, c.own, c.sdk).Retrieve(t.Context())
		_, failed := errors.AsType[*Error](err)
		if got.AccessKeyID != c.want || failed != (c.want == "") {
			t.Errorf("%s: %q %v, want %q", c.name, got.AccessKeyID, err, c.want)
		}
	}
}

func TestCheckedKeepsTheCause(t *testing.T) {
	cause := errors.New("expired")
	_, err := Checked(fixed(aws.Credentials{}, cause)).Retrieve(t.Context())
	if e, ok := errors.AsType[*Error](err); !ok || e.Short || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

// TestShortSecret: what the SDK would panic on is an error, in that mode alone.
func TestShortSecret(t *testing.T) {
	for _, n := range []int{0, leastSecret - 1, leastSecret} {
		_, err := Checked(fixed(aws.Credentials{AccessKeyID: "a", SecretAccessKey: long[:n]}, nil)).Retrieve(t.Context())
		e, refused := errors.AsType[*Error](err)
		if refused != (fips140.Enforced() && n < leastSecret) || refused && !e.Short {
			t.Errorf("%d bytes, enforced %t: %v", n, fips140.Enforced(), err)
		}
	}
}
