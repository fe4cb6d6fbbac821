// Package keys says who may open a dialogue: the hierarchy of keys, the
// interface of those that hold its top (Provider), and the Ring that keeps
// opened keys for a short while (RFC 0058, "Three-Tier Key Hierarchy").
//
//	UMK                    32-byte file, or a KMS key that never leaves KMS
//	 └ KEK(user)           32 bytes; HKDF of the UMK, or random and opened by KMS
//	    └ R(dialogue, v)   32 random bytes, wrapped under the KEK: 60 bytes
//	       └ DEK and the keys of MACs, root and seal (package envelope)
//
// What belongs here: the verbs, the handles, the layout of the table
// blue_keys, the cache, and WrongKeyError. What does not: how bytes are
// wrapped and derived (envelope), where a UMK comes from (keys/localfile,
// later keys/awskms), what is sealed with a dialogue's keys (encrypted).
// keystest holds what every Provider must do.
//
// # The table blue_keys
//
// One partition per dialogue, kept apart from the data: other file, other
// backups, other permissions.
//
//	PK dialogue#{id}   SK head
//	    active_version  N  1 … 2³²−1, the version that new items are sealed under
//	    state           S  active | erasing | erased
//	    created_at      S
//	PK dialogue#{id}   SK wrap#{version, ten digits}#{user}
//	    wrapped         B  nonce 12 ‖ ciphertext 32 ‖ tag 16
//	    umk             S  fingerprint of the UMK above the wrap
//	    user            S
//	    version         N
//	    created_at      S  UTC, nine digits, Z
//
// Authenticated is `wrapped` alone, and with it the user, dialogue and version
// it was made for. The fingerprint only tells a lost key from damage: one that
// was altered is reported as damage, since the wrap still opens. A key is put
// only in a commit that proves the head active, so that nothing can be
// wrapped any more once an erasure has begun.
package keys

import (
	"context"
	"fmt"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

// Provider is a source of keys: the four verbs of RFC 0058, "KeyProvider
// Trait". Generate and unwrap also take what is bound to the wrap, which the
// RFC's do not. All methods may be called concurrently and more than once.
//
// Two kinds of source fit, and everything below the KEK is the same code
// (KEK.Generate, KEK.Unwrap), so that what is tested is what is shipped:
//
//   - A file: UMK reads it, DeriveKEK is HKDF, both without a network. The
//     holder of the file is every user.
//   - KMS: UMK is the key's ARN and holds no secret. DeriveKEK opens a random
//     KEK that is stored wrapped in blue_keys (the provider is given that
//     record.Store when it is made) by kms:Decrypt under an encryption
//     context that names the user; the first call for a user makes it,
//     must-not-exist, and the loser of a race reads the winner's. That is the
//     one call that can be denied, so a revoked user keeps a key no longer
//     than a Ring's TTL. A wrap that another user granted is a KMS ciphertext
//     rather than 60 bytes: that is why UnwrapDEK is asked, and not the KEK.
//
// Errors: ErrSealed where a key is missing, denied or destroyed;
// *blue.TamperError where a wrap does not open; ErrInvalid for a user that
// CheckUser refuses, a binding of another user than the KEK's, or a handle of
// another provider. No error holds key bytes.
type Provider interface {
	// UMK returns a handle of the user master key. The caller destroys it.
	UMK(ctx context.Context) (UMK, error)
	// DeriveKEK returns the key encryption key of one user: the same one
	// for the same UMK and user, in every process. The caller destroys it.
	DeriveKEK(ctx context.Context, umk UMK, user string) (*KEK, error)
	// GenerateDEK makes the random secret of one dialogue and version and
	// wraps it. Nothing is stored. The caller destroys the secret.
	GenerateDEK(ctx context.Context, kek *KEK, b Binding) (*envelope.Secret, Wrapped, error)
	// UnwrapDEK opens what GenerateDEK wrapped for the same binding. The
	// caller destroys the secret.
	UnwrapDEK(ctx context.Context, kek *KEK, b Binding, w Wrapped) (*envelope.Secret, error)
}

// UMK is a handle of a user master key. Only the provider that returned it
// can use it: it may hold bytes, or nothing but the name of a key elsewhere.
// An implementation embeds Redacted.
type UMK interface {
	// Fingerprint names the key without revealing it, e.g.
	// "umk:7c1f09aa52e3d410". It is stored beside every wrap.
	Fingerprint() string
	// Destroy zeroes what the handle holds; later uses fail with ErrSealed.
	Destroy()
}

// Binding is what a wrapped secret belongs to. A wrap opens under the very
// binding it was made for and under no other.
type Binding struct {
	User     string // see CheckUser
	Dialogue string // a blue.DialogueID
	Version  uint32 // from 1
}

// Wrapped is an encrypted dialogue secret: envelope.WrapSize bytes under a KEK.
type Wrapped []byte

const maxUser = 128

// CheckUser checks a user's name that came from outside: 1 to 128 bytes of
// printable characters without spaces. ErrInvalid.
func CheckUser(user string) error {
	if why := unprintable(user, maxUser); why != "" {
		return fmt.Errorf("%w: user name %.80q %s; a name is 1 to %d bytes of printable characters without spaces", blue.ErrInvalid, user, why, maxUser)
	}
	return nil
}

// unprintable says why a text is not 1 to most bytes of printable characters
// without spaces, or "".
func unprintable(s string, most int) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > most:
		return fmt.Sprintf("has %d bytes", len(s))
	case !utf8.ValidString(s):
		return "is not UTF-8"
	}
	for _, r := range s {
		if r == ' ' || !unicode.IsPrint(r) {
			return fmt.Sprintf("holds %q", r)
		}
	}
	return ""
}
