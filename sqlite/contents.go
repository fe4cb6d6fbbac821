package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
	for _, f := range []*databaseFile{s.keys, s.data} {
		if s.readOnly {
			return f.newReadOnlyError()
		}
		if err := f.scrub(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *databaseFile) scrub(ctx context.Context) error {
	return f.withWriter(ctx, "scrubbing", func(conn *sql.Conn) error {
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
	})
}

// emptyLog moves the write-ahead log into the file and truncates it. It returns
// ErrBusy if a reader still needs the log.
func (f *databaseFile) emptyLog(ctx context.Context, db querier) error {
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

// encodeAttrs returns the columns attrs and blobs of a record (schema.sql).
// decodeAttrs restores the record exactly. Integers are written in full. In
// strings only '"', '\' and the control characters are escaped, as JSON requires.
func encodeAttrs(r record.Record) (text string, blobs []byte) {
	object := []byte{'{'}
	blobs = []byte{} // not nil, which is NULL in SQL
	for _, name := range r.Names() {
		v := r.Attrs[name]
		if v.Type() == record.Bytes {
			blobs = appendRowBlob(appendRowBlob(blobs, []byte(name)), v.Bin())
			continue
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(appendText(object, name), ':')
		switch v.Type() {
		case record.Number:
			object = strconv.AppendInt(object, v.Int(), 10)
		case record.Bool:
			object = strconv.AppendBool(object, v.True())
		default:
			object = appendText(object, v.Str())
		}
	}
	return string(append(object, '}')), blobs
}

// appendRowBlob appends the length of x as 8 bytes big-endian, and x.
func appendRowBlob(b, x []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(x))), x...)
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// decodeAttrs reverses encodeAttrs. It returns nil for columns that encodeAttrs
// does not return. The values share memory with text and blobs.
func decodeAttrs(text string, blobs []byte) record.Attrs {
	attrs := record.Attrs{}
	if !json.Valid([]byte(text)) || !decodeAttrsObject(attrs, text) {
		return nil
	}
	last := ""
	for len(blobs) > 0 {
		name, rest, hasName := cutRowBlob(blobs)
		value, rest, hasValue := cutRowBlob(rest)
		_, isDuplicate := attrs[string(name)]
		if !hasName || !hasValue || isDuplicate || string(name) <= last {
			return nil
		}
		last, blobs = string(name), rest
		attrs[last] = record.B(value)
	}
	if len(attrs) == 0 {
		return nil
	}
	return attrs
}

// cutRowBlob cuts one element of appendRowBlob off the start of b. An append to
// the element does not change the rest.
func cutRowBlob(b []byte) (x, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint64(b)
	if n > uint64(len(b)-8) {
		return nil, nil, false
	}
	return slices.Clip(b[8 : 8+n]), b[8+n:], true
}

// decodeAttrsObject reads a flat object from valid JSON. This is faster than
// package json, and a query spends half of its time here.
func decodeAttrsObject(attrs record.Attrs, text string) bool {
	next, rest := cutJSONToken(text)
	if next != "{" {
		return false
	}
	for {
		name, after := cutJSONToken(rest)
		if name == "}" {
			return true
		}
		if name == "," {
			name, after = cutJSONToken(after)
		}
		_, after = cutJSONToken(after) // the colon
		var raw string
		raw, rest = cutJSONToken(after)
		key, ok := unquoteAttrsToken(name)
		if !ok {
			return false
		}
		if attrs[key], ok = decodeAttrsValue(raw); !ok {
			return false
		}
	}
}

// cutJSONToken cuts the first token off valid JSON.
func cutJSONToken(text string) (token, rest string) {
	text = strings.TrimLeft(text, " \t\r\n")
	end := 1
	switch text[0] {
	case '{', '}', '[', ']', ':', ',':
	case '"':
		for ; text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		end++
	default:
		if end = strings.IndexAny(text, ",}] \t\r\n"); end < 0 {
			end = len(text)
		}
	}
	return text[:end], text[end:]
}

// unquoteAttrsToken decodes a JSON string.
func unquoteAttrsToken(raw string) (string, bool) {
	if !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1], true
	}
	var s string // not a named result, which would be allocated in each call
	err := json.Unmarshal([]byte(raw), &s)
	return s, err == nil
}

func decodeAttrsValue(raw string) (record.Value, bool) {
	switch raw[0] {
	case '"':
		s, ok := unquoteAttrsToken(raw)
		return record.S(s), ok
	case 't', 'f':
		return record.T(raw == "true"), true
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	return record.N(n), err == nil && strconv.FormatInt(n, 10) == raw
}

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
	return record.SealedWith(wraps)
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
	fmt.Fprintf(&b, "CREATE VIEW %s AS SELECT substr(PK, %d) AS dialogue, SK", quoteSQLIdentifier(v.Name), len("dialogue#")+1)
	for _, column := range v.Columns {
		path := quoteSQLLiteral("$." + string(appendText(nil, column)))
		fmt.Fprintf(&b, ", json_extract(attrs, %s) AS %s", path, quoteSQLIdentifier(column))
	}
	b.WriteString(", length(blobs) AS sealed_bytes FROM blue_dialogues WHERE ")
	if v.Exact != "" {
		fmt.Fprintf(&b, "SK = %s", quoteSQLLiteral(v.Exact))
	} else {
		fmt.Fprintf(&b, "substr(SK, 1, %d) = %s", utf8.RuneCountInString(v.Prefix), quoteSQLLiteral(v.Prefix))
	}
	return b.String()
}

func quoteSQLIdentifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func quoteSQLLiteral(s string) string    { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// updateViews creates the views that are missing or have another definition. It takes
// the write lock only if there are any.
func (f *databaseFile) updateViews(ctx context.Context, views []record.View) error {
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
			for _, statement := range []string{"DROP VIEW IF EXISTS " + quoteSQLIdentifier(v.Name), viewSQL(v)} {
				if _, err := conn.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("creating the view %s: %w", v.Name, err)
				}
			}
		}
		return nil
	})
}
