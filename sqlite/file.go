package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/superviber/blue-encrypted-store/internal/fsutil"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// checkPair returns ErrUnavailable if the data exists without its keys, or if nothing
// exists and nothing may be created. The keys file is always created and filled before
// the data file, so a crash cannot leave the data without it.
func checkPair(data, keys string, readOnly bool) error {
	switch {
	case !hasDatabaseContent(data) && readOnly:
		return fmt.Errorf("%w: there is no store %s; open it for writing to create one, or correct the path", record.ErrUnavailable, data)
	case !hasDatabaseContent(data) || hasDatabaseContent(keys):
		return nil
	}
	return fmt.Errorf("%w: %s exists, but its keys file %s is missing or empty: encrypted data cannot be opened without it; restore it from its own backup",
		record.ErrUnavailable, data, keys)
}

// checkDataNotLost returns ErrUnavailable if the data file is missing and the keys
// file has keys: the data was lost, and must not be replaced by a new file. Keys are
// stored only after the data file was created, so a crash cannot cause this.
func (s *Store) checkDataNotLost(ctx context.Context) error {
	if hasDatabaseContent(s.data.path) {
		return nil
	}
	hasKeys, err := s.hasRecords(ctx, record.Keys, "")
	// Look again, because another process can have created both files meanwhile.
	if err != nil || !hasKeys || hasDatabaseContent(s.data.path) {
		return err
	}
	return fmt.Errorf("%w: %s is missing or empty, but its keys file %s holds keys: the data was lost or moved; restore it, or move the keys file away to start a new store",
		record.ErrUnavailable, s.data.path, s.keys.path)
}

func hasDatabaseContent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// examine reports whether the file exists. It returns an error for a file that is not
// one of this store, without changing anything.
func (f *databaseFile) examine(ctx context.Context) (exists bool, err error) {
	wal := f.path + "-wal"
	// Read first, because a process that creates the file creates the log later.
	hasLog := hasDatabaseContent(wal)
	info, err := os.Stat(f.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w: examining %s: %w: check the path and its permissions", record.ErrUnavailable, f.path, err)
	case err == nil && !info.Mode().IsRegular():
		return false, fmt.Errorf("%w: %s is not a file (%s); choose another path", record.ErrUnavailable, f.path, info.Mode().Type())
	case (err != nil || info.Size() == 0) && hasLog:
		return false, fmt.Errorf("%w: %s is missing or empty, but its log %s holds data: the file was moved or lost without its log; restore both together, or move the log away to start a new store",
			record.ErrUnavailable, f.path, wal)
	case err != nil:
		return false, nil
	case info.Size() == 0:
		return true, nil
	}
	// The header is read without a lock. Another process can be creating the file or
	// writing a checkpoint, so an error counts only if it persists.
	const attempts, pause = 20, 25 * time.Millisecond
	for range attempts {
		if err = f.checkHeader(ctx); err == nil || errors.Is(err, record.ErrInvalid) {
			break
		}
		if err := retry.Sleep(ctx, pause); err != nil {
			return true, err
		}
	}
	return true, err
}

