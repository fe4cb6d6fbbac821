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

	"github.com/superviber/blue-encrypted-store/internal/fsutil"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// checkPair refuses data without its keys, and nothing at all where nothing
// may be made. The keys file is always made and filled before the data file,
// so it cannot be absent by a crash.
func checkPair(data, keys string, readOnly bool) error {
	switch {
	case !filled(data) && readOnly:
		return fmt.Errorf("%w: there is no store %s; open it for writing to make one, or correct the path", record.ErrUnavailable, data)
	case !filled(data) || filled(keys):
		return nil
	}
	return fmt.Errorf("%w: %s is there, but its keys file %s is missing or empty: what is sealed cannot be opened without it; restore it from its own backup",
		record.ErrUnavailable, data, keys)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func filled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// look reports whether there is something at the path, and refuses what is not
// ours without leaving a trace on it.
func (f *file) look(ctx context.Context) (there bool, err error) {
	// The log first: another process that makes the file just now makes its
	// log later.
	orphan := filled(f.path + "-wal")
	info, err := os.Stat(f.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w: looking at %s: %w: check the path and its permissions", record.ErrUnavailable, f.path, err)
	case err == nil && !info.Mode().IsRegular():
		return false, fmt.Errorf("%w: %s is not a file (%s); choose another path", record.ErrUnavailable, f.path, info.Mode().Type())
	case (err != nil || info.Size() == 0) && orphan:
		return false, fmt.Errorf("%w: %s is missing or empty, but its log %s holds data: it was moved or lost without it; put both back together, or move the log away to start anew",
			record.ErrUnavailable, f.path, f.path+"-wal")
	case err != nil:
		return false, nil
	case info.Size() == 0:
		return true, nil
	}
	return true, f.probe(ctx)
}

// probe reads the header of a file that is not empty, without a lock, a log or
// a recovery. It sees the state of the last checkpoint; that the file is not
// ours is certain even so. The rest is left to inspect.
//
// Without a lock it may also see a file that another process is just making or
// checkpointing, half written. So a bad word is believed only if it stands for
// a while.
func (f *file) probe(ctx context.Context) error {
	const looks, between = 20, 25 * time.Millisecond
	var err error
	for range looks {
		if err = f.probeOnce(ctx); err == nil || errors.Is(err, record.ErrInvalid) {
			return err
		}
		if err := retry.Sleep(ctx, between); err != nil {
			return err
		}
	}
	return err
}

func (f *file) probeOnce(ctx context.Context) error {
	db, err := sql.Open("sqlite", uri(f.path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return f.fault(ctx, "opening", err)
	}
	defer db.Close()
	logged := exists(f.path + "-wal")
	fresh, err := f.inspect(ctx, db)
	switch {
	case code(err) == codeCorrupt && (logged || exists(f.path+"-wal")):
		return nil // a checkpoint may be under way
	case fresh:
		// SQLite would take a file of one byte for an empty database. Ours has
		// its application id from its first commit on.
		return fmt.Errorf("%w: %s is not empty and not an SQLite database of ours and was left as it is; choose another path or move it away", record.ErrUnavailable, f.path)
	}
	return err
}

// querier is an *sql.DB or an *sql.Conn.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// inspect reports whether the database is empty, and refuses one that is not
// ours or is newer than this program.
func (f *file) inspect(ctx context.Context, db querier) (fresh bool, err error) {
	var id, version, objects int64
	err = db.QueryRowContext(ctx, "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"+
		" FROM pragma_application_id, pragma_user_version").Scan(&id, &version, &objects)
	switch {
	case err != nil:
		return false, f.fault(ctx, "opening", err)
	case id == 0 && version == 0 && objects == 0:
		return true, nil
	case id == otherKind(f.kind):
		return false, fmt.Errorf("%w: %s is not a %s file but the other one of a store, data or keys: they were swapped; put each in its place", record.ErrUnavailable, f.path, f.kind.name)
	case id != f.kind.applicationID:
		return false, fmt.Errorf("%w: %s is the SQLite database of another program (application id %d) and was left as it is; choose another path", record.ErrUnavailable, f.path, id)
	case version > schemaVersion:
		return false, fmt.Errorf("%w: %s has schema %d and this program knows %d: a newer program wrote it; use that one, nothing was changed", record.ErrInvalid, f.path, version, schemaVersion)
	case version < schemaVersion:
		return false, fmt.Errorf("%w: %s has the unknown schema %d; restore it from a backup", record.ErrUnavailable, f.path, version)
	}
	return false, nil
}

func otherKind(k kind) int64 {
	if k.applicationID == dataFile.applicationID {
		return keysFile.applicationID
	}
	return dataFile.applicationID
}

// createFile creates an empty database file of mode 0600 and its folder of mode
// 0700. A file that exists is left as it is. The file is closed before it gets
// its name, see the package doc. SQLite flushes it with the first commit.
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

// untilFree calls try until the error is not ErrBusy, or limit ends. limit is
// derived from ctx.
func untilFree(ctx, limit context.Context, try func() error) error {
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
