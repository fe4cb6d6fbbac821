// Package sqlite is the embedded record.Store: two SQLite files in WAL mode.
//
// What belongs here: the files and their schema, the row format, the commit as
// one SQLite transaction, views for people who open the file with a tool, and
// the turning of SQLite's errors into ours. What does not: entities
// (internal/engine), ciphers and keys (encrypted, envelope, keys), and what
// every store must do (record/recordtest).
//
// The data is in the file PATH (tables blue_dialogues and blue_audit), the
// wrapped keys in PATH.keys (table blue_keys), because a key that was
// destroyed must not come back with a backup of the data. While a store is
// open, SQLite keeps PATH-wal, PATH-shm, PATH.keys-wal and PATH.keys-shm
// beside them; a backup copies all files of a closed store, or uses SQLite's
// own backup. schema.sql describes a row.
//
// Nothing here opens a database file other than through SQLite: on most
// systems, closing any descriptor of a file drops all locks that the process
// holds on it (fcntl(2), "advisory record locking").
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/superviber/blue-encrypted-store/record"
)

// SQLiteVersion is the version of the SQLite inside, e.g. "3.54.1".
const SQLiteVersion = sqlite3.SQLITE_VERSION

// Options are the options of Open. Nil and the zero value work.
type Options struct {
	// Views are SQL views that show records as tables. Open makes them, and
	// makes them anew where their definition differs; others are left alone.
	Views []record.View
	// BusyTimeout bounds how long a commit, or Open, waits for another
	// writer before it answers ErrBusy; 0 means 10 s.
	BusyTimeout time.Duration
	// ReadOnly opens files that must exist, and never writes to them:
	// Commit fails with ErrUnavailable and no view is made. SQLite may still
	// leave an empty -wal and a -shm file beside them.
	ReadOnly bool
}

// Store is a record.Store in two files. Any number of stores, in any number
// of processes on one machine, may be open on the same files.
type Store struct {
	data, keys *file
	readOnly   bool
	closed     atomic.Bool
}

var _ record.Store = (*Store)(nil)

// Open opens the store at path and path+".keys" and makes what is missing: the
// folder with mode 0700, the files with mode 0600, their schema and the views.
// A file that is there and is not ours, whole and of this schema is an error
// and is not touched: ErrInvalid if a newer program wrote it, otherwise
// ErrUnavailable. ErrBusy if others hold the files for longer than BusyTimeout.
func Open(ctx context.Context, path string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 10 * time.Second
	}
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("%w: sqlite: the path %q names no file", record.ErrInvalid, path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w: finding %s: %w", record.ErrUnavailable, path, err)
	}
	s := &Store{data: newFile(abs, dataFile, o), keys: newFile(abs+".keys", keysFile, o), readOnly: o.ReadOnly}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open looks at both files before it opens either, and opens the keys first:
// whoever finds the data may then take an absent keys file for a lost one.
func (s *Store) open(ctx context.Context, o Options) error {
	if err := checkPair(s.data.path, s.keys.path, o.ReadOnly); err != nil {
		return err
	}
	for _, f := range []*file{s.data, s.keys} {
		if _, err := f.look(ctx); err != nil {
			return err
		}
	}
	if err := s.keys.open(ctx, o.ReadOnly); err != nil {
		return err
	}
	if err := s.checkData(ctx); err != nil {
		return err
	}
	if err := s.data.open(ctx, o.ReadOnly); err != nil {
		return err
	}
	if o.ReadOnly {
		return nil
	}
	return s.data.showViews(ctx, o.Views)
}

// table returns the file of a table, for an open store.
func (s *Store) table(t record.Table) (*file, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	switch t {
	case record.Dialogues, record.Audit:
		return s.data, nil
	case record.Keys:
		return s.keys, nil
	}
	return nil, fmt.Errorf("%w: record: unknown table %q", record.ErrInvalid, t)
}

// Get implements record.Store.
func (s *Store) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	f, err := s.table(table)
	if err != nil {
		return record.Record{}, err
	}
	records, err := f.read(ctx, func(key *record.Key, text *string, blobs *[]byte) []any { return []any{text, blobs} },
		"SELECT attrs, blobs FROM "+string(table)+" WHERE PK = ? AND SK = ?", key.Partition, key.Item)
	if err != nil {
		return record.Record{}, err
	}
	if len(records) == 0 {
		return record.Record{}, fmt.Errorf("%w: record %s %s", record.ErrNotFound, key.Partition, key.Item)
	}
	records[0].Key = key
	return records[0], nil
}

