package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// schemaVersion is what this program writes into user_version and the newest
// it understands.
const schemaVersion = 1

// kind is one of the two kinds of database file.
type kind struct {
	name          string
	applicationID int64 // PRAGMA application_id, bytes 68 to 71 of the file
	schema        string
}

var (
	//go:embed schema.sql
	dataSchema string
	//go:embed schema_keys.sql
	keysSchema string

	dataFile = kind{name: "data", applicationID: 0x426c7565, schema: dataSchema}
	keysFile = kind{name: "keys", applicationID: 0x426c754b, schema: keysSchema}
)

// file is one database file and this process's connections to it.
type file struct {
	path string
	kind kind
	db   *sql.DB
	busy time.Duration
	turn chan struct{} // holds one element while a writer of this store is at work

	closed atomic.Bool
	failed atomic.Bool // a COMMIT failed in the file system; no more writes
}

func newFile(path string, k kind, o Options) *file {
	return &file{path: path, kind: k, busy: o.BusyTimeout, turn: make(chan struct{}, 1)}
}

// open opens a file that is ours, whole and of this schema, and makes it
// before if it is absent or empty.
func (f *file) open(ctx context.Context, readOnly bool) error {
	there, err := f.look(ctx) // once more: others may have made it, or spoilt it, since
	if err != nil {
		return err
	}
	if !there && !readOnly {
		if err := createFile(f.path); err != nil {
			return err
		}
	}
	if f.db, err = sql.Open("sqlite", f.dsn(readOnly)); err != nil {
		return f.fault(ctx, "opening", err)
	}
	// A connection keeps up to 2 MB of pages; readers beyond these wait.
	f.db.SetMaxOpenConns(8)
	f.db.SetMaxIdleConns(4)
	return f.prepare(ctx, readOnly)
}

// dsn returns the URI with what every connection sets. SQLite itself must
// never create a file, because it would choose the mode.
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
			"secure_delete(1)", // what is deleted is overwritten with zeros; see scrub.go
		},
	}
	if readOnly {
		q.Set("mode", "ro")
	}
	return uri(f.path, q)
}

// uri escapes a path for SQLite ("Uniform Resource Identifiers"): '%', '?' and
// '#' mean something there.
func uri(path string, q url.Values) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/… becomes /C:/…
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: slashed, RawQuery: q.Encode()}).String()
}

// prepare brings the file to the schema and into WAL mode. SQLite waits for a
// lock, but not for a write lock on top of a read lock, as which the switch to
// WAL begins: a busy answer is tried again.
func (f *file) prepare(ctx context.Context, readOnly bool) error {
	limit, cancel := context.WithTimeout(ctx, f.busy)
	defer cancel()
	return untilFree(ctx, limit, func() error {
		fresh, err := f.inspect(ctx, f.db)
		switch {
		case err != nil:
			return err
		case fresh && readOnly:
			return fmt.Errorf("%w: %s has no schema yet; open it for writing first", record.ErrUnavailable, f.path)
		case readOnly:
			return nil
		case fresh:
			if err := f.write(ctx, f.initialise(ctx)); err != nil {
				return err
			}
		}
		return f.useWAL(ctx)
	})
}

// initialise makes the schema unless another process has been faster. It runs
// before the switch to WAL, so that from the first commit on the application
// id is in the file itself, where look reads it.
func (f *file) initialise(ctx context.Context) func(*sql.Conn) error {
	return func(conn *sql.Conn) error {
		fresh, err := f.inspect(ctx, conn)
		if err != nil || !fresh {
			return err
		}
		_, err = conn.ExecContext(ctx, f.kind.schema)
		return err
	}
}

func (f *file) useWAL(ctx context.Context) error {
	var mode string
	if err := f.db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return f.fault(ctx, "opening", err)
	}
	if mode == "wal" {
		return nil
	}
	if err := f.db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return f.fault(ctx, "opening", err)
	}
	if mode != "wal" {
		return fmt.Errorf("%w: %s: its file system cannot share memory between processes, which SQLite's log needs; choose a local disk", record.ErrUnavailable, f.path)
	}
	return nil
}
