package awskms

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/retry"
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

// API has the methods of *kms.Client that a Provider calls.
type API interface {
	// Encrypt wraps a secret for a granted user, or a KEK under another KMS key.
	Encrypt(context.Context, *kms.EncryptInput, ...func(*kms.Options)) (*kms.EncryptOutput, error)
	// Decrypt opens a KEK or a granted wrap.
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
	// GenerateDataKeyWithoutPlaintext creates a KEK.
	GenerateDataKeyWithoutPlaintext(context.Context, *kms.GenerateDataKeyWithoutPlaintextInput, ...func(*kms.Options)) (*kms.GenerateDataKeyWithoutPlaintextOutput, error)
	// DescribeKey returns the state of the KMS key.
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
}

// The names of the actions in policies.
const (
	encryptAction  = "kms:Encrypt"
	decryptAction  = "kms:Decrypt"
	generateAction = "kms:GenerateDataKeyWithoutPlaintext"
	describeAction = "kms:DescribeKey"
)

const (
	attempts   = 3    // of one call, after errors that are transient (Error.IsTransient)
	maxBlob    = 6144 // bytes of a ciphertext (KMS API, Decrypt: CiphertextBlob)
	secretSize = 32   // bytes
)

// backoff is the waiting time between attempts.
var backoff = retry.Backoff{Base: 100 * time.Millisecond, Max: 200 * time.Millisecond}

// decrypt opens a ciphertext of 32 bytes under the provider's key.
func (p *Provider) decrypt(ctx context.Context, blob []byte, context map[string]string) (*envelope.Secret, error) {
	out, err := callKMS(ctx, p, decryptAction, p.api.Decrypt, &kms.DecryptInput{
		KeyId: &p.arn, CiphertextBlob: blob, EncryptionContext: context,
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
	})
	if err != nil {
		return nil, err
	}
	defer clear(out.Plaintext)
	if err := p.checkKey(decryptAction, out.KeyId); err != nil {
		return nil, err
	}
	if n := len(out.Plaintext); n != secretSize {
		return nil, p.newError(decryptAction, malformed, fmt.Sprintf("the key has %d bytes instead of %d", n, secretSize), nil)
	}
	secret, err := envelope.NewSecret(out.Plaintext)
	if err != nil {
		return nil, p.newError(decryptAction, malformed, "the key is all zeros", nil)
	}
	return secret, nil
}

// generate returns 32 new random bytes, wrapped under the provider's key.
func (p *Provider) generate(ctx context.Context, context map[string]string) ([]byte, error) {
	out, err := callKMS(ctx, p, generateAction, p.api.GenerateDataKeyWithoutPlaintext, &kms.GenerateDataKeyWithoutPlaintextInput{
		KeyId: &p.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: context,
	})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, p.checkBlob(generateAction, out.KeyId, out.CiphertextBlob)
}

// encrypt wraps a secret under the provider's key.
func (p *Provider) encrypt(ctx context.Context, plain []byte, context map[string]string) ([]byte, error) {
	out, err := callKMS(ctx, p, encryptAction, p.api.Encrypt, &kms.EncryptInput{
		KeyId: &p.arn, Plaintext: plain, EncryptionContext: context,
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
	})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, p.checkBlob(encryptAction, out.KeyId, out.CiphertextBlob)
}

// checkBlob checks the key and the size of a ciphertext. A ciphertext of KMS
// contains the name of its key, so it is longer than a wrap under a KEK.
func (p *Provider) checkBlob(action string, key *string, blob []byte) error {
	if err := p.checkKey(action, key); err != nil {
		return err
	}
	if len(blob) <= envelope.WrapSize || len(blob) > maxBlob {
		return p.newError(action, malformed, fmt.Sprintf("the ciphertext has %d bytes", len(blob)), nil)
	}
	return nil
}

func (p *Provider) checkKey(action string, key *string) error {
	if aws.ToString(key) != p.arn {
		return p.newError(action, malformed, fmt.Sprintf("KMS used the key %.120q", aws.ToString(key)), nil)
	}
	return nil
}

// callKMS sends a request within Options.Timeout and retries it after a transient
// error. It returns *Error, or the error of ctx if the caller's context has ended.
func callKMS[I, O any](ctx context.Context, p *Provider, action string, send func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I) (*O, error) {
	bounded, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	for try := 1; ; try++ {
		out, err := sendKMSOnce(bounded, p.opts.Timeout/attempts, send, in)
		switch {
		case err == nil && out == nil:
			return nil, p.newError(action, malformed, "the response is empty", nil)
		case err == nil:
			return out, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		e := p.explain(bounded, action, err)
		e.Tries = try
		if !e.IsTransient() || try == attempts || backoff.Wait(bounded, try-1) != nil {
			return nil, e
		}
	}
}

// sendKMSOnce sends a request with a timeout and without the retries of the SDK.
// If the timeout ends while the response is read, the error of the SDK can be that
// of the closed connection. So the error of the context is part of the result.
func sendKMSOnce[I, O any](ctx context.Context, timeout time.Duration, send func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I) (*O, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := send(ctx, in, func(o *kms.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil && ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return out, err
}

// A Status is the state of a KMS key.
type Status struct {
	KeyARN   string
	State    string    // KMS's KeyState: Enabled, Disabled, PendingDeletion, …
	Created  time.Time // zero if KMS does not return it
	Deletion time.Time // the scheduled deletion, zero if there is none
}

// Status returns the state of the KMS key. It calls kms:DescribeKey and returns
// *[Error] or the error of ctx.
func (p *Provider) Status(ctx context.Context) (Status, error) {
	out, err := callKMS(ctx, p, describeAction, p.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &p.arn})
	if err != nil {
		return Status{}, err
	}
	m := out.KeyMetadata
	if m == nil {
		return Status{}, p.newError(describeAction, malformed, "the response does not describe the key", nil)
	}
	return Status{KeyARN: p.arn, State: string(m.KeyState), Created: aws.ToTime(m.CreationDate), Deletion: aws.ToTime(m.DeletionDate)},
		p.checkKey(describeAction, m.Arn)
}
