package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/superviber/blue-encrypted-store/record"
)

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
