package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	blue "github.com/superviber/blue-encrypted-store"
)

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

func newMissingError(format string, args ...any) error {
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
