package blue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/bounded"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/internal/plainjson"
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

// The codes of a FieldError, as Blue names them. Blue lists the last five and
// never returns them. Here they report what Blue accepts by mistake.
const (
	codeMissingField      = "missing_field"
	codeInvalidRefType    = "invalid_ref_type"
	codeInvalidDisplayID  = "invalid_display_id"
	codeInvalidRefTarget  = "invalid_ref_target"
	codeTypeIDMismatch    = "type_id_mismatch"
	codeInvalidEntityType = "invalid_entity_type"
	codeInvalidTransition = "invalid_status_transition" // a status, move type, verdict type, tier or source outside its closed list
	codeDuplicateEntity   = "duplicate_entity"          // one local id, given twice
	codeEntityNotFound    = "entity_not_found"          // also: data for another dialogue
	codeInvalidRound      = "invalid_round"             // out of range, or too many of a kind in it
	codeExpertNotFound    = "expert_not_in_dialogue"    // not the slug of an expert
)

// A FieldError is one thing that is wrong with one field of a request. Its JSON
// form is Blue's: {code, context, field, message, suggestion}, null where
// absent.
type FieldError struct {
	// Code is missing_field, invalid_ref_type, invalid_display_id,
	// invalid_ref_target, type_id_mismatch, invalid_entity_type,
	// invalid_status_transition, duplicate_entity, entity_not_found,
	// invalid_round or expert_not_in_dialogue.
	Code       string
	Message    string  // for people; holds ids and types, never an entity's text
	Field      string  // e.g. "perspectives[0].references[1].target"
	Suggestion *string // how to correct the field
	Context    any     // the allowed values, by name
}

// Error returns the field, the code and the message.
func (e *FieldError) Error() string {
	return strings.TrimPrefix(e.Field+": "+e.Code+": "+e.Message, ": ")
}

// Unwrap returns ErrRefused.
func (e *FieldError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's form.
func (e FieldError) MarshalJSON() ([]byte, error) {
	var field *string
	if e.Field != "" {
		field = &e.Field
	}
	return plainjson.Marshal(struct {
		Code       string  `json:"code"`
		Context    any     `json:"context"`
		Field      *string `json:"field"`
		Message    string  `json:"message"`
		Suggestion *string `json:"suggestion"`
	}{e.Code, e.Context, field, e.Message, e.Suggestion})
}

// A ValidationError is everything that is wrong with a request, in Blue's
// order. It unwraps to ErrRefused. Its JSON form is Blue's answer.
type ValidationError struct {
	Errors []FieldError
}

// Error returns at most five of the errors and the number of the others.
func (e *ValidationError) Error() string {
	const shown = 5
	parts := make([]string, 0, shown+1)
	for i := range e.Errors[:min(shown, len(e.Errors))] {
		parts = append(parts, e.Errors[i].Error())
	}
	if more := len(e.Errors) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%v: validation failed with %d error(s): %s", ErrRefused, len(e.Errors), strings.Join(parts, "; "))
}

// Unwrap returns ErrRefused.
func (e *ValidationError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's answer to a batch that fails its validation.
func (e *ValidationError) MarshalJSON() ([]byte, error) {
	return plainjson.Marshal(struct {
		Code    string       `json:"error_code"`
		Count   int          `json:"error_count"`
		Errors  []FieldError `json:"errors"`
		Message string       `json:"message"`
		Status  string       `json:"status"`
	}{"validation_failed", len(e.Errors), e.Errors, fmt.Sprintf("Validation failed with %d error(s)", len(e.Errors)), "error"})
}

// fieldErrors collects the errors of a request.
type fieldErrors []FieldError

// add adds an error for a field. A nil error is ignored.
func (errs *fieldErrors) add(field string, e *FieldError) {
	if e != nil {
		e.Field = field
		*errs = append(*errs, *e)
	}
}

// err returns a *ValidationError, or nil without errors.
func (errs fieldErrors) err() error {
	if len(errs) == 0 {
		return nil
	}
	return &ValidationError{errs}
}

// fieldError returns an error. An empty suggestion is absent.
func fieldError(code, message, suggestion string) *FieldError {
	e := &FieldError{Code: code, Message: message}
	if suggestion != "" {
		e.Suggestion = &suggestion
	}
	return e
}

func missingField(name string) *FieldError {
	return fieldError(codeMissingField, "Required field '"+name+"' is missing", "")
}

func invalidDisplayID(id string) *FieldError {
	return fieldError(codeInvalidDisplayID, displayIDMessage(id),
		"Use format: type prefix + 2-digit round + 2-digit sequence (e.g., P0101)")
}

// displayIDMessage is Blue's text about a display id that cannot be read.
func displayIDMessage(id string) string {
	return "Invalid display ID format '" + bounded.Text(id) + "'. Expected format: [" + strings.Join(kindLetters(), "|") + "]RRSS (e.g., P0101, T0203)"
}

// typeIDMismatch returns the error of an id that has another kind than required.
func typeIDMismatch(required Kind, id string) *FieldError {
	letter := string(required.Letter())
	return fieldError(codeTypeIDMismatch,
		fmt.Sprintf("Entity type '%s' doesn't match ID '%s'. ID should start with '%s'", letter, bounded.Text(id), letter),
		fmt.Sprintf("Use an ID starting with '%s' (e.g., %s0101)", letter, letter))
}

// checkList returns an error for a text that is not in its closed list.
func checkList[T ~string](what string, text T, list []T) *FieldError {
	if slices.Contains(list, text) {
		return nil
	}
	e := fieldError(codeInvalidTransition, fmt.Sprintf("Invalid %s '%s'. Must be one of: %s", what, bounded.Text(string(text)), display.Join(list, ", ")),
		"Use a valid "+what)
	e.Context = map[string][]T{"valid_values": list}
	return e
}

// checkRound returns an error for a round that is out of range.
func checkRound(round Round) *FieldError {
	if round.Valid() {
		return nil
	}
	return fieldError(codeInvalidRound, fmt.Sprintf("Invalid round %d. Must be from 0 to %d", round, MaxRound),
		"Start another dialogue when a dialogue runs out of rounds")
}

func tooMany(round Round, held int, what string) *FieldError {
	return fieldError(codeInvalidRound,
		fmt.Sprintf("Round %d would hold %d %s. At most %d can be numbered", round, held, what, MaxSeq),
		"Register the rest in another round")
}
