// Package localfile is the keys.Provider of one machine: the user master key
// is a file, everything else is HKDF (RFC 0058, LocalFileKeyProvider).
//
// What belongs here: the file (exactly 32 random bytes, mode 0600, in a folder
// of mode 0700, by default ~/.blue/keys/umk.key), how it is made once, and
// what is said about one that is not as it should be. The audit signing key,
// which lies beside it, is made and read by the same code (AuditKey). What does
// not: wrapping (keys, envelope), signing (audit/checkpoint), and when a store
// is empty (its owner knows: MayCreate).
//
// The keys are never rotated, converted or repaired. Whoever holds the master
// key's file is every user of the store: user names separate keys, not people.
//
// The owner and mode of a file are checked on Unix; that it is not on a
// network file system, on Linux.
package localfile

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
)

const (
	fingerprintInfo = "blue/1/umk-fingerprint"
	kekInfo         = "blue/1/kek/" // + user
)

// Provider reads its master key from a file each time UMK is called; a
// keys.Ring calls it once per TTL. All methods may be called concurrently, and
// by many processes on one file.
type Provider struct {
	file
	opts Options
}

// Options of a Provider. The nil and zero value never make a key.
type Options struct {
	// MayCreate is asked at the moment the file is found missing: true says
	// that the store holds nothing sealed, so that a new key loses nothing.
	// Nil means no.
	MayCreate func(ctx context.Context) (bool, error)
	// SealedWith returns the fingerprint of the key that sealed the store,
	// "" if unknown. It only serves the message about a missing file.
	SealedWith func(ctx context.Context) string
}

var (
	_ keys.Provider = (*Provider)(nil)
	_ keys.Granter  = (*Provider)(nil)
)

// Open returns the provider of a key file. Nothing is read or made before the
// first call of a method.
func Open(path string, opts *Options) *Provider {
	p := &Provider{file: file{path: path, says: masterKeyWords}}
	if opts != nil {
		p.opts = *opts
	}
	return p
}

// UMK reads the key, and makes it first if it is missing and MayCreate says
// yes. Of many processes at once one makes it and all return it.
//
// Errors: *FileError, which is ErrSealed, for a file that is missing (then it is
// fs.ErrNotExist too), not a proper key, or on a network file system;
// ErrUnavailable where a new file cannot be written; ErrInvalid for an empty
// path; and MayCreate's own.
func (p *Provider) UMK(ctx context.Context) (keys.UMK, error) {
	secret, err := p.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = p.create(ctx)
	}
	if err != nil {
		return nil, err
	}
	return newMasterKey(secret)
}

// Fingerprint returns the fingerprint of the key file: "umk:" and 16
// hexadecimal digits. It never makes a key. Errors as of UMK.
func (p *Provider) Fingerprint(ctx context.Context) (string, error) {
	secret, err := p.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return "", p.missing(ctx)
	}
	if err != nil {
		return "", err
	}
	umk, err := newMasterKey(secret)
	if err != nil {
		return "", err
	}
	defer umk.Destroy()
	return umk.Fingerprint(), nil
}

// DeriveKEK is HKDF-SHA256(UMK, "blue/1/kek/" + user), salt empty.
func (p *Provider) DeriveKEK(_ context.Context, umk keys.UMK, user string) (*keys.KEK, error) {
	if err := keys.CheckUser(user); err != nil {
		return nil, err
	}
	key, ok := umk.(*masterKey)
	if !ok {
		return nil, fmt.Errorf("%w: keys/localfile: a master key of another provider", blue.ErrInvalid)
	}
	kek, err := key.secret.Derive(kekInfo + user)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of user %s: %w", user, err)
	}
	return keys.NewKEK(user, key.fingerprint, kek), nil
}

// GenerateDEK is KEK.Generate.
func (p *Provider) GenerateDEK(_ context.Context, kek *keys.KEK, b keys.Binding) (*envelope.Secret, keys.Wrapped, error) {
	return kek.Generate(b)
}

// UnwrapDEK is KEK.Unwrap.
func (p *Provider) UnwrapDEK(_ context.Context, kek *keys.KEK, b keys.Binding, w keys.Wrapped) (*envelope.Secret, error) {
	return kek.Unwrap(b, w)
}

// Grant wraps a secret under the derived KEK of b.User: the holder of the file
// is every user.
func (p *Provider) Grant(ctx context.Context, b keys.Binding, secret *envelope.Secret) (keys.Wrapped, error) {
	umk, err := p.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer umk.Destroy()
	kek, err := p.DeriveKEK(ctx, umk, b.User)
	if err != nil {
		return nil, err
	}
	defer kek.Destroy()
	return kek.Wrap(b, secret)
}

// masterKey is the handle of a key that was read.
type masterKey struct {
	envelope.Redacted
	fingerprint string
	secret      *envelope.Secret
}

// newMasterKey takes the secret over.
func newMasterKey(secret *envelope.Secret) (*masterKey, error) {
	print, err := secret.Derive(fingerprintInfo)
	if err != nil {
		secret.Destroy()
		return nil, err
	}
	defer print.Destroy()
	b := print.InsecureBytes()
	return &masterKey{fingerprint: "umk:" + hex.EncodeToString(b[:8]), secret: secret}, nil
}

func (k *masterKey) Fingerprint() string { return k.fingerprint }

func (k *masterKey) Destroy() { k.secret.Destroy() }
