package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

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
	case !hasContent(data) && readOnly:
		return fmt.Errorf("%w: there is no store %s; open it for writing to create one, or correct the path", record.ErrUnavailable, data)
	case !hasContent(data) || hasContent(keys):
		return nil
	}
	return fmt.Errorf("%w: %s exists, but its keys file %s is missing or empty: encrypted data cannot be opened without it; restore it from its own backup",
		record.ErrUnavailable, data, keys)
}

// checkDataNotLost returns ErrUnavailable if the data file is missing and the keys
// file has keys: the data was lost, and must not be replaced by a new file. Keys are
// stored only after the data file was created, so a crash cannot cause this.
func (s *Store) checkDataNotLost(ctx context.Context) error {
	if hasContent(s.data.path) {
		return nil
	}
	hasKeys, err := s.hasRecords(ctx, record.Keys, "")
	if err != nil || !hasKeys {
		return err
	}
	return fmt.Errorf("%w: %s is missing or empty, but its keys file %s holds keys: the data was lost or moved; restore it, or move the keys file away to start a new store",
		record.ErrUnavailable, s.data.path, s.keys.path)
}

func hasContent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// examine reports whether the file exists. It returns an error for a file that is not
// one of this store, without changing anything.
func (f *file) examine(ctx context.Context) (exists bool, err error) {
	wal := f.path + "-wal"
	// Read first, because a process that creates the file creates the log later.
	hasLog := hasContent(wal)
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
func (f *file) checkHeader(ctx context.Context) error {
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
func (f *file) checkSchema(ctx context.Context, db querier) (isEmpty bool, err error) {
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
