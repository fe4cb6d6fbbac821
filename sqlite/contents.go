package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/superviber/blue-encrypted-store/record"
)

// IsEmpty reports whether the store has no record of a dialogue and no key of one. A
// new master key then makes nothing unreadable. The audit log and the directory of its
// principals do not depend on the master key, so they do not count. IsEmpty returns
// the errors of [record.Store].
func (s *Store) IsEmpty(ctx context.Context) (bool, error) {
	for _, at := range []struct {
		table  record.Table
		prefix string
	}{{record.Dialogues, ""}, {record.Keys, "dialogue#"}, {record.Keys, "user#"}} {
		if exists, err := s.hasRecords(ctx, at.table, at.prefix); err != nil || exists {
			return false, err
		}
	}
	return true, nil
}

// hasRecords reports whether a table has a record whose PK begins with a prefix.
func (s *Store) hasRecords(ctx context.Context, t record.Table, prefix string) (exists bool, err error) {
	f, err := s.fileOf(t)
	if err != nil {
		return false, err
	}
	err = f.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+string(t)+" WHERE substr(PK, 1, ?) = ?)", len(prefix), prefix).Scan(&exists)
	return exists && err == nil, f.wrapError(ctx, "reading", err)
}

// SealedWith returns the fingerprint of the master key that most wrapped keys name, for
// example "umk:7c1f09aa52e3d410". It returns "" if there is none or the keys cannot be
// read. The fingerprint is not authenticated. It is for messages only.
func (s *Store) SealedWith(ctx context.Context) string {
	wraps, err := s.Wraps(ctx)
	if err != nil {
		return ""
	}
	count := map[string]int{}
	var most string
	for _, w := range wraps {
		print := w.Attrs["umk"].Str()
		const maxSize = 256 // bytes; longer than the ARN of a KMS key
		if print == "" || len(print) > maxSize || strings.ContainsFunc(print, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			continue
		}
		count[print]++
		if count[print] > count[most] {
			most = print
		}
	}
	return most
}

// Wraps returns every wrapped key of every dialogue, in ascending order of PK and SK.
// It returns the errors of [record.Store].
func (s *Store) Wraps(ctx context.Context) ([]record.Record, error) {
	f, err := s.fileOf(record.Keys)
	if err != nil {
		return nil, err
	}
	return f.read(ctx, "SELECT PK, SK, attrs, blobs FROM blue_keys WHERE substr(SK, 1, 5) = 'wrap#' ORDER BY PK, SK")
}

// viewSQL returns the definition of a view on blue_dialogues. Its columns are dialogue
// (the partition key without its prefix), SK, the clear attributes, and sealed_bytes,
// the size of the binary attributes with their names.
func viewSQL(v record.View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE VIEW %s AS SELECT substr(PK, %d) AS dialogue, SK", identifier(v.Name), len("dialogue#")+1)
	for _, column := range v.Columns {
		path := literal("$." + string(appendText(nil, column)))
		fmt.Fprintf(&b, ", json_extract(attrs, %s) AS %s", path, identifier(column))
	}
	b.WriteString(", length(blobs) AS sealed_bytes FROM blue_dialogues WHERE ")
	if v.Exact != "" {
		fmt.Fprintf(&b, "SK = %s", literal(v.Exact))
	} else {
		fmt.Fprintf(&b, "substr(SK, 1, %d) = %s", utf8.RuneCountInString(v.Prefix), literal(v.Prefix))
	}
	return b.String()
}

func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func literal(s string) string    { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// updateViews creates the views that are missing or have another definition. It takes
// the write lock only if there are any.
func (f *file) updateViews(ctx context.Context, views []record.View) error {
	var stale []record.View
	for _, v := range views {
		var isCurrent bool
		err := f.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ? AND sql = ?)",
			v.Name, viewSQL(v)).Scan(&isCurrent)
		if err != nil {
			return f.wrapError(ctx, "reading", err)
		}
		if !isCurrent {
			stale = append(stale, v)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return f.write(ctx, func(conn *sql.Conn) error {
		for _, v := range stale {
			for _, statement := range []string{"DROP VIEW IF EXISTS " + identifier(v.Name), viewSQL(v)} {
				if _, err := conn.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("creating the view %s: %w", v.Name, err)
				}
			}
		}
		return nil
	})
}
