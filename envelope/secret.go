package envelope

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"sync"

	blue "github.com/superviber/blue-encrypted-store"
)

const secretSize = 32 // bytes

// Secret is 32 bytes that nobody should see: a UMK, a KEK or a dialogue's
// secret R. Every way of printing it says [redacted]. All methods may be
// called concurrently. A Secret must not be copied.
type Secret struct {
	redacted
	mu  sync.RWMutex
	key *[secretSize]byte // nil once destroyed; behind a pointer, so that copies of the struct around it stay harmless
}

// NewSecret copies 32 bytes; the caller may wipe its own. Another length, and
// 32 zeros, are no key: blue.ErrSealed.
func NewSecret(b []byte) (*Secret, error) {
	if len(b) != secretSize {
		return nil, fmt.Errorf("%w: a key of %d bytes; %d are due", blue.ErrSealed, len(b), secretSize)
	}
	if bytes.Equal(b, make([]byte, secretSize)) {
		return nil, fmt.Errorf("%w: a key of zeros", blue.ErrSealed)
	}
	key := [secretSize]byte(b)
	return &Secret{key: &key}, nil
}

// GenerateSecret draws a new secret from the operating system.
func GenerateSecret() (s *Secret) {
	guard(func() { s = generateSecret() })
	return s
}

func generateSecret() *Secret {
	var key [secretSize]byte
	_, _ = rand.Read(key[:]) // never returns an error, see its doc
	return &Secret{key: &key}
}

// Derive returns HKDF-SHA256(secret, salt empty, info), 32 bytes (RFC 5869).
// blue.ErrSealed after Destroy.
func (s *Secret) Derive(info string) (derived *Secret, err error) {
	guard(func() { derived, err = s.derive(info) })
	return derived, err
}

func (s *Secret) derive(info string) (*Secret, error) {
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
}

// Clone returns a secret of its own with the same bytes. blue.ErrSealed after
// Destroy.
func (s *Secret) Clone() (clone *Secret, err error) {
	guard(func() { clone, err = s.clone() })
	return clone, err
}

func (s *Secret) clone() (*Secret, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.key == nil {
		return nil, errDestroyed
	}
	return NewSecret(s.key[:])
}

// InsecureBytes returns a copy of the 32 bytes, nil after Destroy. It is the
// only way to key bytes, for wrapping them elsewhere, for writing a key file
// and for the readers of tests; the caller wipes the copy.
func (s *Secret) InsecureBytes() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.key == nil {
		return nil
	}
	return bytes.Clone(s.key[:])
}

// Destroy overwrites the bytes with zeros once calls under way have ended.
// Later calls find no key. It may be called more than once.
func (s *Secret) Destroy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		clear(s.key[:])
		s.key = nil
	}
}

var errDestroyed = fmt.Errorf("%w: the key was destroyed", blue.ErrSealed)

// redacted is what every printer of a key gets to see.
type redacted struct{}

const redactedText = "[redacted]"

// String returns [redacted].
func (redacted) String() string { return redactedText }

// GoString returns [redacted].
func (redacted) GoString() string { return redactedText }

// Format prints [redacted] for every verb.
func (redacted) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redactedText) }

// MarshalJSON returns "[redacted]" in quotes.
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// MarshalText returns [redacted].
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// LogValue returns [redacted].
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }
