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

// grantContext returns the encryption context of a granted wrap.
func grantContext(b keys.Binding) map[string]string {
	return map[string]string{
		"blue:purpose": "grant", "blue:user": b.User,
		"blue:dialogue": b.Dialogue, "blue:version": strconv.FormatUint(uint64(b.Version), 10),
	}
}

// Grant implements keys.Granter. A principal whose policy allows kms:Decrypt as
// b.User can open the result. Grant calls kms:Encrypt. It returns *[Error],
// blue.ErrInvalid for a malformed binding, blue.ErrSealed for a destroyed secret,
// or the error of ctx.
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

// unwrapGranted opens a wrap that Grant made for the same binding.
func (p *Provider) unwrapGranted(ctx context.Context, b keys.Binding, w keys.Wrapped) (*envelope.Secret, error) {
	tampered := func(class, detail string) error {
		return &blue.TamperError{Dialogue: blue.DialogueID(b.Dialogue), Damage: []blue.Damage{{Class: class, Item: b.SK(), Detail: detail}}}
	}
	if err := b.Check(); err != nil {
		return nil, err
	}
	if len(w) > maxBlob {
		return nil, tampered(record.DamageMalformed, fmt.Sprintf("wrapped has %d bytes", len(w)))
	}
	secret, err := p.decrypt(ctx, w, grantContext(b))
	if e, ok := errors.AsType[*Error](err); ok && e.Reason == wrongContext {
		// The context contains nothing from the configuration, so the wrap is at fault.
		return nil, tampered(record.DamageChanged, "KMS does not open it: changed, or made for another user, dialogue or version")
	}
	if err != nil {
		return nil, fmt.Errorf("opening the granted key of user %s: %w", b.User, err)
	}
	return secret, nil
}
