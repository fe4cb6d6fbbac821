package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/superviber/blue-encrypted-store/record"
)

var errClosed = fmt.Errorf("%w: the store is closed", record.ErrUnavailable)

func (f *file) newReadOnlyError() error {
	return fmt.Errorf("%w: %s was opened read only; nothing was written", record.ErrUnavailable, f.path)
}

// resultCode returns the primary result code of an error of SQLite ("Result and Error
// Codes"), otherwise 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// wrapError returns an error of package record for an error of SQLite, with the
// operation, the cause and what the user can do. It returns errors of package record
// and the error of the context as they are.
func (f *file) wrapError(ctx context.Context, operation string, err error) error {
	isWrapped := errors.Is(err, record.ErrConflict) || errors.Is(err, record.ErrUnavailable) ||
		errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrBusy)
	switch {
	case err == nil || isWrapped:
		return err
	case f.isClosed.Load():
		return errClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	sentinel, advice := record.ErrUnavailable, "see the cause"
	switch resultCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		sentinel = record.ErrBusy
		advice = fmt.Sprintf("another process kept it locked for %v; nothing was written, try again", f.busy)
	case sqlite3.SQLITE_FULL:
		advice = "the disk is full; nothing was written, free some space and try again"
	case sqlite3.SQLITE_READONLY:
		advice = "the file or its folder cannot be written to; nothing was written, give yourself write permission to both or open the store read only"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		advice = "the file cannot be opened; check that it and its folder exist and that you can read and write them"
	case sqlite3.SQLITE_CORRUPT:
		advice = "the file is damaged or cut short; restore it from a backup, with its -wal file if there is one"
	case sqlite3.SQLITE_NOTADB:
		advice = "the file is not an SQLite database and was left as it is; choose another path or move it away"
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS:
		advice = "the disk or its file system failed; nothing was written, check the disk and open the store again"
	}
	return fmt.Errorf("%w: %s %s: %w: %s", sentinel, operation, f.path, err, advice)
}

// IsUnreachable reports whether an error of a Store shows that its file cannot be used
// now: it is locked, full, read-only or damaged. The audit log is in the same file as
// the data.
func IsUnreachable(err error) bool {
	_, ok := errors.AsType[*driver.Error](err)
	return ok
}
