// Package keys manages the keys of dialogues: the key hierarchy, the interface of
// the sources of master keys ([Provider]), and the [Ring] that opens and caches
// the keys of one user (RFC 0058, "Three-Tier Key Hierarchy").
//
//	UMK                    32-byte file, or a KMS key that never leaves KMS
//	 └ KEK(user)           32 bytes; HKDF of the UMK, or random and opened by KMS
//	    └ R(dialogue, v)   32 random bytes, wrapped under the KEK: 60 bytes
//	       └ DEK and the keys of MACs, root and seal (package envelope)
//
// These are in other packages:
//
//   - Package envelope wraps secrets and derives keys.
//   - Packages keys/localfile and keys/awskms are the providers. Package
//     keys/keystest has the cases that every provider must pass.
//   - Package encrypted seals items with the keys of a dialogue.
//
// # The table blue_keys
//
// Each dialogue has one partition. The table is stored apart from the data, in
// another file with other backups and permissions.
//
//	PK dialogue#{id}   SK head     the key header
//	    active_version  N  1 … 2³²−1, the version that seals new items
//	    state           S  active | erasing | erased
//	    created_at      S  record.TimeLayout
//	    links           B  96 bytes for each version after 1, the newest 64: succession.go
//	    turn            S  random, new with each change of the dialogue's keys
//	PK dialogue#{id}   SK wrap#{version, ten digits}#{user}     a wrap
//	    wrapped         B  nonce 12 ‖ ciphertext 32 ‖ tag 16; longer for a granted wrap
//	    umk             S  fingerprint of the UMK above the wrap
//	    user            S
//	    version         N
//	    proof           B  32 bytes, envelope.HolderProof
//	    created_at      S  record.TimeLayout
//	PK erased          SK {id}     the registry of erasures: erase.go
//
// Every change replaces the key header, on the condition that it is unchanged
// since it was read. This makes changes take turns. [Ring.Advance] creates a
// version and [Ring.RetireBefore] deletes old ones. In between, items can be
// sealed under either version (encrypted.Rotate re-encrypts them).
//
// The partitions user#{user} belong to providers that store a KEK for each user.
// Package keys/awskms documents its record.
//
// # Authentication
//
// The attribute wrapped authenticates itself and the user, dialogue and version
// that it was made for. The attribute proof shows that a holder of the secret
// granted the user access, so that an unauthorized writer of the table does not
// get the next version. Each version is endorsed by the version before it, so that
// nothing is sealed under a key that such a writer chose.
//
// The attribute umk is not authenticated. It distinguishes a missing master key
// from damage. A changed umk is reported as damage, because the wrap still opens.
//
// A wrap is stored only in a commit that requires the key header to be active, so
// that none is added after an erasure has begun. If the KEK of the user is
// stored, the commit also requires that it is unchanged (see [KEK.StoredAt]).
package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

// A Provider is a source of master keys with the four operations of RFC 0058,
// "KeyProvider Trait". In addition to the RFC, GenerateDEK and UnwrapDEK take the
// binding of the wrap. All methods may be called concurrently.
//
// There are two kinds of providers. Both use the same code below the KEK
// (KEK.Generate and KEK.Unwrap).
//
//   - A file (keys/localfile): UMK reads it and DeriveKEK is HKDF. Anyone with
//     the file can act as any user.
//   - KMS (keys/awskms): UMK is the ARN of a KMS key and contains no secret.
//     DeriveKEK reads a random KEK from blue_keys and opens it with kms:Decrypt
//     under an encryption context that names the user. KMS can deny this call, so
//     a user whose access was revoked keeps a key for at most the TTL of a Ring.
//     A wrap that another user granted is a KMS ciphertext. UnwrapDEK opens it
//     without a KEK.
//
// The methods return blue.ErrSealed if a key is missing, denied or destroyed, and
// *blue.TamperError if a wrap does not open. They return blue.ErrInvalid for a
// user that CheckUser refuses, for a binding of another user than the KEK's, and
// for a UMK of another provider. No error contains key bytes.
type Provider interface {
	// UMK returns the user master key. The caller must destroy it.
	UMK(ctx context.Context) (UMK, error)
	// DeriveKEK returns the key encryption key of a user. It is the same for
	// one UMK and user in every process. The caller must destroy it.
	DeriveKEK(ctx context.Context, umk UMK, user string) (*KEK, error)
	// GenerateDEK generates the secret of a dialogue and version and wraps it. It
	// stores nothing. The caller must destroy the secret.
	GenerateDEK(ctx context.Context, kek *KEK, b Binding) (*envelope.Secret, Wrapped, error)
	// UnwrapDEK returns the secret that GenerateDEK or Granter.Grant wrapped for
	// the same binding. kek must be the KEK of b.User. It may be nil for a wrap
	// longer than envelope.WrapSize. The caller must destroy the secret.
	UnwrapDEK(ctx context.Context, kek *KEK, b Binding, w Wrapped) (*envelope.Secret, error)
}

