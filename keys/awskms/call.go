package awskms

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/retry"
)

// API is what the provider needs of KMS; *kms.Client has it. Decrypt and
// GenerateDataKeyWithoutPlaintext serve a user's own key, Encrypt and Decrypt
// the grants, DescribeKey the state of the key in reports.
type API interface {
	Encrypt(context.Context, *kms.EncryptInput, ...func(*kms.Options)) (*kms.EncryptOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
	GenerateDataKeyWithoutPlaintext(context.Context, *kms.GenerateDataKeyWithoutPlaintextInput, ...func(*kms.Options)) (*kms.GenerateDataKeyWithoutPlaintextOutput, error)
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
}

// The actions as policies name them.
const (
	encryptAction  = "kms:Encrypt"
	decryptAction  = "kms:Decrypt"
	generateAction = "kms:GenerateDataKeyWithoutPlaintext"
	describeAction = "kms:DescribeKey"
)

// attempts bounds how often one call is sent, and only after what may pass:
// throttling, a fault of the service, no answer. The SDK's own retries are off.
const attempts = 3

const secretSize = 32 // bytes

// decrypt opens a ciphertext of this key: 32 bytes, or an error.
func (p *Provider) decrypt(ctx context.Context, blob []byte, context map[string]string) (*envelope.Secret, error) {
	out, err := call(ctx, p, decryptAction, p.api.Decrypt, &kms.DecryptInput{
		KeyId: &p.arn, CiphertextBlob: blob, EncryptionContext: context,
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
	})
	if err != nil {
		return nil, err
	}
	defer clear(out.Plaintext)
	if err := p.checkAnswer(decryptAction, out.KeyId); err != nil {
		return nil, err
	}
	if n := len(out.Plaintext); n != secretSize {
		return nil, p.fail(decryptAction, Malformed, fmt.Sprintf("a key of %d bytes; %d are due", n, secretSize), nil)
	}
	secret, err := envelope.NewSecret(out.Plaintext)
	if err != nil {
		return nil, p.fail(decryptAction, Malformed, "a key of zeros", nil)
	}
	return secret, nil
}

// generate has KMS make 32 random bytes, and returns them wrapped.
func (p *Provider) generate(ctx context.Context, context map[string]string) ([]byte, error) {
	out, err := call(ctx, p, generateAction, p.api.GenerateDataKeyWithoutPlaintext, &kms.GenerateDataKeyWithoutPlaintextInput{
		KeyId: &p.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: context,
	})
	if err != nil {
		return nil, err
	}
	if err := p.checkBlob(generateAction, out.KeyId, out.CiphertextBlob); err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

// encrypt wraps 32 bytes.
func (p *Provider) encrypt(ctx context.Context, plain []byte, context map[string]string) ([]byte, error) {
	out, err := call(ctx, p, encryptAction, p.api.Encrypt, &kms.EncryptInput{
		KeyId: &p.arn, Plaintext: plain, EncryptionContext: context,
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
	})
	if err != nil {
		return nil, err
	}
	if err := p.checkBlob(encryptAction, out.KeyId, out.CiphertextBlob); err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

// checkBlob: every ciphertext of KMS is longer than a wrap under a KEK, since
// it names its key.
func (p *Provider) checkBlob(action string, key *string, blob []byte) error {
	if err := p.checkAnswer(action, key); err != nil {
		return err
	}
	if len(blob) <= envelope.WrapSize || len(blob) > maxBlob {
		return p.fail(action, Malformed, fmt.Sprintf("a ciphertext of %d bytes", len(blob)), nil)
	}
	return nil
}

func (p *Provider) checkAnswer(action string, key *string) error {
	if aws.ToString(key) != p.arn {
		return p.fail(action, Malformed, fmt.Sprintf("KMS used the key %.120q", aws.ToString(key)), nil)
	}
	return nil
}

// call sends a request within the provider's time, again after what may pass.
// Errors: *Error; the caller's own context's.
func call[I, O any](ctx context.Context, p *Provider, action string, send func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I) (*O, error) {
	bounded, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	for try := 1; ; try++ {
		out, err := once(bounded, p.opts.Timeout/attempts, send, in)
		if err == nil && out == nil {
			return nil, p.fail(action, Malformed, "nothing", nil)
		}
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		e := p.explain(bounded, action, err)
		e.Tries = try
		if !e.Transient() || try == attempts || backoff.Wait(bounded, try-1) != nil {
			return nil, e
		}
	}
}

func once[I, O any](ctx context.Context, within time.Duration, send func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I) (*O, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return send(ctx, in, func(o *kms.Options) { o.Retryer = aws.NopRetryer{} })
}

// backoff is the waiting time between attempts.
var backoff = retry.Backoff{Base: 100 * time.Millisecond, Max: 200 * time.Millisecond}

// Status is what KMS says of the key itself.
type Status struct {
	KeyARN   string
	State    string    // KMS's word: Enabled, Disabled, PendingDeletion, …
	Created  time.Time // when the key was made, zero where KMS does not say
	Deletion time.Time // when the key will be gone, zero if it stays
}

// Status asks KMS for the state of the key; kms:DescribeKey. *Error.
func (p *Provider) Status(ctx context.Context) (Status, error) {
	out, err := call(ctx, p, describeAction, p.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &p.arn})
	if err != nil {
		return Status{}, err
	}
	if out.KeyMetadata == nil {
		return Status{}, p.fail(describeAction, Malformed, "no word of the key", nil)
	}
	if err := p.checkAnswer(describeAction, out.KeyMetadata.Arn); err != nil {
		return Status{}, err
	}
	m := out.KeyMetadata
	return Status{KeyARN: p.arn, State: string(m.KeyState), Created: aws.ToTime(m.CreationDate), Deletion: aws.ToTime(m.DeletionDate)}, nil
}
