package checkpoint

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
)

// keyName is the name of the key in signature lines. All stores use it.
const keyName = "blue-audit"

// A Signer signs checkpoints and statements with an Ed25519 key (RFC 8032). All
// ways to print it give "[redacted]". All methods may be called concurrently.
type Signer struct {
	verifier string
	hash     uint32
	key      *ed25519.PrivateKey // a pointer, so that printers do not reach it
}

// NewSigner returns the signer of a seed, 32 bytes (RFC 8032, section 5.1.5). It
// copies the seed. It returns ErrSealed for another length and for zeros.
func NewSigner(seed []byte) (*Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: the audit signing key has %d bytes, not %d", blue.ErrSealed, len(seed), ed25519.SeedSize)
	}
	if [ed25519.SeedSize]byte(seed) == [ed25519.SeedSize]byte{} {
		return nil, fmt.Errorf("%w: the audit signing key is all zeros", blue.ErrSealed)
	}
	key := ed25519.NewKeyFromSeed(seed)
	text, err := note.NewEd25519VerifierKey(keyName, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("making the verifier key: %w", err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("making the verifier key: %w", err)
	}
	return &Signer{verifier: text, hash: verifier.KeyHash(), key: &key}, nil
}

// VerifierKey returns the public key as the verifier key of a note,
// "blue-audit+{key hash, 8 hex digits}+{base64 of 0x01 ‖ 32 bytes}".
func (s *Signer) VerifierKey() string { return s.verifier }

// Sign returns the signed note of a checkpoint. Equal checkpoints give equal
// notes. It returns ErrInvalid for a checkpoint that Open would refuse.
func (s *Signer) Sign(c Checkpoint) (string, error) {
	if problem := c.problem(); problem != "" {
		return "", fmt.Errorf("%w: signing a checkpoint: %s", blue.ErrInvalid, problem)
	}
	text, err := note.Sign(&note.Note{Text: c.text()}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("signing a checkpoint: %w", err)
	}
	return string(text), nil
}

// noteSigner implements note.Signer.
type noteSigner struct{ s *Signer }

func (n noteSigner) Name() string    { return keyName }
func (n noteSigner) KeyHash() uint32 { return n.s.hash }

func (n noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(*n.s.key, msg), nil }

// ParseVerifiers returns the verifiers of verifier keys, in the form of
// VerifierKey and with any name. Duplicates are allowed. With no key, no note can
// be verified. It returns ErrInvalid for a text that is not an Ed25519 verifier
// key in its only valid spelling.
//
// The caller must take the keys from its configuration and never from the log
// that they verify.
func ParseVerifiers(vkeys []string) (note.Verifiers, error) {
	var list []note.Verifier
	seen := make(map[string]bool)
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err == nil && canonical(vkey) != vkey {
			err = errors.New("not in canonical form")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: verifier key %.120q: %w", blue.ErrInvalid, vkey, err)
		}
		if !seen[vkey] {
			seen[vkey] = true
			list = append(list, v)
		}
	}
	return note.VerifierList(list...), nil
}

// canonical returns the only valid spelling of a key that note.NewVerifier has
// accepted. Package base64 ignores newlines and trailing bits, and the hash can
// be in upper case.
func canonical(vkey string) string {
	name, rest, _ := strings.Cut(vkey, "+")
	_, key, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) == 0 {
		return ""
	}
	text, err := note.NewEd25519VerifierKey(name, raw[1:])
	if err != nil {
		return ""
	}
	return text
}

const redaction = "[redacted]"

// String returns [redacted].
func (Signer) String() string { return redaction }

// GoString returns [redacted].
func (Signer) GoString() string { return redaction }

// Format prints [redacted] for every verb.
func (Signer) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redaction) }

// MarshalText returns [redacted].
func (Signer) MarshalText() ([]byte, error) { return []byte(redaction), nil }

// MarshalJSON returns "[redacted]" in quotes.
func (Signer) MarshalJSON() ([]byte, error) { return []byte(`"` + redaction + `"`), nil }

// LogValue returns [redacted].
func (Signer) LogValue() slog.Value { return slog.StringValue(redaction) }
