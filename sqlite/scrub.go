package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/superviber/blue-encrypted-store/internal/failpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

var (
	_ record.Scrubber   = (*Store)(nil)
	_ record.Inventory  = (*Store)(nil)
	_ record.Identified = (*Store)(nil)
)

// Scrub implements record.Scrubber: each file is written anew (VACUUM) and its
// log emptied into it, the keys first. secure_delete zeroes deleted rows, but
// not what lies in pages of the log, nor what SQLite moved between pages in the
// life of the file. The file system and the disk below may keep more.
//
// ErrBusy while another connection, of this or another process, reads or
// writes for longer than BusyTimeout; ErrUnavailable for a store that is read
// only, and when the disk is full: VACUUM takes as much room again.
func (s *Store) Scrub(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	for _, f := range []*file{s.keys, s.data} {
		if s.readOnly {
			return fmt.Errorf("%w: %s was opened read only; nothing was written", record.ErrUnavailable, f.path)
		}
		if err := f.scrub(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) scrub(ctx context.Context) error {
	if err := f.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-f.turn }()
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return f.fault(ctx, "scrubbing", err)
	}
	defer conn.Close()
	limit, cancel := context.WithTimeout(ctx, f.busy)
	defer cancel()
	failpoint.At("sqlite/scrub")
	if err := untilFree(ctx, limit, func() error { return f.emptyLog(ctx, conn) }); err != nil {
		return err
	}
	failpoint.At("sqlite/scrub")
	if _, err := conn.ExecContext(ctx, "VACUUM"); err != nil {
		return f.fault(ctx, "scrubbing", err)
	}
	failpoint.At("sqlite/scrub")
	return untilFree(ctx, limit, func() error { return f.emptyLog(ctx, conn) })
}

// emptyLog moves the write-ahead log into the file and cuts it to no bytes.
// ErrBusy while a reader still needs it.
func (f *file) emptyLog(ctx context.Context, conn *sql.Conn) error {
	var busy, log, moved int
	err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	if err != nil {
		return f.fault(ctx, "scrubbing", err)
	}
	if busy != 0 {
		return fmt.Errorf("%w: others read %s, so what was deleted is still in its log; try again", record.ErrBusy, f.path)
	}
	return nil
}

// Copies implements record.Inventory. SQLite knows of none, so nobody can tell.
func (s *Store) Copies(context.Context) ([]record.Copy, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	return []record.Copy{
		{Kind: "file_backup", What: "backups and copies of " + s.data.path + " and " + s.keys.path},
		{Kind: "snapshot", What: "snapshots of their file system, and what the disk keeps of bytes that were overwritten"},
	}, nil
}

// Identity implements record.Identified. One file is not told from another: a
// file may be moved, and a copy of it that takes its place knows of no more
// copies and of no fewer.
func (s *Store) Identity(context.Context) ([]string, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	return []string{"SQLite"}, nil
}
