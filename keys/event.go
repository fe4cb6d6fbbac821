package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// Action is what a Ring asked of its provider. The values are those of the
// audit log's operations (RFC 0058, CryptoOp).
type Action string

const (
	DeriveKEK Action = "derive_kek"
	WrapDEK   Action = "wrap_dek"
	UnwrapDEK Action = "unwrap_dek"
)

// Outcome is how it ended. The values are those of the audit log.
type Outcome string

const (
	Intent  Outcome = "intent" // of a wrap, before the key is stored
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied" // ErrDenied
)

// KeyEvent is one use of the provider. What a Ring serves from memory is none,
// and neither is an answer that several callers waited for together.
//
//	derive_kek  success                 before the key is used
//	wrap_dek    intent, then an outcome around the commit of head and wrap
//	unwrap_dek  success                 before the secret is handed out
//
// or failure or denied with a Class. A wrap whose answer was lost is a failure
// of class "unavailable", and its intent says that the key may lie there. An
// unwrap fails also where the wrap is missing, damaged or not granted, so that
// the provider is not even asked; not where the store did not answer, for then
// no key was tried.
type KeyEvent struct {
	Action   Action
	Outcome  Outcome
	KeyID    string // of derive_kek the UMK's fingerprint, "" if it could not be had; else dek#{dialogue}#{version}
	Dialogue string // "" for derive_kek
	Class    string // of a failure: Class
}

// Class names in one word why a key could not be had: the error_class of the
// audit event. It tells no more than that: "denied", "wrong_key", "missing",
// "sealed" (another ErrSealed), "tampered", "erased", "conflict",
// "cancelled", "busy", "unavailable", "too_large", "invalid" or "other"; ""
// for nil.
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

// patience is how long a Ring tries to record a failure whose caller may have
// given up already.
const patience = 5 * time.Second

// note records how an action ended and returns the error of its caller: a
// success that cannot be recorded is ErrAudit, and a failure that cannot is
// both.
func (r *Ring) note(ctx context.Context, e KeyEvent, cause error) error {
	if r.record == nil {
		return cause
	}
	if cause != nil {
		e.Outcome, e.Class = Failure, Class(cause)
		if errors.Is(cause, ErrDenied) {
			e.Outcome = Denied
		}
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		ctx = late
	}
	err := r.record(ctx, e)
	if err == nil || errors.Is(cause, blue.ErrUnavailable) { // who cannot reach the store has been told
		return cause
	}
	if !errors.Is(err, blue.ErrAudit) {
		err = fmt.Errorf("%w: the event of this %s could not be stored: %w", blue.ErrAudit, e.Action, err)
	}
	return errors.Join(cause, err)
}

// event begins the event of a binding.
func (b Binding) event(action Action) KeyEvent {
	return KeyEvent{Action: action, Outcome: Success, KeyID: fmt.Sprintf("dek#%s#%d", b.Dialogue, b.Version), Dialogue: b.Dialogue}
}
