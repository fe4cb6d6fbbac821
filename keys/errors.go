package keys

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
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

func sealed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", blue.ErrSealed, fmt.Sprintf(format, args...))
}
