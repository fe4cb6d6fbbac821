package keys

import (
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// A KEK is the key encryption key of one user: 32 bytes in memory, whatever
// provider returned it. It prints as "[redacted]". All methods may be called
// concurrently.
type KEK struct {
	envelope.Redacted
	user   string
	umk    string
	former []string // fingerprints of earlier master keys
	secret *envelope.Secret
	checks []record.Write // conditions of every commit that wraps under the KEK
}

// NewKEK returns the KEK of a user under the UMK with the given fingerprint. The
// KEK owns the secret from then on. former are the fingerprints of earlier UMKs,
// which older wraps name. NewKEK is for providers.
func NewKEK(user, umk string, secret *envelope.Secret, former ...string) *KEK {
	return &KEK{user: user, umk: umk, former: former, secret: secret}
}

// StoredAt adds the condition that the record at a key of blue_keys holds the
// given attributes, and returns k. Every commit that stores a wrap under the KEK
// then requires it. So a process that still has a KEK in memory cannot wrap under
// it after it was erased or replaced. StoredAt is for providers that store a KEK.
func (k *KEK) StoredAt(key record.Key, attrs record.Attrs) *KEK {
	k.checks = []record.Write{{Table: record.Keys, Record: record.Record{Key: key}, Prev: attrs, Check: true}}
	return k
}

// User returns the user of the KEK.
func (k *KEK) User() string { return k.user }

// UMK returns the fingerprint of the master key above the KEK.
func (k *KEK) UMK() string { return k.umk }

// umkFor returns the fingerprint that a valid wrap has: the one it names if that
// is an earlier master key, otherwise the current one.
func (k *KEK) umkFor(named string) string {
	if slices.Contains(k.former, named) {
		return named
	}
	return k.umk
}

// Destroy overwrites the key. Later uses return blue.ErrSealed.
func (k *KEK) Destroy() { k.secret.Destroy() }

// Generate generates a random secret of a dialogue and wraps it for the binding.
// It returns the errors of Wrap.
func (k *KEK) Generate(b Binding) (*envelope.Secret, Wrapped, error) {
	r := envelope.GenerateSecret()
	w, err := k.Wrap(b, r)
	if err != nil {
		r.Destroy()
		return nil, nil, err
	}
	return r, w, nil
}

// Wrap wraps the secret of a dialogue for the binding. It returns blue.ErrInvalid
// for a malformed binding or another user's, and blue.ErrSealed for a destroyed
// key.
func (k *KEK) Wrap(b Binding, r *envelope.Secret) (Wrapped, error) {
	if err := k.checkUser(b); err != nil {
		return nil, err
	}
	w, err := envelope.WrapSecret(k.secret, b.User, b.Dialogue, b.Version, r)
	if err != nil {
		return nil, fmt.Errorf("wrapping key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return w, nil
}

// Unwrap returns the secret that Wrap wrapped for the same user, dialogue and
// version. It returns *blue.TamperError with the place of the wrap if the wrap
// does not open, because AES-GCM cannot distinguish a changed wrap from a wrap of
// another place or key. It also returns the errors of Wrap. A nil KEK can be
// used to check the size of a wrap: any other wrap is blue.ErrInvalid.
func (k *KEK) Unwrap(b Binding, w Wrapped) (*envelope.Secret, error) {
	if len(w) != envelope.WrapSize {
		return nil, newTamperError(b.Dialogue, record.DamageMalformed, b.SK(), fmt.Sprintf("wrapped has %d bytes instead of %d", len(w), envelope.WrapSize))
	}
	if err := k.checkUser(b); err != nil {
		return nil, err
	}
	r, err := envelope.UnwrapSecret(k.secret, b.User, b.Dialogue, b.Version, w)
	if errors.Is(err, envelope.ErrOpen) {
		return nil, newTamperError(b.Dialogue, record.DamageChanged, b.SK(), "does not open: changed, or made for another user, dialogue, version or key")
	}
	if err != nil {
		return nil, fmt.Errorf("unwrapping key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return r, nil
}

// checkUser returns blue.ErrInvalid for a nil KEK and for the binding of another
// user. Package envelope checks the rest of the binding.
func (k *KEK) checkUser(b Binding) error {
	if k == nil {
		return fmt.Errorf("%w: keys: no key for a wrap of user %.80q", blue.ErrInvalid, b.User)
	}
	if b.User != k.user {
		return fmt.Errorf("%w: keys: the key of user %.80q cannot open a wrap of user %.80q", blue.ErrInvalid, k.user, b.User)
	}
	return nil
}

func (k *KEK) clone() (*KEK, error) {
	secret, err := k.secret.Clone()
	return &KEK{user: k.user, umk: k.umk, former: k.former, secret: secret, checks: k.checks}, err
}
