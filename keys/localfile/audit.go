package localfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

var auditKeyWords = &words{
	"an audit signing key",
	"restore the file from a copy of it, or move it away and let a new key be made: keep the old public key, which verifies what was signed before",
}

// AuditKey is the file of the key that signs the audit log's checkpoints: the
// 32 bytes that RFC 8032 calls the private key, a seed. It lies beside the
// master key, by default ~/.blue/keys/audit.key, and the same is asked of it.
// Unlike the master key it may be made at any time, for it seals nothing: a
// lost one costs the power to sign, never data. All methods may be called
// concurrently, and by many processes on one file.
type AuditKey struct{ file }

// OpenAuditKey returns the key of a file. Nothing is read or made before the
// first call of a method.
func OpenAuditKey(path string) *AuditKey {
	return &AuditKey{file{path: path, says: auditKeyWords}}
}

// Load reads the seed; the caller destroys it. It never makes one. Errors:
// ErrNotFound if there is no file; *FileError, which is ErrSealed, for one that
// is not a proper key; ErrInvalid for an empty path.
func (k *AuditKey) Load(ctx context.Context) (*envelope.Secret, error) {
	seed, err := k.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the audit signing key %s", blue.ErrNotFound, k.path)
	}
	return seed, err
}

// LoadOrCreate reads the seed, and makes it first if it is missing; made says
// that this call did. Of many processes at once one makes it and all return
// it. Errors as of Load, and ErrUnavailable where a file cannot be written.
func (k *AuditKey) LoadOrCreate(ctx context.Context) (seed *envelope.Secret, made bool, err error) {
	seed, err = k.read(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return seed, false, err
	}
	if made, err = k.write(); err != nil {
		return nil, false, err
	}
	if seed, err = k.Load(ctx); err != nil {
		return nil, false, err
	}
	return seed, made, nil
}
