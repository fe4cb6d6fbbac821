package record

import (
	"fmt"
	"strings"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// CheckQuery returns ErrInvalid for a query that selects a part of Dialogues,
// has a negative Limit, or has an After that is not a valid sort key. Every
// Store calls it first in Query.
func CheckQuery(q Query) error {
	switch {
	case q.Table == Dialogues && (q.After != "" || q.Limit != 0):
		return fmt.Errorf("%w: record: a partition of %s must be read whole", ErrInvalid, Dialogues)
	case q.Limit < 0:
		return fmt.Errorf("%w: record: Limit %d is negative", ErrInvalid, q.Limit)
	case len(q.After) > MaxItem || !utf8.ValidString(q.After):
		return fmt.Errorf("%w: record: After is not a valid sort key", ErrInvalid)
	}
	return nil
}

// CheckBatch checks the writes of a commit. Every Store calls it first in
// Commit. It returns ErrTooLarge for data beyond a limit, and ErrInvalid if the
// caller breaks one of these rules:
//
//   - There is at least one write, and no two writes have the same key.
//   - The writes to Dialogues are of one partition, and one of them stores or
//     deletes its meta item.
//   - Writes to Keys are not mixed with writes to other tables.
//   - A check has no attributes, a delete has a Prev, and a write with a Fence
//     has neither Prev nor Check.
//   - Keys, names and strings are UTF-8, keys and names are not empty, and a
//     name is not "PK" or "SK" and does not begin with '_'.
func CheckBatch(writes []Write) error {
	if len(writes) == 0 {
		return fmt.Errorf("%w: record: the commit has no writes", ErrInvalid)
	}
	if len(writes) > MaxBatch {
		return fmt.Errorf("%w: the commit has %d records, at most %d are allowed", ErrTooLarge, len(writes), MaxBatch)
	}
	type place struct {
		table Table
		key   Key
	}
	seen := make(map[place]bool, len(writes))
	var partition Partition
	var dialogues, keys, changes, bytes int
	hasMeta := false
	for _, w := range writes {
		k := w.Record.Key
		at := place{w.Table, k}
		if seen[at] {
			return fmt.Errorf("%w: record: two writes to %s", ErrInvalid, k)
		}
		seen[at] = true
		if err := checkWrite(w); err != nil {
			return err
		}
		switch w.Table {
		case Dialogues:
			if dialogues > 0 && partition != k.Partition {
				return fmt.Errorf("%w: record: the commit writes to two partitions of %s", ErrInvalid, Dialogues)
			}
			partition = k.Partition
			dialogues++
			hasMeta = hasMeta || k.Item == Meta && !w.Check
		case Keys:
			keys++
		case Audit:
		default:
			return fmt.Errorf("%w: record: unknown table %q", ErrInvalid, w.Table)
		}
		if w.Prev != nil {
			changes++
		}
		bytes += w.Record.Size()
	}
	switch {
	case keys > 0 && keys < len(writes):
		return fmt.Errorf("%w: record: the commit writes to %s and to another table", ErrInvalid, Keys)
	case dialogues > 0 && !hasMeta:
		return fmt.Errorf("%w: record: the commit does not write the meta item", ErrInvalid)
	case bytes > MaxBatchBytes:
		return fmt.Errorf("%w: the commit has %d bytes, at most %d are allowed", ErrTooLarge, bytes, MaxBatchBytes)
	case changes > MaxChanges:
		return fmt.Errorf("%w: the commit changes %d existing records, at most %d are allowed", ErrTooLarge, changes, MaxChanges)
	}
	return checkTransaction(writes, bytes)
}

// checkTransaction checks that the writes that cannot go into log items fit one
// transaction, see MaxActions.
func checkTransaction(writes []Write, bytes int) error {
	if len(writes) <= MaxActions && bytes <= MaxActionBytes {
		return nil
	}
	var actions, actionBytes, logBytes int
	for _, w := range writes {
		if w.Table == Dialogues && w.Prev == nil && w.Record.Key.Item != Meta {
			logBytes += w.Record.LogSize()
			continue
		}
		actions++
		actionBytes += w.Record.Size()
	}
	actions += (logBytes + MaxLogChunk - 1) / MaxLogChunk
	if actions > MaxActions || actionBytes > MaxActionBytes-MaxRecord {
		return fmt.Errorf("%w: the commit does not fit one transaction: it needs %d of %d actions, and %d bytes without its %d bytes of new records",
			ErrTooLarge, actions, MaxActions, actionBytes, logBytes)
	}
	return nil
}

func checkWrite(w Write) error {
	k := w.Record.Key
	switch {
	case k.Partition == "" || k.Item == "":
		return fmt.Errorf("%w: record: a key is empty", ErrInvalid)
	case len(k.Partition) > MaxPartition:
		return fmt.Errorf("%w: a partition key has %d bytes, at most %d are allowed", ErrTooLarge, len(k.Partition), MaxPartition)
	case len(k.Item) > MaxItem:
		return fmt.Errorf("%w: a sort key has %d bytes, at most %d are allowed", ErrTooLarge, len(k.Item), MaxItem)
	case w.Check && len(w.Record.Attrs) > 0:
		return fmt.Errorf("%w: record: a check has attributes", ErrInvalid)
	case len(w.Fence) > 0 && (w.Prev != nil || w.Check):
		return fmt.Errorf("%w: record: a write with a fence has a Prev or is a check", ErrInvalid)
	case !w.Check && len(w.Record.Attrs) == 0 && w.Prev == nil:
		return fmt.Errorf("%w: record: a delete has no condition", ErrInvalid)
	}
	if size := w.Record.Size(); size > MaxRecord {
		return fmt.Errorf("%w: %s has %d bytes as stored, at most %d are allowed", ErrTooLarge, k.Item, size, MaxRecord)
	}
	if !utf8.ValidString(string(k.Partition)) || !utf8.ValidString(k.Item) {
		return fmt.Errorf("%w: record: a key is not UTF-8", ErrInvalid)
	}
	for name, v := range w.Record.Attrs {
		if !utf8.ValidString(name) || !utf8.ValidString(v.str) {
			return fmt.Errorf("%w: record: attribute %q of %s is not UTF-8", ErrInvalid, name, k.Item)
		}
		if v.typ == 0 || name == "" || strings.HasPrefix(name, "_") || name == "PK" || name == "SK" {
			return fmt.Errorf("%w: record: attribute %q of %s has a reserved name or no value", ErrInvalid, name, k.Item)
		}
	}
	return nil
}

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
