package sqlite

import (
	"context"
	"fmt"

	"github.com/superviber/blue-encrypted-store/internal/failpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

var (
	_ record.Scrubber   = (*Store)(nil)
	_ record.Inventory  = (*Store)(nil)
	_ record.Identified = (*Store)(nil)
)

// Scrub implements [record.Scrubber]. It rewrites each file (VACUUM) and empties its
// log, the keys first. secure_delete overwrites deleted rows with zeros, but not the
// pages of the log, and not bytes that SQLite moved between pages earlier. The file
// system and the disk can keep more.
//
// Scrub returns record.ErrBusy if other connections read or write for longer than
// BusyTimeout. It returns record.ErrUnavailable for a read-only or closed store and if
// the disk is full, because VACUUM needs as much space as the file uses.
func (s *Store) Scrub(ctx context.Context) error {
	if s.isClosed.Load() {
		return errClosed
	}
	for _, f := range []*file{s.keys, s.data} {
		if s.readOnly {
			return f.newReadOnlyError()
		}
		if err := f.scrub(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) scrub(ctx context.Context) error {
	if err := f.lockWriter(ctx); err != nil {
		return err
	}
	defer func() { <-f.writer }()
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return f.wrapError(ctx, "scrubbing", err)
	}
	defer conn.Close()
	limit, cancel := context.WithTimeout(ctx, f.busy)
	defer cancel()
	failpoint.At("sqlite/scrub")
	if err := retryBusy(ctx, limit, func() error { return f.emptyLog(ctx, conn) }); err != nil {
		return err
	}
	failpoint.At("sqlite/scrub")
	if _, err := conn.ExecContext(ctx, "VACUUM"); err != nil {
		return f.wrapError(ctx, "scrubbing", err)
	}
	failpoint.At("sqlite/scrub")
	return retryBusy(ctx, limit, func() error { return f.emptyLog(ctx, conn) })
}

// emptyLog moves the write-ahead log into the file and truncates it. It returns
// ErrBusy if a reader still needs the log.
func (f *file) emptyLog(ctx context.Context, db querier) error {
	var busy, log, moved int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
		return f.wrapError(ctx, "scrubbing", err)
	}
	if busy != 0 {
		return fmt.Errorf("%w: other connections read %s, so its log still has deleted bytes; try again", record.ErrBusy, f.path)
	}
	return nil
}

// Copies implements [record.Inventory]. SQLite does not know any copies, so the result
// names only the places where copies can exist. It returns record.ErrUnavailable after
// Close.
func (s *Store) Copies(context.Context) ([]record.Copy, error) {
	if s.isClosed.Load() {
		return nil, errClosed
	}
	return []record.Copy{
		{Kind: "file_backup", What: "backups and copies of " + s.data.path + " and " + s.keys.path},
		{Kind: "snapshot", What: "snapshots of their file system, and what the disk keeps of bytes that were overwritten"},
	}, nil
}

// Identity implements [record.Identified]. All SQLite stores have the same identity,
// because a file can be moved, and a copy that replaces it has the same unknown copies.
// Identity returns record.ErrUnavailable after Close.
func (s *Store) Identity(context.Context) ([]string, error) {
	if s.isClosed.Load() {
		return nil, errClosed
	}
	return []string{"SQLite"}, nil
}
