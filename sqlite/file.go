package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/superviber/blue-encrypted-store/record"
)

// schemaVersion is the user_version that this program writes, and the newest that it
// reads.
const schemaVersion = 1

// A fileKind is one of the two kinds of database files.
type fileKind struct {
	name          string
	applicationID int64 // PRAGMA application_id, bytes 68 to 71 of the file
	otherID       int64 // the applicationID of the other kind
	schema        string
}

const (
	dataID = 0x426c7565 // "Blue"
	keysID = 0x426c754b // "BluK"
)

var (
	//go:embed schema.sql
	dataSchema string
	//go:embed schema_keys.sql
	keysSchema string

	dataFile = fileKind{"data", dataID, keysID, dataSchema}
	keysFile = fileKind{"keys", keysID, dataID, keysSchema}
)

// A file is one database file and the connections of this store to it.
type file struct {
	path   string
	kind   fileKind
	db     *sql.DB
	busy   time.Duration
	writer chan struct{} // holds one element while a writer of this store is active

	isClosed  atomic.Bool
	hasFailed atomic.Bool // a COMMIT failed in the file system, so no more writes are allowed
}

func newFile(path string, kind fileKind, o Options) *file {
	return &file{path: path, kind: kind, busy: o.BusyTimeout, writer: make(chan struct{}, 1)}
}

// open opens a file, and creates it first if it is missing or empty.
func (f *file) open(ctx context.Context, readOnly bool) error {
	exists, err := f.examine(ctx) // again, because another process may have created or damaged it
	if err != nil {
		return err
	}
	if !exists && !readOnly {
		if err := createFile(f.path); err != nil {
			return err
		}
	}
	if f.db, err = sql.Open("sqlite", f.dsn(readOnly)); err != nil {
		return f.wrapError(ctx, "opening", err)
	}
	// A connection caches up to 2 MB of pages. More readers than this wait.
	f.db.SetMaxOpenConns(8)
	f.db.SetMaxIdleConns(4)
	return f.prepare(ctx, readOnly)
}

// dsn returns the URI with the settings of every connection. SQLite must not create
// the file, because it would choose the mode.
func (f *file) dsn(readOnly bool) string {
	q := url.Values{
		"mode":       {"rw"},
		"_defensive": {"1"},
		"_dqs":       {"0"},
		"_pragma": {
			"busy_timeout(" + strconv.FormatInt(f.busy.Milliseconds(), 10) + ")",
			"synchronous(FULL)",
			"foreign_keys(1)",
			"trusted_schema(0)",
			"cell_size_check(1)",
			"secure_delete(1)", // overwrites deleted rows with zeros; see scrub.go
		},
	}
	if readOnly {
		q.Set("mode", "ro")
	}
	return fileURI(f.path, q)
}

// fileURI returns a file URI of SQLite ("Uniform Resource Identifiers"), in which '%',
// '?' and '#' of the path are escaped.
func fileURI(path string, q url.Values) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/… becomes /C:/…
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: slashed, RawQuery: q.Encode()}).String()
}

// prepare creates the schema and switches the file to WAL mode. SQLite does not wait
// for other writers in this switch, because it begins with a read lock. So prepare
// retries it.
func (f *file) prepare(ctx context.Context, readOnly bool) error {
	limit, cancel := context.WithTimeout(ctx, f.busy)
	defer cancel()
	return retryBusy(ctx, limit, func() error {
		isEmpty, err := f.checkSchema(ctx, f.db)
		switch {
		case err != nil:
			return err
		case isEmpty && readOnly:
			return fmt.Errorf("%w: %s has no schema yet; open it for writing first", record.ErrUnavailable, f.path)
		case readOnly:
			return nil
		case isEmpty:
			if err := f.write(ctx, f.createSchema(ctx)); err != nil {
				return err
			}
		}
		return f.useWAL(ctx)
	})
}

// createSchema returns a transaction that creates the schema, unless another process
// has created it. It runs before the switch to WAL, so that the application id is in
// the file itself from the first commit on, where examine reads it.
func (f *file) createSchema(ctx context.Context) func(*sql.Conn) error {
	return func(conn *sql.Conn) error {
		isEmpty, err := f.checkSchema(ctx, conn)
		if err != nil || !isEmpty {
			return err
		}
		_, err = conn.ExecContext(ctx, f.kind.schema)
		return err
	}
}

func (f *file) useWAL(ctx context.Context) error {
	var mode string
	for _, pragma := range []string{"PRAGMA journal_mode", "PRAGMA journal_mode = WAL"} {
		if err := f.db.QueryRowContext(ctx, pragma).Scan(&mode); err != nil {
			return f.wrapError(ctx, "opening", err)
		}
		if mode == "wal" {
			return nil
		}
	}
	return fmt.Errorf("%w: %s: its file system cannot share memory between processes, which SQLite's log needs; choose a local disk", record.ErrUnavailable, f.path)
}

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