// Granter is implemented by providers that can wrap for any user.
type Granter interface {
	// Grant wraps the secret of a dialogue so that b.User can open it. If the
	// provider distinguishes users, the caller cannot open the result. Grant
	// stores nothing.
	Grant(ctx context.Context, b Binding, secret *envelope.Secret) (Wrapped, error)
}

// KEKMaker is implemented by providers that store a KEK for each user. Their
// DeriveKEK returns ErrNoKEK for a user without a KEK. It never creates one, so a
// lost KEK is reported and not replaced.
type KEKMaker interface {
	// MakeKEK creates and stores the KEK of a user, if there is none. Of several
	// concurrent calls one creates it, and all return nil. It also creates
	// another KEK for a user whose KEK was erased.
	MakeKEK(ctx context.Context, umk UMK, user string) error
}

// KEKEraser is implemented by providers that store a KEK for each user.
type KEKEraser interface {
	// EraseKEK deletes the stored KEK of a user, so that nothing wrapped under it
	// opens again. It returns nil if there is none. It does not use the UMK.
	EraseKEK(ctx context.Context, user string) error
}

// KEKRewrapper is implemented by providers that store a KEK for each user under
// a UMK that can be replaced.
type KEKRewrapper interface {
	// RewrapKEK opens the stored KEK of a user with the provider from and stores
	// it under this provider's UMK. The KEK itself does not change. changed is
	// false if no KEK is stored or it is already under this UMK.
	RewrapKEK(ctx context.Context, from Provider, user string) (changed bool, err error)
}

// A UMK is a handle of a user master key: the key itself, or the name of a key in
// a service. Only the provider that returned it can use it. An implementation
// must embed envelope.Redacted.
type UMK interface {
	// Fingerprint returns the name of the key, for example
	// "umk:7c1f09aa52e3d410". It is stored with every wrap and is not secret.
	Fingerprint() string
	// Destroy overwrites the key. Later uses return blue.ErrSealed.
	Destroy()
}

// A Binding identifies a wrapped secret. A wrap opens only with the binding that
// it was made for.
type Binding struct {
	User     string // a user name, see CheckUser
	Dialogue string // a blue.DialogueID
	Version  uint32 // a key version, at least 1
}

// Check returns blue.ErrInvalid if the user, the dialogue id or the version is
// malformed.
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

// SK returns the sort key of the wrap in blue_keys, as drawn in the package
// documentation.
func (b Binding) SK() string { return wrapPrefix(b.Version) + b.User }

// Wrapped is an encrypted secret of a dialogue: envelope.WrapSize bytes under a
// KEK, or more if a Granter made it.
type Wrapped []byte

const maxUser = 128 // bytes

// CheckUser returns blue.ErrInvalid if a user name is not 1 to 128 bytes of
// printable characters without spaces.
func CheckUser(user string) error {
	if problem := findUnprintable(user, maxUser); problem != "" {
		return fmt.Errorf("%w: user name %.80q %s; a name is 1 to %d bytes of printable characters without spaces", blue.ErrInvalid, user, problem, maxUser)
	}
	return nil
}

// findUnprintable returns why a text is not 1 to limit bytes of printable
// characters without spaces, or "" if it is.
func findUnprintable(s string, limit int) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > limit:
		return fmt.Sprintf("has %d bytes", len(s))
	case !utf8.ValidString(s):
		return "is not UTF-8"
	}
	for _, r := range s {
		if r == ' ' || !unicode.IsPrint(r) {
			return fmt.Sprintf("contains %q", r)
		}
	}
	return ""
}

// ErrDenied reports that the key exists and the user lacks the permission to use
// it. It unwraps to blue.ErrSealed.
var ErrDenied = fmt.Errorf("%w: denied", blue.ErrSealed)

// ErrNoKEK reports that the provider stores a KEK for each user and this user has
// none, because it was never created or was lost. It unwraps to blue.ErrSealed.
var ErrNoKEK = fmt.Errorf("%w: the user has no key", blue.ErrSealed)

// ErrShared reports that another user holds a dialogue that was to be erased as
// the dialogue of one user. It unwraps to blue.ErrRefused.
var ErrShared = fmt.Errorf("%w: other users hold it too", blue.ErrRefused)

// errMissing reports that a record that a key needs is missing in blue_keys.
var errMissing = fmt.Errorf("%w: missing", blue.ErrSealed)

var errClosed = fmt.Errorf("%w: the key ring is closed", blue.ErrUnavailable)

func newMissingKeyError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMissing, fmt.Sprintf(format, args...))
}

func newTamperError(dialogue, class, sk, detail string) error {
	return &blue.TamperError{
		Dialogue: blue.DialogueID(dialogue),
		Damage:   []blue.Damage{{Class: class, Item: sk, Detail: detail}},
	}
}

// A WrongKeyError reports that a wrap was made under another master key. The data
// can be intact, so this is not an integrity failure. It unwraps to
// blue.ErrSealed.
type WrongKeyError struct {
	Want string // the fingerprint of the key that made the wrap
	Have string // the fingerprint of the provider's key
}

