package conn

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/superviber/blue-encrypted-store/record"
)

// secretOf are credentials that every FIPS mode signs with.
func secretOf(id string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(id, "no-secret-of-anyone", "")
}

func TestConfigRefused(t *testing.T) {
	real := secretOf("AKIA")
	for name, c := range map[string]Config{
		"plain http to another host": {Endpoint: "http://dynamodb.eu-central-1.amazonaws.com", Region: "eu-central-1", Credentials: real},
		"plain http, private range":  {Endpoint: "http://10.0.0.7:8000", Region: "r"},
		"a name that looks local":    {Endpoint: "http://localhost.example.org:8000", Region: "r"},
		"an address in the path":     {Endpoint: "http://example.org/127.0.0.1", Region: "r"},
		"a user in the URL":          {Endpoint: "http://127.0.0.1@example.org:8000", Region: "r"},
		"a user, locally":            {Endpoint: "http://u:p@localhost:8000"},
		"no scheme":                  {Endpoint: "localhost:8000"},
		"another scheme":             {Endpoint: "ftp://localhost:8000"},
		"no host":                    {Endpoint: "http://"},
		"a path":                     {Endpoint: "http://localhost:8000/shell"},
		"a query":                    {Endpoint: "http://localhost:8000?x=1"},
		"two slashes":                {Endpoint: "http://localhost:8000//"},
		"no region":                  {},
		"no region, another host":    {Endpoint: "https://example.org"},
		"a prefix with a blank":      {Endpoint: "http://localhost:8000", Prefix: "my tables"},
		"a prefix of umlauts":        {Endpoint: "http://localhost:8000", Prefix: "ä"},
		"a prefix too long":          {Endpoint: "http://localhost:8000", Prefix: strings.Repeat("p", 242)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(c); !errors.Is(err, record.ErrInvalid) {
				t.Errorf("opened: %v", err)
			} else if strings.Contains(err.Error(), "u:p") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestConfigTaken(t *testing.T) {
	chain := &aws.Config{Region: "eu-west-1", Credentials: secretOf("AKIACHAIN"), BaseEndpoint: aws.String("http://elsewhere")}
	own := secretOf("AKIAOWN")
	for _, c := range []struct {
		config              Config
		region, key, at, to string
	}{
		{Config{Endpoint: "http://localhost:8000"}, "local", "local", "http://localhost:8000", "http://localhost:8000"},
		{Config{Endpoint: "http://127.0.0.2:8000/", EndpointFrom: "--endpoint"}, "local", "local", "http://127.0.0.2:8000 (from --endpoint)", "http://127.0.0.2:8000"},
		{Config{Endpoint: "http://[::1]:8000", AWS: chain}, "eu-west-1", "local", "http://[::1]:8000", "http://[::1]:8000"},
		{Config{Endpoint: "http://localhost:8000", Credentials: own, AWS: chain}, "eu-west-1", "AKIAOWN", "http://localhost:8000", "http://localhost:8000"},
		{Config{Endpoint: "https://localhost:8000", AWS: chain}, "eu-west-1", "AKIACHAIN", "https://localhost:8000", "https://localhost:8000"},
		{Config{Endpoint: "https://example.org", Region: "r", AWS: chain}, "r", "AKIACHAIN", "https://example.org", "https://example.org"},
		{Config{Endpoint: "http://example.org:8000", Insecure: true, Credentials: own, AWS: chain}, "eu-west-1", "local", "http://example.org:8000", "http://example.org:8000"},
		{Config{AWS: chain}, "eu-west-1", "AKIACHAIN", "eu-west-1", ""},
	} {
		at, err := Open(c.config)
		if err != nil {
			t.Errorf("%+v: %v", c.config, err)
			continue
		}
		o := at.API.Options()
		signs, err := o.Credentials.Retrieve(context.Background())
		if err != nil || signs.AccessKeyID != c.key || o.Region != c.region || at.At != c.at || aws.ToString(o.BaseEndpoint) != c.to {
			t.Errorf("%+v: key %q, region %q, at %q, to %q (%v)", c.config, signs.AccessKeyID, o.Region, at.At, aws.ToString(o.BaseEndpoint), err)
		}
	}
	if aws.ToString(chain.BaseEndpoint) != "http://elsewhere" {
		t.Error("the caller's configuration was changed")
	}
}
