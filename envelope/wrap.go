package envelope

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"sync"

	blue "github.com/superviber/blue-encrypted-store"
)

// IsGuarded reports whether this build generates and derives keys inside
// runtime/secret.Do (GOEXPERIMENT=runtimesecret, Linux on amd64 or arm64). Such a
// build erases stack and registers at once, and heap memory when the garbage
// collector frees it. Other builds overwrite a key with zeros when it is
// destroyed, but not the copies that the compiler made. Neither is a guarantee.
func IsGuarded() bool { return isGuarded }

// guardedSecrets returns the results of f, which it calls inside guardSecrets.
func guardedSecrets[T any](f func() (T, error)) (v T, err error) {
	guardSecrets(func() { v, err = f() })
	return v, err
}

const secretSize = 32 // bytes

var errDestroyed = fmt.Errorf("%w: the key was destroyed", blue.ErrSealed)

// A Secret is a key of 32 bytes: a UMK, a KEK or a dialogue's secret R. It
// prints as [redacted] and must not be copied. All methods may be called
// concurrently.
type Secret struct {
	Redacted
	mu sync.RWMutex
	// key is nil after Destroy. It is a pointer, so that a printer that reads
	// the fields of a struct finds an address only.
	key *[secretSize]byte
}

// NewSecret returns a secret with a copy of b. The caller may overwrite b. It
// returns blue.ErrSealed if b is not 32 bytes or is all zeros.
func NewSecret(b []byte) (*Secret, error) {
	if len(b) != secretSize {
		return nil, fmt.Errorf("%w: the key has %d bytes instead of %d", blue.ErrSealed, len(b), secretSize)
	}
	if bytes.Equal(b, make([]byte, secretSize)) {
		return nil, fmt.Errorf("%w: the key is all zeros", blue.ErrSealed)
	}
	key := [secretSize]byte(b)
	return &Secret{key: &key}, nil
}

// GenerateSecret returns a new random secret.
func GenerateSecret() *Secret {
	s, _ := guardedSecrets(func() (*Secret, error) {
		var key [secretSize]byte
		_, err := rand.Read(key[:]) // the error is always nil, see its documentation
		return &Secret{key: &key}, err
	})
	return s
}

// Derive returns HKDF-SHA256 (RFC 5869) of the secret with an empty salt and the
// given info, 32 bytes. It returns blue.ErrSealed after Destroy.
func (s *Secret) Derive(info string) (*Secret, error) {
	return guardedSecrets(func() (*Secret, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.key == nil {
			return nil, errDestroyed
		}
		out, err := hkdf.Key(sha256.New, s.key[:], nil, info, secretSize)
		if err != nil {
			return nil, fmt.Errorf("%w: deriving a key: %w", blue.ErrSealed, err)
		}
		defer clear(out)
		return NewSecret(out)
	})
}

// Clone returns another Secret with the same bytes. It returns blue.ErrSealed
// after Destroy.
func (s *Secret) Clone() (*Secret, error) {
	return guardedSecrets(func() (*Secret, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.key == nil {
			return nil, errDestroyed
		}
		return NewSecret(s.key[:])
	})
}

// InsecureBytes returns a copy of the 32 bytes, or nil after Destroy. It is the
// only access to the bytes, for a provider that wraps them, for writing a key
// file and for tests. The caller must overwrite the copy.
func (s *Secret) InsecureBytes() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.key == nil {
		return nil
	}
	return bytes.Clone(s.key[:])
}

// Destroy waits for running calls and overwrites the bytes with zeros. Later
// calls fail. Destroy may be called again.
func (s *Secret) Destroy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		clear(s.key[:])
		s.key = nil
	}
}

// Redacted makes a type that embeds it print as "[redacted]" with every verb of
// package fmt, in JSON, as text and in package slog.
type Redacted struct{}

const redactedText = "[redacted]"

// String returns "[redacted]".
func (Redacted) String() string { return redactedText }

// GoString returns "[redacted]".
func (Redacted) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb and flag.
func (Redacted) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redactedText) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// MarshalText returns "[redacted]".
func (Redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// LogValue returns "[redacted]" as a string.
func (Redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

const (
	wrapInfo    = "blue/1/wrap"
	holderLabel = "blue/1/holder"
)

// WrapSecret seals a dialogue's secret R under the KEK of one user and binds it
// to the user, dialogue and version. It returns [WrapSize] bytes, see the
// package documentation. Two calls return different bytes.
//
// WrapSecret returns blue.ErrInvalid for version 0, an empty user or an id that a
// key id cannot contain, and blue.ErrSealed for a destroyed key.
func WrapSecret(kek *Secret, user, dialogue string, version uint32, r *Secret) ([]byte, error) {
	return guardedSecrets(func() ([]byte, error) {
		aead, aad, err := wrapCipher(kek, user, dialogue, version)
		if err != nil {
			return nil, err
		}
		plain := r.InsecureBytes()
		if plain == nil {
			return nil, errDestroyed
		}
		defer clear(plain)
		return aead.Seal(nil, nil, plain, aad[:]), nil
	})
}

// UnwrapSecret returns the secret that WrapSecret sealed for the same user,
// dialogue and version. It returns [ErrOpen] if wrapped does not open, and the
// errors of WrapSecret.
func UnwrapSecret(kek *Secret, user, dialogue string, version uint32, wrapped []byte) (*Secret, error) {
	return guardedSecrets(func() (*Secret, error) {
		aead, aad, err := wrapCipher(kek, user, dialogue, version)
		if err != nil {
			return nil, err
		}
		if len(wrapped) != WrapSize {
			return nil, ErrOpen
		}
		nonce, ciphertext := cutNonce(wrapped)
		plain, err := openSealed(aead, nonce, ciphertext, aad[:])
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		r, err := NewSecret(plain)
		if err != nil {
			return nil, ErrOpen
		}
		return r, nil
	})
}

// wrapCipher returns the cipher and the associated data of one wrap.
func wrapCipher(kek *Secret, user, dialogue string, version uint32) (aead cipher.AEAD, aad [32]byte, err error) {
	if user == "" {
		return nil, aad, fmt.Errorf("%w: a wrap needs a user", blue.ErrInvalid)
	}
	if err := checkVersion(dialogue, version); err != nil {
		return nil, aad, err
	}
	k, err := kek.Derive(wrapInfo)
	if err != nil {
		return nil, aad, err
	}
	defer k.Destroy()
	b := appendLP(appendLP(nil, wrapInfo), user)
	b = appendLP(appendLP(b, dialogue), versionDecimal(version))
	return newAEAD(k.key), sha256.Sum256(b), nil
}

// HolderProof returns a proof that a holder of the dialogue's secret R granted a
// user access:
//
//	HMAC-SHA256(HKDF(R, "blue/1/holder/{dialogue}/{version}"), LP("blue/1/holder") ‖ LP(user))
//
// It is stored with every wrap. A new version is wrapped only for users with a
// valid proof, so an unauthorized writer of the key table cannot get it.
// HolderProof returns blue.ErrInvalid for version 0 and for an id that a key id
// cannot contain, and blue.ErrSealed for a destroyed secret.
func HolderProof(r *Secret, user, dialogue string, version uint32) (proof [32]byte, err error) {
	if err := checkVersion(dialogue, version); err != nil {
		return proof, err
	}
	k, err := r.Derive(holderLabel + "/" + dialogue + "/" + versionDecimal(version))
	if err != nil {
		return proof, err
	}
	defer k.Destroy()
	mac := newHMAC(k.key)
	mac.Write(appendLP(appendLP(nil, holderLabel), user))
	mac.Sum(proof[:0])
	return proof, nil
}