// Error implements error.
func (e *WrongKeyError) Error() string {
	return "wrapped by " + e.Want + ", you have " + e.Have
}

// Unwrap returns blue.ErrSealed.
func (e *WrongKeyError) Unwrap() error { return blue.ErrSealed }

// Class returns the error_class of an audit event: one word for the reason why a
// key is not available. It is "denied", "wrong_key", "missing", "sealed" (any
// other blue.ErrSealed), "tampered", "erased", "conflict", "cancelled", "busy",
// "unavailable", "too_large", "invalid" or "other", and "" for nil.
func Class(err error) string {
	if err == nil {
		return ""
	}
	if _, wrong := errors.AsType[*WrongKeyError](err); wrong {
		return "wrong_key"
	}
	for _, c := range []struct {
		is    error
		class string
	}{
		{blue.ErrTampered, "tampered"}, {blue.ErrErased, "erased"}, {ErrDenied, "denied"}, {ErrNoKEK, "missing"}, {errMissing, "missing"},
		{blue.ErrConflict, "conflict"}, {context.Canceled, "cancelled"}, {context.DeadlineExceeded, "cancelled"},
		{blue.ErrBusy, "busy"}, {blue.ErrUnavailable, "unavailable"}, {blue.ErrTooLarge, "too_large"}, {blue.ErrInvalid, "invalid"},
	} {
		if errors.Is(err, c.is) {
			return c.class
		}
	}
	switch {
	case errors.Is(err, blue.ErrSealed) && errors.Is(err, fs.ErrNotExist):
		return "missing" // a key file
	case errors.Is(err, blue.ErrSealed):
		return "sealed"
	}
	return "other"
}

// The actions and outcomes of a KeyEvent.
const (
	deriveKEK  = "derive_kek"  // a call of Provider.DeriveKEK
	wrapDEK    = "wrap_dek"    // the creation of a wrap
	unwrapDEK  = "unwrap_dek"  // the opening of a wrap
	destroyKey = "destroy_key" // the deletion of wraps

	intent  = "intent"  // recorded before wraps are stored or deleted
	success = "success" // recorded after the action
	failure = "failure" // recorded after an error other than ErrDenied
	denied  = "denied"  // recorded after ErrDenied
)

// A KeyEvent describes one use of the provider, or one deletion of wraps. A key from
// the cache makes no event, and several callers that wait for one key make one event.
// Actions and outcomes have the values of the audit log (RFC 0058, CryptoOp):
//
//	derive_kek   success                before the KEK is used
//	wrap_dek     intent, then success   around the commit of key header and wrap
//	unwrap_dek   success                before the secret is returned
//	destroy_key  intent, then success   around the deletion of wraps
//
// An action that fails has the outcome failure or denied, and a Class. A wrap
// whose commit got no response is a failure of class "unavailable". Its intent
// shows that the wrap can be stored. An unwrap also fails if the wrap is missing,
// damaged or not granted, so that the provider is not called. There is no event
// if the store did not respond, because no key was used.
type KeyEvent struct {
	Action  string // "derive_kek", "wrap_dek", "unwrap_dek" or "destroy_key"
	Outcome string // "intent", "success", "failure" or "denied"
	// KeyID is the fingerprint of the UMK for derive_kek ("" if it is not
	// available), otherwise dek#{dialogue}#{version}.
	KeyID    string
	Dialogue string // "" for derive_kek
	Class    string // the Class of the error, "" for a success or an intent
}

// newEvent returns the event of a successful action on a wrap.
func (b Binding) newEvent(action string) KeyEvent {
	return KeyEvent{Action: action, Outcome: success, KeyID: fmt.Sprintf("dek#%s#%d", b.Dialogue, b.Version), Dialogue: b.Dialogue}
}

// failureEventTimeout is the maximum time to record a failure, whose caller's
// context can have ended.
const failureEventTimeout = 5 * time.Second

// recordOutcome records an action that ended with the error cause, or succeeded if
// cause is nil. It returns cause. If the event cannot be stored, it returns
// blue.ErrAudit too, unless cause already reports that the store is unavailable.
func (r *Ring) recordOutcome(ctx context.Context, e KeyEvent, cause error) error {
	if r.record == nil {
		return cause
	}
	if cause != nil {
		e.Outcome, e.Class = failure, Class(cause)
		if errors.Is(cause, ErrDenied) {
			e.Outcome = denied
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), failureEventTimeout)
		defer cancel()
	}
	err := r.record(ctx, e)
	if err == nil || errors.Is(cause, blue.ErrUnavailable) {
		return cause
	}
	if !errors.Is(err, blue.ErrAudit) {
		err = fmt.Errorf("%w: storing the event of %s: %w", blue.ErrAudit, e.Action, err)
	}
	return errors.Join(cause, err)
}

// withEvents records the intent of an action, calls do, and records the outcome.
func (r *Ring) withEvents(ctx context.Context, e KeyEvent, do func() error) error {
	before := e
	before.Outcome = intent
	if err := r.recordOutcome(ctx, before, nil); err != nil {
		return err
	}
	return r.recordOutcome(ctx, e, do())
}
