package awsclient

import (
	"crypto/fips140"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// long is a secret that every mode signs with.
const long = "0123456789"

func TestCredentials(t *testing.T) {
	local := Endpoint{URL: "http://localhost:8000", Loopback: true, Plain: true}
	open := Endpoint{URL: "http://elsewhere:8000", Plain: true}
	own := staticCredentials(aws.Credentials{AccessKeyID: "own", SecretAccessKey: long}, nil)
	sdk := &aws.Config{Credentials: staticCredentials(aws.Credentials{AccessKeyID: "sdk", SecretAccessKey: long}, nil)}
	for _, c := range []struct {
		name string
		at   Endpoint
		own  aws.CredentialsProvider
		sdk  *aws.Config
		want string // access key id, "" for *CredentialsError
	}{
		{"an open endpoint gets none of ours", open, own, sdk, "local"},
		{"own come first on this machine", local, own, sdk, "own"},
		{"own come first in AWS", Endpoint{}, own, sdk, "own"},
		{"this machine gets the dummy, not the profile's", local, nil, sdk, "local"},
		{"AWS gets the profile's", Endpoint{}, nil, sdk, "sdk"},
		{"no configuration", Endpoint{}, nil, nil, ""},
		{"a configuration without any", Endpoint{}, nil, &aws.Config{}, ""},
	} {
		got, err := Credentials(c.at, c.own, c.sdk).Retrieve(t.Context())
		_, failed := errors.AsType[*CredentialsError](err)
		if got.AccessKeyID != c.want || failed != (c.want == "") {
			t.Errorf("%s: %q %v, want %q", c.name, got.AccessKeyID, err, c.want)
		}
	}
}

func TestCheckedKeepsTheCause(t *testing.T) {
	cause := errors.New("expired")
	_, err := Checked(staticCredentials(aws.Credentials{}, cause)).Retrieve(t.Context())
	if e, ok := errors.AsType[*CredentialsError](err); !ok || e.Short || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

// TestShortSecret: what the SDK would panic on is an error, in that mode alone.
func TestShortSecret(t *testing.T) {
	for _, n := range []int{0, minSecret - 1, minSecret} {
		_, err := Checked(staticCredentials(aws.Credentials{AccessKeyID: "a", SecretAccessKey: long[:n]}, nil)).Retrieve(t.Context())
		e, refused := errors.AsType[*CredentialsError](err)
		if refused != (fips140.Enforced() && n < minSecret) || refused && !e.Short {
			t.Errorf("%d bytes, enforced %t: %v", n, fips140.Enforced(), err)
		}
	}
}
