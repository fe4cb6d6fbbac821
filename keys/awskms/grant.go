package awskms

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// grantContext is the encryption context of a granted wrap.
func grantContext(b keys.Binding) map[string]string {
	return map[string]string{
		"blue:purpose": "grant", "blue:user": b.User,
		"blue:dialogue": b.Dialogue, "blue:version": strconv.FormatUint(uint64(b.Version), 10),
	}
}

// Grant wraps a dialogue's secret for b.User, whoever asks: the result opens
// for a principal whose policy allows kms:Decrypt as that user. Errors: *Error,
// ErrInvalid for a binding that cannot be, ErrSealed for a destroyed secret.
func (p *Provider) Grant(ctx context.Context, b keys.Binding, secret *envelope.Secret) (keys.Wrapped, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	plain := secret.InsecureBytes()
	if plain == nil {
		return nil, fmt.Errorf("%w: the key was destroyed", blue.ErrSealed)
	}
	defer clear(plain)
	blob, err := p.encrypt(ctx, plain, grantContext(b))
	if err != nil {
		return nil, fmt.Errorf("granting key %d of dialogue %s to user %s: %w", b.Version, b.Dialogue, b.User, err)
	}
	return blob, nil
}

// openGrant opens what Grant made for the same binding.
func (p *Provider) openGrant(ctx context.Context, b keys.Binding, w keys.Wrapped) (*envelope.Secret, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	if len(w) > maxBlob {
		return nil, damaged(b, record.DamageMalformed, fmt.Sprintf("wrapped has %d bytes", len(w)))
	}
	secret, err := p.decrypt(ctx, w, grantContext(b))
	if e, refused := errors.AsType[*Error](err); refused && e.Reason == WrongContext {
		// Nothing that is configured stands in this context: it is the wrap.
		return nil, damaged(b, record.DamageChanged, "KMS does not open it: altered, or made for another user, dialogue or version")
	}
	if err != nil {
		return nil, fmt.Errorf("opening what was granted to user %s: %w", b.User, err)
	}
	return secret, nil
}

func damaged(b keys.Binding, class, detail string) error {
	return &blue.TamperError{
		Dialogue: blue.DialogueID(b.Dialogue),
		Damage:   []blue.Damage{{Class: class, Item: b.SK(), Detail: detail}},
	}
}
