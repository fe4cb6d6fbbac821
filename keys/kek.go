package keys

import (
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// KEK is one user's key encryption key, 32 bytes in memory, from whatever
// provider. It prints as "[redacted]". All methods may be called
// concurrently.
type KEK struct {
	envelope.Redacted
	user   string
	umk    string
	former []string // master keys that it was under before
	secret *envelope.Secret
	stored *record.Write // see Stored
}

// NewKEK is for providers: it returns the KEK of a user below the UMK with
// that fingerprint, and takes the secret over. former are the UMKs it was under
// before: what was wrapped then names them.
func NewKEK(user, umk string, secret *envelope.Secret, former ...string) *KEK {
	return &KEK{user: user, umk: umk, former: former, secret: secret}
}

// Stored says which record of blue_keys the key was opened from, and what that
// must still hold for the key to be the user's. What is wrapped anew is put only
// while it does: a key that was erased meanwhile, or made anew, wraps nothing more
// although a process holds it yet. For providers that store a KEK.
func (k *KEK) Stored(at record.Key, holds record.Attrs) *KEK {
	k.stored = &record.Write{Table: record.Keys, Record: record.Record{Key: at}, Prev: holds, Check: true}
	return k
}

// checks are the writes that go with every put of a wrap under the key: none
// where keys are not stored.
func (k *KEK) checks() []record.Write {
	if k.stored == nil {
		return nil
	}
	return []record.Write{*k.stored}
}

// User returns the user whose key this is.
func (k *KEK) User() string { return k.user }

// UMK returns the fingerprint of the master key above.
func (k *KEK) UMK() string { return k.umk }

// as returns the UMK as a wrap calls it that may be from before a rewrap.
func (k *KEK) as(umk string) string {
	if slices.Contains(k.former, umk) {
		return umk
	}
	return k.umk
}

// Destroy zeroes the key; later uses fail with ErrSealed.
func (k *KEK) Destroy() { k.secret.Destroy() }

// Generate makes a random dialogue secret and wraps it for the binding.
func (k *KEK) Generate(b Binding) (*envelope.Secret, Wrapped, error) {
	r := envelope.GenerateSecret()
	w, err := k.Wrap(b, r)
	if err != nil {
		r.Destroy()
		return nil, nil, err
	}
	return r, w, nil
}

// Wrap wraps a dialogue secret for the binding.
func (k *KEK) Wrap(b Binding, r *envelope.Secret) (Wrapped, error) {
	if err := k.check(b); err != nil {
		return nil, err
	}
	w, err := envelope.WrapSecret(k.secret, b.User, b.Dialogue, b.Version, r)
	if err != nil {
		return nil, fmt.Errorf("wrapping key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return w, nil
}

// Unwrap opens what Wrap made for the same user, dialogue and version.
// Otherwise a *blue.TamperError that names the wrap: AES-GCM cannot tell an
// altered wrap from one of another place or key. A nil KEK opens nothing, and
// judges a wrap of another size as any other does.
func (k *KEK) Unwrap(b Binding, w Wrapped) (*envelope.Secret, error) {
	if len(w) != envelope.WrapSize {
		return nil, damaged(b.Dialogue, record.DamageMalformed, wrapKey(b).Item, fmt.Sprintf("wrapped has %d bytes instead of %d", len(w), envelope.WrapSize))
	}
	if err := k.check(b); err != nil {
		return nil, err
	}
	r, err := envelope.UnwrapSecret(k.secret, b.User, b.Dialogue, b.Version, w)
	if errors.Is(err, envelope.ErrOpen) {
		return nil, damaged(b.Dialogue, record.DamageChanged, wrapKey(b).Item, "does not open: altered, or made for another user, dialogue, version or key")
	}
	if err != nil {
		return nil, fmt.Errorf("unwrapping key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return r, nil
}

// check refuses the binding of another user; package envelope checks the rest.
func (k *KEK) check(b Binding) error {
	if k == nil {
		return fmt.Errorf("%w: keys: no key for a wrap of user %.80q", blue.ErrInvalid, b.User)
	}
	if b.User != k.user {
		return fmt.Errorf("%w: keys: the key of user %.80q for a wrap of user %.80q", blue.ErrInvalid, k.user, b.User)
	}
	return nil
}

func (k *KEK) clone() (*KEK, error) {
	secret, err := k.secret.Clone()
	if err != nil {
		return nil, err
	}
	kek := NewKEK(k.user, k.umk, secret, k.former...)
	kek.stored = k.stored
	return kek, nil
}