// Query implements record.Store: one statement, which sees one moment.
//
// A row that is not the form of any record is returned with its key and
// without attributes, which no commit can store. Whoever verifies records can
// so name it as damaged, and still use the others.
func (s *Store) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if err := record.CheckQuery(q); err != nil {
		return nil, err
	}
	f, err := s.table(q.Table)
	if err != nil {
		return nil, err
	}
	where, limit := "PK = ?", -1 // none
	args := []any{q.Partition}
	if q.After != "" {
		where, args = where+" AND SK > ?", append(args, q.After)
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	records, err := f.read(ctx, func(key *record.Key, text *string, blobs *[]byte) []any { return []any{&key.Item, text, blobs} },
		"SELECT SK, attrs, blobs FROM "+string(q.Table)+" WHERE "+where+" ORDER BY SK LIMIT ?", append(args, limit)...)
	for i := range records {
		records[i].Key.Partition = q.Partition
	}
	return records, err
}

// Index implements record.Store. Binary attributes are left out.
func (s *Store) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	if index != record.ByStatus && index != record.ByTensionStatus && index != record.ByExpert {
		return nil, fmt.Errorf("%w: record: unknown index %q", record.ErrInvalid, index)
	}
	f, err := s.table(record.Dialogues)
	if err != nil {
		return nil, err
	}
	first, second := "json_extract(attrs, '$."+string(index)+"PK')", "json_extract(attrs, '$."+string(index)+"SK')"
	return f.read(ctx, func(key *record.Key, text *string, _ *[]byte) []any { return []any{&key.Partition, &key.Item, text} },
		"SELECT PK, SK, attrs FROM blue_dialogues WHERE "+first+" = ? AND json_type(attrs, '$."+string(index)+"SK') = 'text'"+
			" AND "+first+" <> '' AND "+second+" <> '' ORDER BY "+second+", PK, SK", pk)
}

// Check reads both files whole and compares them with themselves (PRAGMA
// integrity_check). ErrUnavailable names what SQLite found. It knows nothing
// of seals: a clean file may hold a tampered record.
func (s *Store) Check(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	return errors.Join(s.data.check(ctx), s.keys.check(ctx))
}

// Close implements record.Store. It waits for a commit under way. A second
// Close does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, f := range []*file{s.data, s.keys} {
		if f.db == nil {
			continue // Open did not get that far
		}
		f.closed.Store(true)
		f.turn <- struct{}{}
		if err := f.db.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%w: closing %s: %w", record.ErrUnavailable, f.path, err))
		}
		<-f.turn
	}
	return errors.Join(errs...)
}

// read runs one statement and decodes its rows; into says where a row's
// columns go.
func (f *file) read(ctx context.Context, into func(*record.Key, *string, *[]byte) []any, query string, args ...any) ([]record.Record, error) {
	rows, err := f.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, f.fault(ctx, "reading", err)
	}
	defer rows.Close()
	var records []record.Record
	for rows.Next() {
		var key record.Key
		var text string
		var blobs []byte
		if err := rows.Scan(into(&key, &text, &blobs)...); err != nil {
			return nil, f.fault(ctx, "reading", err)
		}
		attrs, ok := decode(text, blobs)
		if !ok {
			attrs = nil
		}
		records = append(records, record.Record{Key: key, Attrs: attrs})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, f.fault(ctx, "reading", err)
	}
	return records, nil
}

// check is integrity_check; its rows are the single "ok", or findings.
func (f *file) check(ctx context.Context) error {
	rows, err := f.db.QueryContext(ctx, "PRAGMA integrity_check(10)")
	if err != nil {
		return f.fault(ctx, "checking", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return f.fault(ctx, "checking", err)
		}
		found = append(found, line)
	}
	if err := rows.Err(); err != nil {
		return f.fault(ctx, "checking", err)
	}
	if len(found) == 1 && found[0] == "ok" {
		return nil
	}
	return fmt.Errorf("%w: %s is damaged: %s; restore it from a backup", record.ErrUnavailable, f.path, strings.Join(found, "; "))
}
