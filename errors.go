package blue

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of every store, wrapped with what each layer knows. Compare them
// with errors.Is. The exit code of the program follows from them.
var (
	// ErrInvalid: the request has the wrong form.
	ErrInvalid = errors.New("invalid input")
	// ErrRefused: the form is right, and a rule or the convergence gate refuses
	// the request. The detail is a *ValidationError or a *GateError.
	ErrRefused = errors.New("refused by a rule")
	// ErrNotFound: there is no such dialogue, entity or record.
	ErrNotFound = errors.New("not found")
	// ErrConflict: another writer was first. Nothing was written.
	ErrConflict = errors.New("conflict")
	// ErrBusy: no try succeeded within their limit. Nothing was written.
	ErrBusy = errors.New("store busy")
	// ErrTooLarge: over a limit of the strictest store. Nothing was written.
	ErrTooLarge = errors.New("too large")
	// ErrUnavailable: the store cannot be reached, opened or read.
	ErrUnavailable = errors.New("store unavailable")
	// ErrSealed: a key is missing, wrong or denied. The data can be intact.
	ErrSealed = errors.New("cannot open the seal")
	// ErrTampered: the stored data differ from the written data. The detail is a
	// *TamperError.
	ErrTampered = errors.New("integrity failure")
	// ErrRolledBack: the store shows an older state than this client has read
	// or written. errors.Is(err, ErrTampered) is true as well.
	ErrRolledBack = fmt.Errorf("rolled back: %w", ErrTampered)
	// ErrErased: the dialogue was erased. No dialogue gets its id again.
	ErrErased = errors.New("erased")
	// ErrAudit: the audit log could not store the event, so nothing was done.
	ErrAudit = errors.New("audit log unavailable")
)

// A Damage describes one damaged item of a dialogue.
type Damage struct {
	// Class is changed, missing, extra, rolled back, moved, stripped or
	// malformed: the constants of package record.
	Class  string `json:"class"`
	Item   string `json:"item"`   // sort key, e.g. "tension#00#01"
	Detail string `json:"detail"` // a finding; never plaintext, never key bytes
}

// A TamperError lists every damaged item of one dialogue. It unwraps to
// ErrTampered, or to ErrRolledBack if the whole dialogue is older than a state
// that this client has read or written.
type TamperError struct {
	Dialogue   DialogueID
	Damage     []Damage
	RolledBack bool
}

// Error returns the dialogue, and the class and detail of each damage.
func (e *TamperError) Error() string {
	parts := make([]string, 0, len(e.Damage))
	for _, d := range e.Damage {
		s := d.Item + ": " + d.Class
		if d.Detail != "" {
			s += " (" + d.Detail + ")"
		}
		parts = append(parts, s)
	}
	return fmt.Sprintf("dialogue %s failed its integrity check: %s", e.Dialogue, strings.Join(parts, "; "))
}

// Unwrap returns ErrTampered or ErrRolledBack.
func (e *TamperError) Unwrap() error {
	if e.RolledBack {
		return ErrRolledBack
	}
	return ErrTampered
}
