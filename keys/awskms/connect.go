package awskms

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// Config says where KMS is and who asks. Nothing in it is read from the
// environment. The region is the ARN's.
type Config struct {
	// Endpoint is the server; the zero value is AWS's own of the region.
	// Plain http is for this machine alone.
	Endpoint awsclient.Endpoint
	// Insecure allows plain http to another host. No credentials go there:
	// a dummy signs. But keys do, and can be read on the way.
	Insecure bool
	// Credentials are used as they are, unless what is sent can be read on
	// the way.
	Credentials aws.CredentialsProvider
	// AWS is the SDK's configuration, as config.LoadDefaultConfig returns
	// it. Its endpoint and region are not used.
	AWS *aws.Config
	// HTTPClient sends the requests; nil is the SDK's own.
	HTTPClient aws.HTTPClient
}

// Connect returns a client for the key's region, and sends nothing. *Error for
// what is no key's ARN; blue.ErrInvalid for plain http to another host.
func Connect(arn string, c Config) (*kms.Client, error) {
	region, err := parseARN(arn)
	if err != nil {
		return nil, err
	}
	if c.Endpoint.IsExposed() && !c.Insecure {
		return nil, fmt.Errorf("%w: the endpoint %s of KMS (from %s) is plain http to another host: keys would be read on the way; nothing was sent", blue.ErrInvalid, c.Endpoint.URL, c.Endpoint.From)
	}
	var base aws.Config
	if c.AWS != nil {
		base = c.AWS.Copy()
	}
	base.Region = region
	base.Credentials = aws.NewCredentialsCache(awsclient.Credentials(c.Endpoint, c.Credentials, c.AWS))
	if c.HTTPClient != nil {
		base.HTTPClient = c.HTTPClient
	}
	return kms.NewFromConfig(base, func(o *kms.Options) {
		o.BaseEndpoint = nil
		if c.Endpoint.URL != "" {
			o.BaseEndpoint = aws.String(c.Endpoint.URL)
		}
	}), nil
}
