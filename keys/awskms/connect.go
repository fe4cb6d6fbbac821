package awskms

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// A Config is the configuration of a KMS client. Connect reads no environment and
// takes the region from the ARN.
type Config struct {
	// Endpoint is the server. The zero value is the endpoint of AWS in the region.
	// Plain http is allowed to this machine only.
	Endpoint awsclient.Endpoint
	// Insecure allows plain http to another host. Requests are then signed with
	// dummy credentials. Keys can be read on the way.
	Insecure bool
	// Credentials sign the requests, unless they can be read on the way.
	Credentials aws.CredentialsProvider
	// AWS is the configuration that config.LoadDefaultConfig returns. Its endpoint
	// and region are not used.
	AWS *aws.Config
	// HTTPClient sends the requests. Nil selects the client of the SDK.
	HTTPClient aws.HTTPClient
}

// Connect returns a client for the region of the key. It sends nothing. It returns
// *[Error] if arn is not the ARN of a key, and
// blue.ErrInvalid for plain http to another host.
func Connect(arn string, c Config) (*kms.Client, error) {
	region, err := parseARN(arn)
	if err != nil {
		return nil, err
	}
	if c.Endpoint.IsExposed() && !c.Insecure {
		return nil, fmt.Errorf("%w: the endpoint %s of KMS (from %s) is plain http to another host, so keys could be read on the way; nothing was sent", blue.ErrInvalid, c.Endpoint.URL, c.Endpoint.From)
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
	base.HTTPClient = awsclient.HTTPClient(base.HTTPClient)
	return kms.NewFromConfig(base, func(o *kms.Options) {
		o.BaseEndpoint = nil
		if c.Endpoint.URL != "" {
			o.BaseEndpoint = aws.String(c.Endpoint.URL)
		}
	}), nil
}

// keyARN matches the ARN of a KMS key: arn:{partition}:kms:{region}:{account}:key/{id}.
// The id is a UUID, or mrk- and 32 hexadecimal digits for a multi-Region key (AWS
// KMS Developer Guide, "Key identifiers").
var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)

// parseARN returns the region of a key's ARN. It returns *Error.
func parseARN(arn string) (region string, err error) {
	if match := keyARN.FindStringSubmatch(arn); match != nil {
		return match[1], nil
	}
	detail := "it is not of the form arn:aws:kms:REGION:ACCOUNT:key/ID"
	switch {
	case arn == "":
		detail = "it is empty"
	case strings.Contains(arn, "alias/"):
		detail = "it is an alias, which can be changed to another key"
	case !strings.HasPrefix(arn, "arn:"):
		detail = "it is not an ARN: the region and the account are missing"
	}
	return "", &Error{Reason: badARN, KeyARN: arn, detail: detail}
}
