package localfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

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
