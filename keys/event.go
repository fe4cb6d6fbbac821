package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

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
