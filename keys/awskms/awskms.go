// Package awskms is the key provider for AWS KMS. The user master key never leaves
// KMS, so AWS decides and records who may use it (RFC 0058, AwsKmsKeyProvider).
//
// The package stores the KEK of each user, wraps secrets for granted users, calls
// KMS with timeouts and retries, and explains refusals ([Error]). These are in
// other packages:
//
//   - Packages keys and envelope wrap secrets under a KEK and cache keys.
//   - The command reads the environment. [Connect] takes its configuration.
//   - deploy/iam has the policies that use the encryption contexts below.
//
// # The KEK of a user
//
// 32 random bytes, made by kms:GenerateDataKeyWithoutPlaintext and stored in
// blue_keys as KMS wrapped them:
//
//	PK user#{user}   SK kek
//	    wrapped     B  the KMS ciphertext, at most 6,144 bytes
//	    umk         S  ARN of the KMS key
//	    user        S
//	    tables      S  Options.Tables
//	    epoch       N  1
//	    former      S  ARNs of earlier KMS keys, joined by spaces; absent if there are none (RewrapKEK)
//	    created_at  S  record.TimeLayout
//
// The erasure of a user deletes the record. A later write of the user creates
// another KEK, which opens nothing from before.
//
// KMS opens a KEK only with the encryption context that it was made with. A policy
// can restrict a principal to a context, and CloudTrail logs it:
//
//	blue:purpose  kek
//	blue:user     the user
//	blue:tables   Options.Tables
//
// # A granted wrap
//
// The secret R of a dialogue for a user B: kms:Encrypt(R) with the context below.
// Any principal who may encrypt can grant. Only B may decrypt. A granted wrap is
// longer than envelope.WrapSize, which distinguishes it from a wrap under a KEK.
//
//	blue:purpose   grant
//	blue:user      B
//	blue:dialogue  the dialogue's id
//	blue:version   its key version, decimal
//
// Plaintexts from KMS are overwritten after use. Copies inside the HTTP client and
// the TLS connection cannot be overwritten.
package awskms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Provider is a keys.Provider for one KMS key. DeriveKEK calls KMS each time, and
// so does UnwrapDEK for a granted wrap. A keys.Ring calls them once per TTL. If KMS
// refuses or does not respond, the call fails. All methods may be called
// concurrently, and several processes can use one store.
type Provider struct {
	arn   string
	api   API
	table keys.Table
	opts  Options
}

// Options are the options of a Provider. Nil and zero values select the defaults.
type Options struct {
	// Tables names the set of tables in the encryption context of each KEK, so
	// that one KMS key can serve several sets. The default is "blue". It is a
	// logical name: tables that are restored under other names keep it.
	Tables string
	// Timeout limits a call of KMS including its retries. One attempt can take a
	// third of it. The default is 15 s.
	Timeout time.Duration
	// Now is the clock of created_at. The default is time.Now.
	Now func() time.Time
}

var (
	_ keys.Provider     = (*Provider)(nil)
	_ keys.KEKMaker     = (*Provider)(nil)
	_ keys.KEKEraser    = (*Provider)(nil)
	_ keys.KEKRewrapper = (*Provider)(nil)
	_ keys.Granter      = (*Provider)(nil)
)

// New returns the provider of the KMS key with the given ARN. It stores KEKs in the
// table blue_keys of the store. New sends nothing. It returns *[Error] if
// arn is not the ARN of a key. An alias is not accepted, because
// it can be changed to another key.
func New(arn string, api API, store record.Store, opts *Options) (*Provider, error) {
	if _, err := parseARN(arn); err != nil {
		return nil, err
	}
	p := &Provider{arn: arn, api: api, table: keys.NewTable(store), opts: *cmp.Or(opts, new(Options))}
	p.opts.Tables = cmp.Or(p.opts.Tables, "blue")
	p.opts.Timeout = cmp.Or(max(p.opts.Timeout, 0), 15*time.Second)
	if p.opts.Now == nil {
		p.opts.Now = time.Now
	}
	return p, nil
}

// handle is the name of a KMS key. It contains no secret.
type handle struct {
	envelope.Redacted
	arn         string
	isDestroyed atomic.Bool
}

func (h *handle) Fingerprint() string { return h.arn }

func (h *handle) Destroy() { h.isDestroyed.Store(true) }

// UMK returns the ARN as a handle. It sends nothing.
func (p *Provider) UMK(context.Context) (keys.UMK, error) { return &handle{arn: p.arn}, nil }

// checkUMK returns blue.ErrInvalid for a malformed user or a handle of another
// provider, and blue.ErrSealed for a destroyed handle.
func (p *Provider) checkUMK(umk keys.UMK, user string) error {
	if err := keys.CheckUser(user); err != nil {
		return err
	}
	h, ok := umk.(*handle)
	if !ok || h.arn != p.arn {
		return fmt.Errorf("%w: keys/awskms: the master key is of another provider", blue.ErrInvalid)
	}
	if h.isDestroyed.Load() {
		return fmt.Errorf("%w: the handle of the master key was destroyed", blue.ErrSealed)
	}
	return nil
}

// GenerateDEK implements keys.Provider with KEK.Generate. It sends nothing.
func (p *Provider) GenerateDEK(_ context.Context, kek *keys.KEK, b keys.Binding) (*envelope.Secret, keys.Wrapped, error) {
	return kek.Generate(b)
}

// UnwrapDEK implements keys.Provider with KEK.Unwrap, or with kms:Decrypt for a
// granted wrap. It returns *blue.TamperError for a granted wrap that KMS does not
// open, because it was changed or made for another binding. It returns *[Error] for
// any other refusal of KMS.
func (p *Provider) UnwrapDEK(ctx context.Context, kek *keys.KEK, b keys.Binding, w keys.Wrapped) (*envelope.Secret, error) {
	if len(w) <= envelope.WrapSize {
		return kek.Unwrap(b, w)
	}
	return p.unwrapGranted(ctx, b, w)
}

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
