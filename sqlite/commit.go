package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/failpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// Commit implements record.Store as one transaction that holds the write lock
// from its first read. If a condition on the partition's head and another one
// both fail, the ConflictError names the other: an item that is there already
// says more than that somebody was faster.
//
// Nothing was written if the error is anything but ErrUnavailable; then the
// message says whether the outcome is known. A context that ends before the
// transaction is handed to SQLite as complete undoes it and its error is
// returned; one that ends later changes nothing.
func (s *Store) Commit(ctx context.Context, writes []record.Write) error {
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	f, err := s.table(writes[0].Table)
	if err != nil {
		return err
	}
	if s.readOnly {
		return fmt.Errorf("%w: %s was opened read only; nothing was written", record.ErrUnavailable, f.path)
	}
	err = f.write(ctx, func(conn *sql.Conn) error {
		b := batch{conn: conn, prepared: map[string]*sql.Stmt{}}
		defer b.close()
		if err := b.check(ctx, writes); err != nil {
			return err
		}
		return b.apply(ctx, writes)
	})
	if err == nil && f == s.keys && destroys(writes) {
		f.dropLog(ctx)
	}
	return err
}

// destroys reports whether a commit replaces or deletes a record.
func destroys(writes []record.Write) bool {
	for _, w := range writes {
		if w.Prev != nil && !w.Check {
			return true
		}
	}
	return false
}

// dropLog moves the write-ahead log into the file and empties it, so that it
// no longer holds pages with a destroyed key. A reader or a writer may be in
// the way; the log is then emptied by a later call or by the last Close.
func (f *file) dropLog(ctx context.Context) {
	var busy, log, moved int
	_ = f.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
}

// batch is a commit under way.
type batch struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func (b *batch) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := b.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := b.conn.PrepareContext(ctx, query)
	if err == nil {
		b.prepared[query] = stmt
	}
	return stmt, err
}

func (b *batch) close() {
	for _, stmt := range b.prepared {
		stmt.Close()
	}
}

// check reads every condition.
func (b *batch) check(ctx context.Context, writes []record.Write) error {
	var onHead error
	for _, w := range writes {
		holds, err := b.holds(ctx, w)
		if err != nil {
			return err
		}
		if holds {
			continue
		}
		conflict := &record.ConflictError{Table: w.Table, Key: w.Record.Key}
		if !conflict.OnMeta() {
			return conflict
		}
		onHead = conflict
	}
	return onHead
}

func (b *batch) holds(ctx context.Context, w record.Write) (bool, error) {
	stmt, err := b.prepare(ctx, "SELECT attrs, blobs FROM "+string(w.Table)+" WHERE PK = ? AND SK = ?")
	if err != nil {
		return false, err
	}
	k := w.Record.Key
	var text string
	var blobs []byte
	err = stmt.QueryRowContext(ctx, k.Partition, k.Item).Scan(&text, &blobs)
	if errors.Is(err, sql.ErrNoRows) {
		return w.Holds(record.Record{}, false), nil
	}
	if err != nil {
		return false, err
	}
	attrs, ok := decode(text, blobs)
	if !ok {
		attrs = nil // damaged, but there, as Query shows it
	}
	return w.Holds(record.Record{Key: k, Attrs: attrs}, true), nil
}

func (b *batch) apply(ctx context.Context, writes []record.Write) error {
	for i, w := range writes {
		if err := b.write(ctx, w); err != nil {
			return err
		}
		if i == 0 {
			failpoint.At("sqlite/first-write")
		}
	}
	return nil
}

func (b *batch) write(ctx context.Context, w record.Write) error {
	if w.Check {
		return nil
	}
	k := w.Record.Key
	query := "DELETE FROM " + string(w.Table) + " WHERE PK = ? AND SK = ?"
	args := []any{k.Partition, k.Item}
	if len(w.Record.Attrs) > 0 {
		query = "INSERT INTO " + string(w.Table) + " (PK, SK, attrs, blobs) VALUES (?, ?, ?, ?)" +
			" ON CONFLICT (PK, SK) DO UPDATE SET attrs = excluded.attrs, blobs = excluded.blobs"
		text, blobs := encode(w.Record)
		args = append(args, text, blobs)
	}
	stmt, err := b.prepare(ctx, query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

// write runs work in one transaction under the write lock. Every error but one
// of unknown outcome means that nothing was written.
func (f *file) write(ctx context.Context, work func(*sql.Conn) error) error {
	if err := f.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-f.turn }()
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return f.fault(ctx, "writing to", err)
	}
	defer conn.Close()
	if _, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil {
		err = work(conn)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		undo(conn) // also after a failed BEGIN: its context may have ended when it was through
		return f.fault(ctx, "writing to", err)
	}
	return f.finish(ctx, conn)
}

// takeTurn lets the writers of this process queue here, where waiting costs
// nothing, rather than at SQLite's lock, which is polled.
func (f *file) takeTurn(ctx context.Context) error {
	timer := time.NewTimer(f.busy)
	defer timer.Stop()
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: other writers kept %s for %v; nothing was written, try again", record.ErrBusy, f.path, f.busy)
	}
	if f.failed.Load() {
		<-f.turn
		return fmt.Errorf("%w: %s could not be written to before: close the store and open it again", record.ErrUnavailable, f.path)
	}
	return nil
}

// finish sends COMMIT, out of reach of the context so that the answer is
// SQLite's own. After a failed write or fsync the outcome is not known here
// (the log may be whole on the disk), and the descriptors are not to be
// trusted: the file takes no more writes until the store is opened again.
func (f *file) finish(ctx context.Context, conn *sql.Conn) error {
	failpoint.At("sqlite/before-commit")
	_, err := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	if err == nil {
		failpoint.At("sqlite/after-commit")
		return nil
	}
	undo(conn)
	switch code(err) {
	case codeBusy, codeFull:
		return f.fault(context.WithoutCancel(ctx), "writing to", err)
	}
	f.failed.Store(true)
	return fmt.Errorf("%w: committing to %s: %w: it is not known whether the commit is stored; open the store again and read before repeating it",
		record.ErrUnavailable, f.path, err)
}

// undo ends a transaction, by closing the connection if SQLite will not roll
// back or has done so by itself.
func undo(conn *sql.Conn) {
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
