package record

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
)

// The errors of a Store are the errors of the domain, so that its callers need
// not know the client of a database.
var (
	ErrNotFound    = blue.ErrNotFound    // ErrNotFound reports that no record exists at the key.
	ErrConflict    = blue.ErrConflict    // ErrConflict reports that a condition failed. Nothing was written.
	ErrBusy        = blue.ErrBusy        // ErrBusy reports that other writers kept the store locked. Nothing was written.
	ErrTooLarge    = blue.ErrTooLarge    // ErrTooLarge reports data beyond a limit. Nothing was written.
	ErrInvalid     = blue.ErrInvalid     // ErrInvalid reports a call that breaks the contract. Nothing was written.
	ErrUnavailable = blue.ErrUnavailable // ErrUnavailable reports that the store cannot be used.
)

// ErrDenied reports that the table exists and the caller lacks the permission
// for this operation. It unwraps to ErrUnavailable.
var ErrDenied = fmt.Errorf("%w: denied", ErrUnavailable)

// A VoidedError reports that the commit was not written and never will be,
// because its fence is stored at the key (see Write.Fence). It unwraps to
// ErrBusy. The caller may redo its work.
type VoidedError struct {
	Table Table // the table of the fence
	Key   Key   // the key of the fence
}

// Error implements error.
func (e *VoidedError) Error() string {
	return "the commit was not written: " + e.Key.String() + " is fenced"
}

// Unwrap returns ErrBusy.
func (e *VoidedError) Unwrap() error { return ErrBusy }

// A ConflictError reports the write whose condition failed. It unwraps to
// ErrConflict.
type ConflictError struct {
	Table Table // the table of the write
	Key   Key   // the key of the write
}

// Error implements error.
func (e *ConflictError) Error() string {
	return "another writer was first at " + e.Key.String()
}

// Unwrap returns ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// IsOnMeta reports whether the conflict is at a dialogue's meta item. The caller
// may then read the partition again and redo its work.
func (e *ConflictError) IsOnMeta() bool { return e.Table == Dialogues && e.Key.Item == Meta }

// Classes of damage to one stored record (blue.Damage.Class).
const (
	DamageChanged    = "changed"     // DamageChanged is an attribute or payload that differs.
	DamageMissing    = "missing"     // DamageMissing is a record that was written and is missing.
	DamageExtra      = "extra"       // DamageExtra is a record that no writer of the store wrote.
	DamageRolledBack = "rolled back" // DamageRolledBack is an older version of the record.
	DamageMoved      = "moved"       // DamageMoved is a record of another key or dialogue.
	DamageStripped   = "stripped"    // DamageStripped is a MAC that is missing or has another length.
	DamageMalformed  = "malformed"   // DamageMalformed is a record in another form.
)
