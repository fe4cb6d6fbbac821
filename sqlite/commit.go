package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/superviber/blue-encrypted-store/internal/failpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// Commit implements [record.Store] as one transaction, which holds the write lock from
// its first read on. If the condition on the meta item and another condition fail, the
// ConflictError names the other one.
//
// Nothing was written, unless the error is record.ErrUnavailable and its message states
// that the outcome is unknown. If the context ends before COMMIT is sent to SQLite, the
// transaction is rolled back and the error of the context is returned. Later it has no
// effect.
func (s *Store) Commit(ctx context.Context, writes []record.Write) error {
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	f, err := s.fileOf(writes[0].Table)
	if err != nil {
		return err
	}
	if s.readOnly {
		return f.newReadOnlyError()
	}
	err = f.write(ctx, func(conn *sql.Conn) error {
		b := batch{ctx, conn, map[string]*sql.Stmt{}}
		defer b.close()
		if err := record.CheckConditions(writes, b.get); err != nil {
			return err
		}
		return b.apply(writes)
	})
	if err == nil && f == s.keys && slices.ContainsFunc(writes, func(w record.Write) bool { return w.Prev != nil && !w.Check }) {
		// The log must not keep a destroyed key. If a reader or writer prevents this,
		// a later commit or the last Close empties the log.
		_ = f.emptyLog(ctx, f.db)
	}
	return err
}

// A batch is the transaction of a commit.
type batch struct {
	ctx        context.Context
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

// statement returns a prepared statement.
func (b *batch) statement(query string) (*sql.Stmt, error) {
	if stmt, ok := b.statements[query]; ok {
		return stmt, nil
	}
	stmt, err := b.conn.PrepareContext(b.ctx, query)
	if err == nil {
		b.statements[query] = stmt
	}
	return stmt, err
}

func (b *batch) close() {
	for _, stmt := range b.statements {
		stmt.Close()
	}
}

// get returns the attributes of the record at the key of a write. A damaged row exists
// without attributes, as in Query.
func (b *batch) get(w record.Write) (attrs record.Attrs, exists bool, err error) {
	stmt, err := b.statement("SELECT attrs, blobs FROM " + string(w.Table) + " WHERE PK = ? AND SK = ?")
	if err != nil {
		return nil, false, err
	}
	var text string
	var blobs []byte
	err = stmt.QueryRowContext(b.ctx, w.Record.Key.Partition, w.Record.Key.Item).Scan(&text, &blobs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return decodeAttrs(text, blobs), true, err
}

func (b *batch) apply(writes []record.Write) error {
	for i, w := range writes {
		if !w.Check {
			k := w.Record.Key
			query := "DELETE FROM " + string(w.Table) + " WHERE PK = ? AND SK = ?"
			args := []any{k.Partition, k.Item}
			if len(w.Record.Attrs) > 0 {
				query = "INSERT INTO " + string(w.Table) + " (PK, SK, attrs, blobs) VALUES (?, ?, ?, ?)" +
					" ON CONFLICT (PK, SK) DO UPDATE SET attrs = excluded.attrs, blobs = excluded.blobs"
				text, blobs := encodeAttrs(w.Record)
				args = append(args, text, blobs)
			}
			stmt, err := b.statement(query)
			if err != nil {
				return err
			}
			if _, err := stmt.ExecContext(b.ctx, args...); err != nil {
				return err
			}
		}
		if i == 0 {
			failpoint.At("sqlite/first-write")
		}
	}
	return nil
}

// write runs work in one transaction under the write lock. After an error nothing was
// written, except as described at commit.
func (f *databaseFile) write(ctx context.Context, work func(*sql.Conn) error) error {
	return f.withWriter(ctx, "writing to", func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		if err == nil {
			err = work(conn)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			rollBack(conn) // also after an error of BEGIN, which can succeed when its context ends
			return f.wrapError(ctx, "writing to", err)
		}
		return f.commit(ctx, conn)
	})
}

// withWriter calls do with a connection while no other writer of this store writes.
// The operation is for the error if there is no connection.
func (f *databaseFile) withWriter(ctx context.Context, operation string, do func(*sql.Conn) error) error {
	if err := f.lockWriter(ctx); err != nil {
		return err
	}
	defer func() { <-f.writer }()
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return f.wrapError(ctx, operation, err)
	}
	defer conn.Close()
	return do(conn)
}

// lockWriter waits for the other writers of this store. This is cheaper than to wait
// for the lock of SQLite, which is polled.
func (f *databaseFile) lockWriter(ctx context.Context) error {
	timer := time.NewTimer(f.busy)
	defer timer.Stop()
	select {
	case f.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: other writers kept %s for %v; nothing was written, try again", record.ErrBusy, f.path, f.busy)
	}
	if f.hasFailed.Load() {
		<-f.writer
		return fmt.Errorf("%w: %s could not be written to before: close the store and open it again", record.ErrUnavailable, f.path)
	}
	return nil
}

// commit sends COMMIT without the cancellation of the context, so that the result is
// SQLite's own. After a failed write or fsync the outcome is unknown, because the log
// can be complete on disk. The descriptors can then not be trusted, so the file allows
// no more writes until the store is opened again.
func (f *databaseFile) commit(ctx context.Context, conn *sql.Conn) error {
	failpoint.At("sqlite/before-commit")
	_, err := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	if err == nil {
		failpoint.At("sqlite/after-commit")
		return nil
	}
	rollBack(conn)
	if code := resultCode(err); code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_FULL {
		return f.wrapError(context.WithoutCancel(ctx), "writing to", err)
	}
	f.hasFailed.Store(true)
	return fmt.Errorf("%w: committing to %s: %w: it is not known whether the commit is stored; open the store again and read before repeating it",
		record.ErrUnavailable, f.path, err)
}

// rollBack ends a transaction. It closes the connection if SQLite cannot roll back, or
// has already done so.
func rollBack(conn *sql.Conn) {
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
