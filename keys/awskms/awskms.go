// Package awskms is the keys.Provider over AWS KMS: the user master key never
// leaves KMS, and who may use it is AWS's to say and to record (RFC 0058,
// AwsKmsKeyProvider).
//
// What belongs here: the stored KEK of each user, the grants, the calls with
// their time and retries, what each refusal means (Error), and the client's
// connection. What does not: wrapping below the KEK (keys, envelope), caching
// (keys.Ring), reading the environment (cmd), and the policies that name these
// encryption contexts (deploy/iam).
//
// # The key of a user
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
//	    former      S  ARNs of earlier KMS keys, with spaces; absent without (RewrapKEK)
//	    created_at  S  UTC, nine digits, Z
//
// The erasure of a user deletes the record; what they write after it makes a
// new key, which opens nothing of before. KMS opens a key only under the
// encryption context it was made with, which is what a policy can pin to a principal and what
// CloudTrail shows:
//
//	blue:purpose  kek
//	blue:user     the user
//	blue:tables   Options.Tables
//
// # A granted wrap
//
// A dialogue's secret R for a user B whose KEK nobody else can open:
// kms:Encrypt(R) under the context below. Whoever may encrypt may grant; only B
// may decrypt. It is longer than envelope.WrapSize, which tells it from a wrap
// under a KEK.
//
//	blue:purpose   grant
//	blue:user      B
//	blue:dialogue  the dialogue's id
//	blue:version   its key version, decimal
//
// Plaintexts that KMS returns are overwritten once they are used. The copies
// inside the HTTP client and the TLS connection cannot be reached.
package awskms

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// Provider asks KMS each time DeriveKEK is called, or UnwrapDEK for a granted
// wrap; a keys.Ring does so once per TTL. There is no other source of a key: if
// KMS says no, or nothing, the call fails. All methods may be called
// concurrently, and by many processes on one store.
type Provider struct {
	arn   string
	api   API
	store record.Store
	opts  Options
}

// Options of a Provider. Nil and zero values work.
type Options struct {
	// Tables names the set of tables in the context of each KEK, so that one
	// KMS key can serve several sets apart. Default "blue". It is a logical
	// name: tables that are restored under others keep theirs.
	Tables string
	// Timeout bounds a call of KMS, its repetitions included; each of them
	// may take a third of it. Default 15 s.
	Timeout time.Duration
	// Now is the time of created_at. Default time.Now.
	Now func() time.Time
}

const (
	defaultTables  = "blue"
	defaultTimeout = 15 * time.Second
)

var (
	_ keys.Provider = (*Provider)(nil)
	_ keys.KEKMaker = (*Provider)(nil)
	_ keys.Granter  = (*Provider)(nil)
)

// New returns the provider of the KMS key with that ARN, which keeps the KEKs
// in the table blue_keys of the store. Nothing is asked before the first call
// of a method. *Error of reason BadARN for anything but the ARN of a key: an
// alias can be pointed at another key.
func New(arn string, api API, store record.Store, opts *Options) (*Provider, error) {
	if _, err := parseARN(arn); err != nil {
		return nil, err
	}
	p := &Provider{arn: arn, api: api, store: keys.Table(store)}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Tables == "" {
		p.opts.Tables = defaultTables
	}
	if p.opts.Timeout <= 0 {
		p.opts.Timeout = defaultTimeout
	}
	if p.opts.Now == nil {
		p.opts.Now = time.Now
	}
	return p, nil
}

// handle names a key in KMS. It holds no secret.
type handle struct {
	envelope.Redacted
	arn       string
	destroyed atomic.Bool
}

func (h *handle) Fingerprint() string { return h.arn }

func (h *handle) Destroy() { h.destroyed.Store(true) }

// UMK returns the ARN as a handle, and asks nobody.
func (p *Provider) UMK(context.Context) (keys.UMK, error) { return &handle{arn: p.arn}, nil }

// check refuses a handle that is not of this provider, and bad users.
func (p *Provider) check(umk keys.UMK, user string) error {
	if err := keys.CheckUser(user); err != nil {
		return err
	}
	h, ok := umk.(*handle)
	if !ok || h.arn != p.arn {
		return fmt.Errorf("%w: keys/awskms: a master key of another provider", blue.ErrInvalid)
	}
	if h.destroyed.Load() {
		return fmt.Errorf("%w: the handle of the master key was destroyed", blue.ErrSealed)
	}
	return nil
}

// GenerateDEK is KEK.Generate.
func (p *Provider) GenerateDEK(_ context.Context, kek *keys.KEK, b keys.Binding) (*envelope.Secret, keys.Wrapped, error) {
	return kek.Generate(b)
}

// UnwrapDEK is KEK.Unwrap, and kms:Decrypt for a granted wrap. One that KMS
// does not open was altered, or made for another binding: *blue.TamperError.
func (p *Provider) UnwrapDEK(ctx context.Context, kek *keys.KEK, b keys.Binding, w keys.Wrapped) (*envelope.Secret, error) {
	if len(w) <= envelope.WrapSize {
		return kek.Unwrap(b, w)
	}
	return p.openGrant(ctx, b, w)
}
