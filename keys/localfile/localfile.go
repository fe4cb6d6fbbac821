// Package localfile is the key provider for one machine. The user master key is a
// file, and all other keys are derived from it with HKDF (RFC 0058,
// LocalFileKeyProvider).
//
// The file has exactly 32 random bytes and mode 0600, in a folder of mode 0700. The
// default is ~/.blue/keys/umk.key. The package creates the file once, reads it, and
// explains why it refuses a file ([FileError]). It never rotates, converts or
// repairs a key. The audit signing key is another file in the same folder, read and
// created by the same code ([AuditKey]). These are in other packages:
//
//   - Packages keys and envelope wrap secrets.
//   - Package audit/checkpoint signs with the audit key.
//   - The store reports whether it is empty ([Options.MayCreate]).
//
// Anyone with the master key's file can act as any user of the store. User names
// separate keys, but do not protect users against each other.
//
// The owner and mode of a file are checked on Unix. That it is not on a network
// file system is checked on Linux.
package localfile

import (
	"cmp"
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

// A Provider is a keys.Provider whose master key is a file. It reads the file each
// time UMK is called. A keys.Ring calls it once per TTL. All methods may be called
// concurrently, and several processes can use one file.
type Provider struct {
	keyFile
	opts Options
}

// Options are the options of a Provider. Nil and the zero value never create a key.
type Options struct {
	// MayCreate is called when the file is missing. It returns true if the store
	// has no encrypted data, so that a new key makes nothing unreadable. Nil
	// means false.
	MayCreate func(ctx context.Context) (bool, error)
	// SealedWith returns the fingerprint of the key that the store is encrypted
	// with, or "" if it is unknown. It is part of the message about a missing file.
	SealedWith func(ctx context.Context) string
}

var (
	_ keys.Provider = (*Provider)(nil)
	_ keys.Granter  = (*Provider)(nil)
)

var masterKeyKind = &keyKind{"a key", "restore the file from a copy of it; a key that is lost cannot be created again"}

// Open returns the provider of a key file. It reads and creates nothing.
func Open(path string, opts *Options) *Provider {
	return &Provider{keyFile: keyFile{path: path, kind: masterKeyKind}, opts: *cmp.Or(opts, new(Options))}
}

// UMK implements keys.Provider: it reads the key. If the file is missing and
// MayCreate returns true, it creates the key first. Of several concurrent processes
// one creates it, and all return it.
//
// UMK returns *[FileError] (which is blue.ErrSealed) for a file that is not a usable
// key, and also fs.ErrNotExist if the file is missing. It returns
// blue.ErrUnavailable if the file cannot be created, blue.ErrInvalid for an empty
// path, and the errors of MayCreate and ctx.
func (p *Provider) UMK(ctx context.Context) (keys.UMK, error) {
	secret, err := p.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = p.createUMK(ctx)
	}
	if err != nil {
		return nil, err
	}
	return newMasterKey(secret)
}

// createUMK creates the key if MayCreate allows it, and reads the file again in any
// case, because another process may have created the key in between.
func (p *Provider) createUMK(ctx context.Context) (*envelope.Secret, error) {
	mayCreate := false
	if p.opts.MayCreate != nil {
		var err error
		if mayCreate, err = p.opts.MayCreate(ctx); err != nil {
			return nil, fmt.Errorf("%s is missing; checking whether the store is empty: %w", p.path, err)
		}
	}
	if mayCreate {
		if _, err := p.create(); err != nil {
			return nil, err
		}
	}
	secret, err := p.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.newMissingError(ctx)
	}
	return secret, err
}

// newMissingError returns the error for a missing file that was not created.
func (p *Provider) newMissingError(ctx context.Context) error {
	key := "a key"
	if p.opts.SealedWith != nil {
		if print := p.opts.SealedWith(ctx); print != "" {
			key = "key " + print
		}
	}
	return &FileError{
		Path:      p.path,
		Reason:    fmt.Sprintf("this store was sealed with %s, but %s is missing. No new key was made (it could not open your data)", key, p.path),
		Hint:      p.kind.restore,
		isMissing: true,
	}
}

// Fingerprint returns the fingerprint of the key: "umk:" and 16 hexadecimal digits.
// It never creates a key. It returns the same errors as UMK for a file that is
// missing or not a usable key.
func (p *Provider) Fingerprint(ctx context.Context) (string, error) {
	secret, err := p.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return "", p.newMissingError(ctx)
	}
	if err != nil {
		return "", err
	}
	umk, err := newMasterKey(secret)
	if err != nil {
		return "", err
	}
	defer umk.Destroy()
	return umk.fingerprint, nil
}

