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

// Primary result codes of SQLite ("Result and Error Codes").
const (
	codeBusy    = sqlite3.SQLITE_BUSY
	codeFull    = sqlite3.SQLITE_FULL
	codeCorrupt = sqlite3.SQLITE_CORRUPT
)

// code returns the primary result code of an error, 0 if it is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// fault turns an error met while doing something to the file into one of
// record's: what happened, what it means, what to do. Errors that are ours
// already, and the context's, pass.
func (f *file) fault(ctx context.Context, doing string, err error) error {
	ours := errors.Is(err, record.ErrConflict) || errors.Is(err, record.ErrUnavailable) ||
		errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrBusy)
	switch {
	case err == nil || ours:
		return err
	case f.closed.Load():
		return errClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	sentinel, advice := record.ErrUnavailable, "see the cause"
	switch code(err) {
	case codeBusy, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		sentinel = record.ErrBusy
		advice = fmt.Sprintf("another process kept it locked for %v; nothing was written, try again", f.busy)
	case codeFull:
		advice = "the disk is full; nothing was written, free some space and try again"
	case sqlite3.SQLITE_READONLY:
		advice = "the file or its folder cannot be written to; nothing was written, give yourself write permission to both or open the store read only"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		advice = "the file cannot be opened; check that it and its folder are there and yours to read and write"
	case codeCorrupt:
		advice = "the file is damaged or cut short; restore it from a backup, with its -wal file if there is one"
	case sqlite3.SQLITE_NOTADB:
		advice = "the file is not an SQLite database and was left as it is; choose another path or move it away"
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS:
		advice = "the disk or its file system failed; nothing was written, look after the disk and open the store again"
	}
	return fmt.Errorf("%w: %s %s: %w: %s", sentinel, doing, f.path, err, advice)
}

// Unreachable reports whether an error of a Store means that its file cannot be
// used just now: locked, full, read only, damaged. Data and audit log lie in
// the same one.
func Unreachable(err error) bool {
	_, ok := errors.AsType[*driver.Error](err)
	return ok
}
