package blue

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels every store returns, wrapped with what each layer knows.
// Compare with errors.Is; the exit code of the program follows from them.
var (
	// ErrInvalid: the request cannot be read as what it should be.
	ErrInvalid = errors.New("invalid input")
	// ErrRefused: well-formed, but a rule or gate says no. The detail is a
	// *ValidationError or a *GateError.
	ErrRefused = errors.New("refused by a rule")
	// ErrNotFound: no such dialogue, entity or record.
	ErrNotFound = errors.New("not found")
	// ErrConflict: another writer was there first. Nothing was written.
	ErrConflict = errors.New("conflict")
	// ErrBusy: no consistent answer within the bounded tries. Nothing was written.
	ErrBusy = errors.New("store busy")
	// ErrTooLarge: over a limit of the strictest store. Nothing was written.
	ErrTooLarge = errors.New("too large")
	// ErrUnavailable: the store cannot be reached, opened or understood.
	ErrUnavailable = errors.New("store unavailable")
	// ErrSealed: a key is missing, wrong or denied. The data may be fine.
	ErrSealed = errors.New("cannot open the seal")
	// ErrTampered: what is stored is not what was written. The detail is a *TamperError.
	ErrTampered = errors.New("integrity failure")
	// ErrRolledBack: the store shows an older state than this client has seen.
	// errors.Is(err, ErrTampered) holds as well.
	ErrRolledBack = fmt.Errorf("rolled back: %w", ErrTampered)
	// ErrErased: the dialogue was erased for good; its id is never given again.
	ErrErased = errors.New("erased")
	// ErrAudit: the audit log could not take the event, so nothing happened.
	ErrAudit = errors.New("audit log unavailable")
)

// Damage describes one damaged item of a dialogue.
type Damage struct {
	// Class is changed, missing, extra, rolled back, moved, stripped or
	// malformed: the constants of package record.
	Class  string `json:"class"`
	Item   string `json:"item"`   // sort key, e.g. "tension#00#01"
	Detail string `json:"detail"` // what was found; never plaintext, never key bytes
}

// TamperError lists every damaged item that was found in one dialogue.
// It unwraps to ErrTampered, or to ErrRolledBack when the whole dialogue is
// older than a state that is known to exist.
type TamperError struct {
	Dialogue   DialogueID
	Damage     []Damage
	RolledBack bool
}

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

func (e *TamperError) Unwrap() error {
	if e.RolledBack {
		return ErrRolledBack
	}
	return ErrTampered
}
