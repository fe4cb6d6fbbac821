package keys

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
)

// Both are blue.ErrSealed: the data may be fine, and is not to be had.
var (
	// ErrDenied: the key is there, and this user may not use it.
	ErrDenied = fmt.Errorf("%w: denied", blue.ErrSealed)
	// ErrNoKEK: the provider stores the key of each user, and this user has
	// none: it was never made, or it was lost. Nothing is made in its place.
	ErrNoKEK = fmt.Errorf("%w: the user has no key", blue.ErrSealed)
)

// WrongKeyError: the wrap was made under another master key than the one at
// hand. The data may be fine; it is not an integrity failure. It unwraps to
// blue.ErrSealed.
type WrongKeyError struct {
	Want string // fingerprint of the key that is needed
	Have string // fingerprint of the key at hand
}

func (e *WrongKeyError) Error() string {
	return "wrapped by " + e.Want + ", you have " + e.Have
}

func (e *WrongKeyError) Unwrap() error { return blue.ErrSealed }

// damaged is a TamperError about one record of a dialogue's keys.
func damaged(dialogue, class, sk, detail string) error {
	return &blue.TamperError{
		Dialogue: blue.DialogueID(dialogue),
		Damage:   []blue.Damage{{Class: class, Item: sk, Detail: detail}},
	}
}

// errMissing: a record of blue_keys that a key needs is not there.
var errMissing = fmt.Errorf("%w: missing", blue.ErrSealed)

func missing(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMissing, fmt.Sprintf(format, args...))
}
