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
// keys/awskms), what is sealed with a dialogue's keys (encrypted). keystest
// holds what every Provider must do.
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
//	    links           B  96 for each version after 1, the newest 64: succession.go
//	    turn            S  random, another after each change of the dialogue's keys
//	PK dialogue#{id}   SK wrap#{version, ten digits}#{user}
//	    wrapped         B  nonce 12 ‖ ciphertext 32 ‖ tag 16; longer: a granted wrap
//	    umk             S  fingerprint of the UMK above the wrap
//	    user            S
//	    version         N
//	    proof           B  32, envelope.HolderProof
//	    created_at      S  UTC, nine digits, Z
//	PK erased          SK {id}   the registry of erasures (erase.go)
//
// Every change rewrites the head, conditioned as it was read, so changes take
// turns. A version lives from Advance to Retire; between them items may be
// sealed under the one before (encrypted.Rotate).
//
// Each version is endorsed by the one before it (succession.go), so that nothing
// is sealed under a key that a stranger put there.
//
// Authenticated is `wrapped`, and with it the user, dialogue and version it was
// made for; and `proof`, by the secret itself: it says that a holder let the
// user in, so that no line of a stranger gets the next version. The fingerprint only tells a lost key from damage: one that
// was altered is reported as damage, since the wrap still opens. A key is put
// only in a commit that proves the head active, so that nothing can be
// wrapped any more once an erasure has begun; and, under a KEK that is stored,
// that this is still the user's (KEK.Stored).
//
// The partitions user#{user} belong to providers that store a KEK for each
// user; keys/awskms draws its record.
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
//     context that names the user. It is made by KEKMaker alone, must-not-exist,
//     and the loser of a race reads the winner's. DeriveKEK is the one call
//     that can be denied, so a revoked user keeps a key no longer than a
//     Ring's TTL. A wrap that another user granted is a KMS ciphertext rather
//     than 60 bytes, and needs no KEK to be opened: that is why UnwrapDEK is
//     asked, and not the KEK.
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
	// UnwrapDEK opens what GenerateDEK, or a Granter, wrapped for the same
	// binding. kek is that of b.User; nil will do for a wrap longer than
	// envelope.WrapSize. The caller destroys the secret.
	UnwrapDEK(ctx context.Context, kek *KEK, b Binding, w Wrapped) (*envelope.Secret, error)
}

// KEKMaker is implemented by providers that store a KEK for each user. Their
// DeriveKEK answers ErrNoKEK for a user who has none. So a key that was lost is
// reported and never replaced by looking at what it had wrapped.
type KEKMaker interface {
	// MakeKEK makes and stores the user's KEK if there is none. Of many at
	// once one makes it; that it is there already is no error. A user whose
	// KEK was erased gets another.
	MakeKEK(ctx context.Context, umk UMK, user string) error
}

// Granter is implemented by providers that can wrap for any user.
type Granter interface {
	// Grant wraps a dialogue's secret so that b.User can open it and, where
	// the provider tells users apart, the caller cannot. Nothing is stored.
	Grant(ctx context.Context, b Binding, secret *envelope.Secret) (Wrapped, error)
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

// Check refuses what no wrap can be bound to: a user that CheckUser refuses,
// an id that is no dialogue's, version 0. ErrInvalid.
func (b Binding) Check() error {
	if err := CheckUser(b.User); err != nil {
		return err
	}
	if b.Version == 0 {
		return fmt.Errorf("%w: key versions begin at 1", blue.ErrInvalid)
	}
	_, err := blue.ParseDialogueID(b.Dialogue)
	return err
}

// SK returns the sort key of the binding's wrap in blue_keys.
func (b Binding) SK() string { return wrapKey(b).Item }

// Wrapped is an encrypted dialogue secret: envelope.WrapSize bytes under a KEK,
// or more if a Granter wrapped it by other means.
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
