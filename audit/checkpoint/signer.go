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

// keyName is the name under which every store signs.
const keyName = "blue-audit"

// Signer signs checkpoints with an Ed25519 key (RFC 8032). Every way of
// printing it says [redacted]. All methods may be called concurrently.
type Signer struct {
	verifier string
	hash     uint32
	key      *ed25519.PrivateKey // behind a pointer, out of reach of printers
}

// NewSigner returns the signer of a seed: 32 bytes, from which RFC 8032 makes
// the key pair. They are copied. ErrSealed for another length and for zeros.
func NewSigner(seed []byte) (*Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: an audit signing key of %d bytes; %d are due", blue.ErrSealed, len(seed), ed25519.SeedSize)
	}
	if [ed25519.SeedSize]byte(seed) == [ed25519.SeedSize]byte{} {
		return nil, fmt.Errorf("%w: an audit signing key of zeros", blue.ErrSealed)
	}
	key := ed25519.NewKeyFromSeed(seed)
	text, err := note.NewEd25519VerifierKey(keyName, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("audit signing key: %w", err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("audit signing key: %w", err)
	}
	return &Signer{verifier: text, hash: verifier.KeyHash(), key: &key}, nil
}

// Name returns the key's name in signature lines, "blue-audit".
func (s *Signer) Name() string { return keyName }

// VerifierKey returns the public key as a note's verifier key,
// "blue-audit+{key hash, 8 hex digits}+{base64 of 0x01 ‖ 32 bytes}".
func (s *Signer) VerifierKey() string { return s.verifier }

// Sign returns the signed note of a checkpoint. The same checkpoint gives the
// same note. ErrInvalid if Open would not read it.
func (s *Signer) Sign(c Checkpoint) (string, error) {
	if why := c.check(); why != "" {
		return "", fmt.Errorf("%w: signing a checkpoint: %s", blue.ErrInvalid, why)
	}
	text, err := note.Sign(&note.Note{Text: c.text()}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("signing a checkpoint: %w", err)
	}
	return string(text), nil
}

// noteSigner is the Signer as package note wants it.
type noteSigner struct{ *Signer }

func (s noteSigner) KeyHash() uint32 { return s.hash }

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(*s.key, msg), nil }

// ParseVerifiers reads verifier keys, each as VerifierKey returns it or with
// another name. The same key twice is one key; no key at all knows nobody.
// ErrInvalid for what is no Ed25519 verifier key in its one spelling.
//
// Take them from configuration, never from the log that they are to verify.
func ParseVerifiers(vkeys []string) (note.Verifiers, error) {
	var list []note.Verifier
	seen := make(map[string]bool)
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err == nil && canonical(vkey) != vkey {
			err = errors.New("not in its one spelling")
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

// canonical writes a verifier key that note.NewVerifier has read. Package
// base64 passes over newlines and loose bits, and a hash has two cases.
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

func isUnverified(err error) bool {
	_, is := errors.AsType[*note.UnverifiedNoteError](err)
	return is
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