// DeriveKEK implements keys.Provider: the KEK is HKDF-SHA256 (RFC 5869) of the UMK
// with an empty salt and the info "blue/1/kek/" + user. It returns blue.ErrInvalid
// for a malformed user or a UMK of another provider, and blue.ErrSealed for a
// destroyed UMK.
func (p *Provider) DeriveKEK(_ context.Context, umk keys.UMK, user string) (*keys.KEK, error) {
	if err := keys.CheckUser(user); err != nil {
		return nil, err
	}
	key, ok := umk.(*masterKey)
	if !ok {
		return nil, fmt.Errorf("%w: keys/localfile: the master key is of another provider", blue.ErrInvalid)
	}
	kek, err := key.secret.Derive(kekInfo + user)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of user %s: %w", user, err)
	}
	return keys.NewKEK(user, key.fingerprint, kek), nil
}

// GenerateDEK implements keys.Provider with KEK.Generate.
func (p *Provider) GenerateDEK(_ context.Context, kek *keys.KEK, b keys.Binding) (*envelope.Secret, keys.Wrapped, error) {
	return kek.Generate(b)
}

// UnwrapDEK implements keys.Provider with KEK.Unwrap.
func (p *Provider) UnwrapDEK(_ context.Context, kek *keys.KEK, b keys.Binding, w keys.Wrapped) (*envelope.Secret, error) {
	return kek.Unwrap(b, w)
}

// Grant implements keys.Granter: it wraps the secret under the KEK of b.User, which
// it derives from the file. It returns the errors of UMK, DeriveKEK and KEK.Wrap.
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

// masterKey is the UMK of a file.
type masterKey struct {
	envelope.Redacted
	fingerprint string
	secret      *envelope.Secret
}

// newMasterKey returns the UMK of a secret, which it owns from then on.
func newMasterKey(secret *envelope.Secret) (*masterKey, error) {
	print, err := secret.Derive(fingerprintInfo)
	if err != nil {
		secret.Destroy()
		return nil, err
	}
	defer print.Destroy()
	return &masterKey{fingerprint: "umk:" + hex.EncodeToString(print.InsecureBytes()[:8]), secret: secret}, nil
}

func (k *masterKey) Fingerprint() string { return k.fingerprint }

func (k *masterKey) Destroy() { k.secret.Destroy() }

var auditKeyKind = &keyKind{
	"an audit signing key",
	"restore the file from a copy of it, or move it away and let a new key be created; keep the old public key to verify the old signatures",
}

// An AuditKey is the file of the key that signs checkpoints of the audit log: the
// 32 bytes that RFC 8032 calls the private key, a seed. The default is
// ~/.blue/keys/audit.key. The file has the same format and checks as the master key.
// Unlike the master key it can be created at any time, because it encrypts nothing.
// After a loss nothing more can be signed with it, but no data is lost. All methods
// may be called concurrently, and several processes can use one file.
type AuditKey struct{ keyFile }

// OpenAuditKey returns the audit key of a file. It reads and creates nothing.
func OpenAuditKey(path string) *AuditKey {
	return &AuditKey{keyFile{path: path, kind: auditKeyKind}}
}

// Load reads the seed. The caller must destroy it. Load never creates a key. It
// returns blue.ErrNotFound if the file is missing, *[FileError] (which is
// blue.ErrSealed) for a file that is not a usable key, blue.ErrInvalid for an empty
// path, and the error of ctx.
func (k *AuditKey) Load(ctx context.Context) (*envelope.Secret, error) {
	seed, err := k.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the audit signing key %s", blue.ErrNotFound, k.path)
	}
	return seed, err
}

// LoadOrCreate reads the seed, and creates the key first if the file is missing.
// created is true if this call created it. Of several concurrent processes one
// creates it, and all return it. LoadOrCreate returns *[FileError] (which is
// blue.ErrSealed) for a file that is not a usable key, blue.ErrUnavailable if the
// file cannot be created, blue.ErrInvalid for an empty path, and the error of ctx.
func (k *AuditKey) LoadOrCreate(ctx context.Context) (seed *envelope.Secret, created bool, err error) {
	seed, err = k.read(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return seed, false, err
	}
	if created, err = k.create(); err != nil {
		return nil, false, err
	}
	if seed, err = k.Load(ctx); err != nil {
		return nil, false, err
	}
	return seed, created, nil
}
