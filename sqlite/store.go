// Package sqlite is a record.Store in two SQLite files in WAL mode.
//
// The package has the files and their schema, and the commit as one SQLite
// transaction. A record is one row: its attributes are encoded as JSON text and
// blobs. A databaseFile is one of the two files. The package has views for people
// who open the file with a tool, removes deleted bytes from the files (Scrub), and
// translates the errors of SQLite. These are in other packages:
//
//   - Package internal/engine maps entities to records.
//   - Packages encrypted, envelope and keys encrypt them.
//   - Package record/recordtest has the cases that every backend must pass.
//
// # Files
//
// The file PATH has the data (tables blue_dialogues and blue_audit). The file
// PATH.keys has the wrapped keys (table blue_keys), because a destroyed key must not
// be restored together with a backup of the data. While a store is open, SQLite keeps
// PATH-wal, PATH-shm, PATH.keys-wal and PATH.keys-shm next to them. A backup must copy
// all files of a closed store, or use the backup API of SQLite. schema.sql describes a
// row.
//
// The package opens a database file only through SQLite, because on most systems
// closing any descriptor of a file releases all locks that the process has on it
// (fcntl(2), "advisory record locking").
package sqlite

import (
	"cmp"
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

// SQLiteVersion is the version of the SQLite library, for example "3.54.1".
const SQLiteVersion = sqlite3.SQLITE_VERSION

// Options are the options of Open. Nil and the zero value select the defaults.
type Options struct {
	// Views are SQL views that show records as tables. Open creates them, and
	// replaces those with another definition. It leaves other views as they are.
	Views []record.View
	// BusyTimeout is how long a commit, or Open, waits for other writers before it
	// returns ErrBusy. The default is 10 s.
	BusyTimeout time.Duration
	// ReadOnly opens existing files and never writes to them. Commit returns
	// ErrUnavailable, and Open creates no views. SQLite can still leave an empty
	// -wal file and a -shm file next to them.
	ReadOnly bool
}

// A Store is a [record.Store] in two files. Several stores, also of several processes
// on one machine, can be open on the same files.
type Store struct {
	data, keys *databaseFile
	readOnly   bool
	isClosed   atomic.Bool
}

var _ record.Store = (*Store)(nil)

// Open opens the store in the files path and path+".keys". It creates a missing folder
// (mode 0700), missing files (mode 0600), their schema and the views.
//
// It does not change a file that is damaged, or that is not a file of a store with
// this schema. It returns the error of ctx or one of these:
//
//   - record.ErrInvalid for an empty path and for a file of a newer program
//   - record.ErrBusy if other processes lock the files for longer than BusyTimeout
//   - record.ErrUnavailable for any other problem with a file
func Open(ctx context.Context, path string, opts *Options) (*Store, error) {
	o := *cmp.Or(opts, new(Options))
	o.BusyTimeout = cmp.Or(max(o.BusyTimeout, 0), 10*time.Second)
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("%w: sqlite: the path %q is empty or contains a zero byte", record.ErrInvalid, path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w: finding %s: %w", record.ErrUnavailable, path, err)
	}
	s := &Store{data: newFile(abs, dataFile, o), keys: newFile(abs+".keys", keysFile, o), readOnly: o.ReadOnly}
	if err := s.open(ctx, o.Views); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open checks both files before it opens one. It opens the keys first, so that a
// process that finds the data without the keys knows that the keys were lost.
func (s *Store) open(ctx context.Context, views []record.View) error {
	if err := checkPair(s.data.path, s.keys.path, s.readOnly); err != nil {
		return err
	}
	for _, f := range []*databaseFile{s.data, s.keys} {
		if _, err := f.examine(ctx); err != nil {
			return err
		}
	}
	if err := s.keys.open(ctx, s.readOnly); err != nil {
		return err
	}
	if err := s.checkDataNotLost(ctx); err != nil {
		return err
	}
	if err := s.data.open(ctx, s.readOnly); err != nil || s.readOnly {
		return err
	}
	return s.data.updateViews(ctx, views)
}

// fileOf returns the file of a table. It returns ErrUnavailable for a closed store.
func (s *Store) fileOf(t record.Table) (*databaseFile, error) {
	if s.isClosed.Load() {
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

// Get implements [record.Store].
func (s *Store) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	f, err := s.fileOf(table)
	if err != nil {
		return record.Record{}, err
	}
	records, err := f.read(ctx, "SELECT PK, SK, attrs, blobs FROM "+string(table)+" WHERE PK = ? AND SK = ?", key.Partition, key.Item)
	if err != nil {
		return record.Record{}, err
	}
	if len(records) == 0 {
		return record.Record{}, fmt.Errorf("%w: record %s", record.ErrNotFound, key)
	}
	return records[0], nil
}

// Query implements [record.Store] with one SQL statement, which reads one snapshot.
//
// A row that is not in the form of a record is returned with its key and without
// attributes. No commit can store such a record, so a verifier can report it as
// damaged and use the other records.
func (s *Store) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if err := record.CheckQuery(q); err != nil {
		return nil, err
	}
	f, err := s.fileOf(q.Table)
	if err != nil {
		return nil, err
	}
	where, limit := "PK = ?", -1 // no limit
	args := []any{q.Partition}
	if q.After != "" {
		where, args = where+" AND SK > ?", append(args, q.After)
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	// The empty text spares a copy of the partition for each row.
	records, err := f.read(ctx, "SELECT '', SK, attrs, blobs FROM "+string(q.Table)+" WHERE "+where+" ORDER BY SK LIMIT ?", append(args, limit)...)
	for i := range records {
		records[i].Key.Partition = q.Partition
	}
	return records, err
}

// Index implements [record.Store]. It leaves out binary attributes.
func (s *Store) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	if index != record.ByStatus && index != record.ByTensionStatus && index != record.ByExpert {
		return nil, fmt.Errorf("%w: record: unknown index %q", record.ErrInvalid, index)
	}
	f, err := s.fileOf(record.Dialogues)
	if err != nil {
		return nil, err
	}
	first, second := "json_extract(attrs, '$."+string(index)+"PK')", "json_extract(attrs, '$."+string(index)+"SK')"
	return f.read(ctx, "SELECT PK, SK, attrs, x'' FROM blue_dialogues WHERE "+first+" = ? AND json_type(attrs, '$."+string(index)+"SK') = 'text'"+
		" AND "+first+" <> '' AND "+second+" <> '' ORDER BY "+second+", PK, SK", pk)
}

// Check reads both files and runs PRAGMA integrity_check. It returns
// record.ErrUnavailable with the findings of SQLite, or the error of ctx. It does not
// verify encrypted records: a file without findings can contain a tampered record.
func (s *Store) Check(ctx context.Context) error {
	if s.isClosed.Load() {
		return errClosed
	}
	return errors.Join(s.data.checkIntegrity(ctx), s.keys.checkIntegrity(ctx))
}

// Close implements [record.Store]. It waits for a running commit. A second call does
// nothing.
func (s *Store) Close() error {
	if s.isClosed.Swap(true) {
		return nil
	}
	var errs []error
	for _, f := range []*databaseFile{s.data, s.keys} {
		if f.db == nil {
			continue // Open has failed before
		}
		f.isClosed.Store(true)
		f.writer <- struct{}{}
		if err := f.db.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%w: closing %s: %w", record.ErrUnavailable, f.path, err))
		}
		<-f.writer
	}
	return errors.Join(errs...)
}

// read runs a statement that selects PK, SK, attrs and blobs, and decodes the rows.
func (f *databaseFile) read(ctx context.Context, query string, args ...any) ([]record.Record, error) {
	rows, err := f.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, f.wrapError(ctx, "reading", err)
	}
	defer rows.Close()
	var records []record.Record
	for rows.Next() {
		var pk, sk, text string
		var blobs []byte
		if err := rows.Scan(&pk, &sk, &text, &blobs); err != nil {
			return nil, f.wrapError(ctx, "reading", err)
		}
		records = append(records, record.Record{Key: record.Key{Partition: record.Partition(pk), Item: sk}, Attrs: decodeAttrs(text, blobs)})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, f.wrapError(ctx, "reading", err)
	}
	return records, nil
}

// checkIntegrity runs integrity_check, whose rows are a single "ok" or the findings.
func (f *databaseFile) checkIntegrity(ctx context.Context) error {
	var findings string
	err := f.db.QueryRowContext(ctx, "SELECT group_concat(integrity_check, '; ') FROM (SELECT integrity_check FROM pragma_integrity_check LIMIT 10)").Scan(&findings)
	if err != nil {
		return f.wrapError(ctx, "checking", err)
	}
	if findings != "ok" {
		return fmt.Errorf("%w: %s is damaged: %s; restore it from a backup", record.ErrUnavailable, f.path, findings)
	}
	return nil
}
