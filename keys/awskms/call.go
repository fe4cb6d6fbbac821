package awskms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/retry"
)

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
	out, err := call(ctx, p, decryptAction, p.api.Decrypt, &kms.DecryptInput{
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
	out, err := call(ctx, p, generateAction, p.api.GenerateDataKeyWithoutPlaintext, &kms.GenerateDataKeyWithoutPlaintextInput{
		KeyId: &p.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: context,
	})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, p.checkBlob(generateAction, out.KeyId, out.CiphertextBlob)
}

// encrypt wraps a secret under the provider's key.
func (p *Provider) encrypt(ctx context.Context, plain []byte, context map[string]string) ([]byte, error) {
	out, err := call(ctx, p, encryptAction, p.api.Encrypt, &kms.EncryptInput{
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

// call sends a request within Options.Timeout and retries it after a transient
// error. It returns *Error, or the error of ctx if the caller's context has ended.
func call[I, O any](ctx context.Context, p *Provider, action string, send func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I) (*O, error) {
	bounded, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	for try := 1; ; try++ {
		out, err := sendOnce(bounded, p.opts.Timeout/attempts, send, in)
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

// sendOnce sends a request with a timeout and without the retries of the SDK. If the
// timeout ends while the response is read, the error of the SDK can be that of the
// closed connection. So the error of the context is part of the result.
func sendOnce[I, O any](ctx context.Context, timeout time.Duration, send func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I) (*O, error) {
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
	out, err := call(ctx, p, describeAction, p.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &p.arn})
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
