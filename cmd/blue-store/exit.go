package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// The exit codes (docs/design.md §6). New ones may be added; a script treats
// one it does not know as 1.
const (
	exitOK          = 0
	exitUnexpected  = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitUnavailable = 5
	exitKey         = 6
	exitIntegrity   = 7
	exitConflict    = 8
	exitErased      = 9
	exitAudit       = 10
	exitInterrupted = 130
)

// exitMeanings says what each exit code means; help prints it.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitOK, "ok"},
	{exitUnexpected, "unexpected"},
	{exitUsage, "usage or malformed input"},
	{exitNotFound, "not found"},
	{exitRefused, "well-formed, but refused by a rule or gate"},
	{exitUnavailable, "store unreachable"},
	{exitKey, "key missing, wrong or denied"},
	{exitIntegrity, "integrity, rollback included"},
	{exitConflict, "conflict or busy"},
	{exitErased, "erased"},
	{exitAudit, "audit unavailable"},
	{exitInterrupted, "interrupted"},
}

// kinds maps an error to its exit code and its name in JSON, the gravest
// first: an error may be several things at once.
var kinds = []struct {
	err  error
	code int
	kind string
}{
	{context.Canceled, exitInterrupted, "interrupted"},
	{blue.ErrTampered, exitIntegrity, "integrity"},
	{blue.ErrErased, exitErased, "erased"},
	{blue.ErrSealed, exitKey, "key"},
	{blue.ErrAudit, exitAudit, "audit_unavailable"},
	{blue.ErrUnavailable, exitUnavailable, "store_unavailable"},
	{blue.ErrConflict, exitConflict, "conflict"},
	{blue.ErrBusy, exitConflict, "busy"},
	{blue.ErrRefused, exitRefused, "refused"},
	{blue.ErrTooLarge, exitUsage, "too_large"},
	{blue.ErrNotFound, exitNotFound, "not_found"},
	{blue.ErrInvalid, exitUsage, "invalid"},
}

// classify returns the exit code and name of an error. An audit event that
// could not be stored because the store as a whole cannot be used has the code
// of that, 5, or 8 where it is locked; because its own table is missing or
// denied, 10.
func classify(err error) (code int, kind string) {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage, "usage"
	}
	for _, k := range kinds {
		if k.err == blue.ErrAudit && (dynamo.Unreachable(err) || sqlite.IsUnreachable(err)) {
			continue // the log is in the store that is gone, and to bring that back is what helps
		}
		if errors.Is(err, k.err) {
			return k.code, k.kind
		}
	}
	return exitUnexpected, "unexpected"
}

// usageError is something typed wrong. Hint says what to type instead.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func usage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return fmt.Errorf("%w: %s", blue.ErrNotFound, fmt.Sprintf(format, args...))
}

// hinted adds what to type to an error.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

// hintOf returns the hint of an error, or "".
func hintOf(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	if u, ok := errors.AsType[*usageError](err); ok && u.hint != "" {
		return u.hint
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	if file, ok := errors.AsType[*localfile.FileError](err); ok && file.Hint != "" {
		return file.Hint
	}
	if wrong, ok := errors.AsType[*keys.WrongKeyError](err); ok && strings.HasPrefix(wrong.Want, "arn:") {
		if strings.HasPrefix(wrong.Have, "arn:") {
			return "set BLUE_KMS_KEY_ARN to the key that was used; or, if the KMS key was changed on purpose: blue-store keys rewrap"
		}
		return "set BLUE_KMS_KEY_ARN to the key in KMS that is named"
	}
	switch {
	case errors.Is(err, keys.ErrNoKEK):
		return "under this KMS key BLUE_USER has no key, and was granted nothing here; unset BLUE_KMS_KEY_ARN if the store was sealed with a key file"
	case errors.Is(err, blue.ErrErased) && !errors.Is(err, blue.ErrTampered):
		return "it is gone for good, and its id is not given again; if older data were put back: blue-store erase replay, before anything else"
	case errors.Is(err, blue.ErrRolledBack):
		return "if you put the store back on purpose, run again with --accept-rollback"
	case errors.Is(err, blue.ErrTampered):
		return "nothing was shown; --salvage on verify, show and export gives the items that verify"
	}
	return ""
}

// errorJSON is an error on standard error when output is JSON.
type errorJSON struct {
	Kind     string        `json:"kind"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	ExitCode int           `json:"exit_code"`
	TraceID  string        `json:"trace_id,omitempty"` // of this run, as in its audit events
	Damage   []blue.Damage `json:"damage,omitempty"`
}

// exit prints an error and returns the exit code. An answer that Blue gives
// on standard output (a failed validation, a closed gate) stands there too.
func (a *app) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", context.Canceled)
	}
	code, kind := classify(err)
	e := errorJSON{Kind: kind, Message: err.Error(), Hint: hintOf(err), ExitCode: code, TraceID: traceID(ctx)}
	if t, ok := errors.AsType[*blue.TamperError](err); ok {
		e.Damage = t.Damage
	}
	if a.json() {
		text, _ := json.Marshal(e)
		fmt.Fprintf(a.err, "%s\n", escaped(text))
		return code
	}
	fmt.Fprintf(a.err, "error: %s\n", printable(e.Message))
	if e.Hint != "" {
		fmt.Fprintf(a.err, "hint: %s\n", printable(e.Hint))
	}
	return code
}