// checkHeader checks the header of a file that is not empty, without a lock, a log or
// a recovery. It reads the state of the last checkpoint, which shows whether the file
// belongs to a store. prepare checks the rest.
func (f *databaseFile) checkHeader(ctx context.Context) error {
	db, err := sql.Open("sqlite", fileURI(f.path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return f.wrapError(ctx, "opening", err)
	}
	defer db.Close()
	hasLog := func() bool { _, err := os.Lstat(f.path + "-wal"); return err == nil }
	hadLog := hasLog()
	isEmpty, err := f.checkSchema(ctx, db)
	switch {
	case resultCode(err) == sqlite3.SQLITE_CORRUPT && (hadLog || hasLog()):
		return nil // a checkpoint may be running
	case isEmpty:
		// SQLite takes a file of one byte for an empty database. A file of a store
		// has its application id from its first commit on.
		return fmt.Errorf("%w: %s is not empty and not an SQLite database of this program, and was left as it is; choose another path or move it away", record.ErrUnavailable, f.path)
	}
	return err
}

// querier is implemented by *sql.DB and *sql.Conn.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// checkSchema reports whether the database is empty. It returns ErrInvalid for a
// database of a newer program, and ErrUnavailable for one of another program.
func (f *databaseFile) checkSchema(ctx context.Context, db querier) (isEmpty bool, err error) {
	var id, version, objects int64
	err = db.QueryRowContext(ctx, "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"+
		" FROM pragma_application_id, pragma_user_version").Scan(&id, &version, &objects)
	switch {
	case err != nil:
		return false, f.wrapError(ctx, "opening", err)
	case id == 0 && version == 0 && objects == 0:
		return true, nil
	case id == f.kind.otherID:
		return false, fmt.Errorf("%w: %s is not the %s file of a store but the other one: data and keys were swapped; move each to its place", record.ErrUnavailable, f.path, f.kind.name)
	case id != f.kind.applicationID:
		return false, fmt.Errorf("%w: %s is the SQLite database of another program (application id %d) and was left as it is; choose another path", record.ErrUnavailable, f.path, id)
	case version > schemaVersion:
		return false, fmt.Errorf("%w: %s has schema %d and this program knows %d: a newer program wrote it; use that program, nothing was changed", record.ErrInvalid, f.path, version, schemaVersion)
	case version < schemaVersion:
		return false, fmt.Errorf("%w: %s has the unknown schema %d; restore it from a backup", record.ErrUnavailable, f.path, version)
	}
	return false, nil
}

// createFile creates an empty database file of mode 0600 and its folder of mode 0700.
// A file that exists is left as it is. The file is closed before it gets its name, see
// the package documentation. SQLite flushes it with the first commit.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("%w: creating the folder of %s: %w: check the path and its permissions", record.ErrUnavailable, path, err)
	}
	err := fsutil.WriteFile(path, fsutil.WriteOptions{Mode: fsutil.Create, Sync: fsutil.SyncNone, Temp: ".blue-*.new"}, func(*os.File) error { return nil })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: creating %s: %w: check that the folder can be written to and is on a local disk", record.ErrUnavailable, path, err)
	}
	return nil
}

// retryBusy calls try until its error is not ErrBusy, or limit ends. limit must be
// derived from ctx.
func retryBusy(ctx, limit context.Context, try func() error) error {
	for {
		err := try()
		if !errors.Is(err, record.ErrBusy) {
			return err
		}
		if retry.Sleep(limit, 20*time.Millisecond) != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
}

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

// A databaseFile is one database file and the connections of this store to it.
type databaseFile struct {
	path   string
	kind   fileKind
	db     *sql.DB
	busy   time.Duration
	writer chan struct{} // holds one element while a writer of this store is active

	isClosed  atomic.Bool
	hasFailed atomic.Bool // a COMMIT failed in the file system, so no more writes are allowed
}

func newFile(path string, kind fileKind, o Options) *databaseFile {
	return &databaseFile{path: path, kind: kind, busy: o.BusyTimeout, writer: make(chan struct{}, 1)}
}

// open opens a file, and creates it first if it is missing or empty.
func (f *databaseFile) open(ctx context.Context, readOnly bool) error {
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
func (f *databaseFile) dsn(readOnly bool) string {
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
			"secure_delete(1)", // overwrites deleted rows with zeros; see Scrub
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
func (f *databaseFile) prepare(ctx context.Context, readOnly bool) error {
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
func (f *databaseFile) createSchema(ctx context.Context) func(*sql.Conn) error {
	return func(conn *sql.Conn) error {
		isEmpty, err := f.checkSchema(ctx, conn)
		if err != nil || !isEmpty {
			return err
		}
		_, err = conn.ExecContext(ctx, f.kind.schema)
		return err
	}
}

func (f *databaseFile) useWAL(ctx context.Context) error {
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

func (f *databaseFile) newReadOnlyError() error {
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
func (f *databaseFile) wrapError(ctx context.Context, operation string, err error) error {
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
