package blue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The codes of a FieldError, as Blue names them. The last five stand in
// Blue's list without being raised there; here they tell what Blue lets
// through by mistake.
const (
	codeMissingField      = "missing_field"
	codeInvalidRefType    = "invalid_ref_type"
	codeInvalidDisplayID  = "invalid_display_id"
	codeInvalidRefTarget  = "invalid_ref_target"
	codeTypeIDMismatch    = "type_id_mismatch"
	codeInvalidEntityType = "invalid_entity_type"
	codeInvalidTransition = "invalid_status_transition" // a status, move type, verdict type, tier or source outside its closed list
	codeDuplicateEntity   = "duplicate_entity"          // one local id, given twice
	codeEntityNotFound    = "entity_not_found"          // also: data meant for another dialogue
	codeInvalidRound      = "invalid_round"             // out of range, or too many of a kind for it
	codeExpertNotFound    = "expert_not_in_dialogue"    // not an expert's slug at all
)

// FieldError is one thing wrong with one field of a request. Its JSON form is
// Blue's: {code, context, field, message, suggestion}, null where absent.
type FieldError struct {
	Code       string  // one of the Code constants
	Message    string  // for people; names ids and types, never an entity's text
	Field      string  // e.g. "perspectives[0].references[1].target"
	Suggestion *string // how to put it right
	Context    any     // what is allowed, by name
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Code + ": " + e.Message
	}
	return e.Field + ": " + e.Code + ": " + e.Message
}

// Unwrap returns ErrRefused.
func (e *FieldError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's form.
func (e FieldError) MarshalJSON() ([]byte, error) {
	var field *string
	if e.Field != "" {
		field = &e.Field
	}
	return plainJSON(struct {
		Code       string  `json:"code"`
		Context    any     `json:"context"`
		Field      *string `json:"field"`
		Message    string  `json:"message"`
		Suggestion *string `json:"suggestion"`
	}{e.Code, e.Context, field, e.Message, e.Suggestion})
}

// at returns the error, moved to a field.
func (e *FieldError) at(field string) FieldError {
	moved := *e
	moved.Field = field
	return moved
}

// ValidationError is everything that is wrong with a request, in Blue's
// order. It unwraps to ErrRefused; its JSON form is Blue's answer.
type ValidationError struct {
	Errors []FieldError
}

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

func (e *ValidationError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's answer to a batch that fails its validation.
func (e *ValidationError) MarshalJSON() ([]byte, error) {
	return plainJSON(struct {
		Code    string       `json:"error_code"`
		Count   int          `json:"error_count"`
		Errors  []FieldError `json:"errors"`
		Message string       `json:"message"`
		Status  string       `json:"status"`
	}{"validation_failed", len(e.Errors), e.Errors, fmt.Sprintf("Validation failed with %d error(s)", len(e.Errors)), "error"})
}

// refusal returns a *ValidationError, or nil when nothing is wrong.
func refusal(errs ...FieldError) error {
	if len(errs) == 0 {
		return nil
	}
	return &ValidationError{errs}
}

// fieldError builds an error; an empty suggestion is absent.
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

// displayIDMessage is Blue's text about a display id that does not parse.
func displayIDMessage(id string) string {
	return "Invalid display ID format '" + clip(id) + "'. Expected format: [" + strings.Join(letters(), "|") + "]RRSS (e.g., P0101, T0203)"
}

// typeIDMismatch says that an id is not one of the kind that is due.
func typeIDMismatch(due Kind, id string) *FieldError {
	letter := string(due.Letter())
	return fieldError(codeTypeIDMismatch,
		fmt.Sprintf("Entity type '%s' doesn't match ID '%s'. ID should start with '%s'", letter, clip(id), letter),
		fmt.Sprintf("Use an ID starting with '%s' (e.g., %s0101)", letter, letter))
}

// outsideList says that a text is not in its closed list.
func outsideList[T ~string](what, text string, list []T) *FieldError {
	e := fieldError(codeInvalidTransition, fmt.Sprintf("Invalid %s '%s'. Must be one of: %s", what, clip(text), joined(list)),
		"Use a valid "+what)
	e.Context = map[string][]T{"valid_values": list}
	return e
}

func invalidRound(round int64) *FieldError {
	return fieldError(codeInvalidRound, fmt.Sprintf("Invalid round %d. Must be from 0 to %d", round, MaxRound),
		"Start another dialogue when a dialogue runs out of rounds")
}

func joined[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// plainJSON is json.Marshal without the escaping of '<', '>' and '&', which
// Blue does not do.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
