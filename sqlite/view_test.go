package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func TestViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	views := []record.View{
		{Name: "tensions", Prefix: "tension#", Columns: []string{"status", "round", "forced", "odd \"name'"}},
		{Name: "dialogues", Exact: "meta", Columns: []string{"gen"}},
		{Name: "accénts", Prefix: "é#"},
	}
	s := open(t, path, &sqlite.Options{Views: views})
	mustCommit(t, s, put(record.Meta, generation(3)),
		put("tension#00#01", record.Attrs{"status": record.S("open"), "round": record.N(1<<53 + 1), "forced": record.T(true), `odd "name'`: record.S("odd"), "content_encrypted": record.B(make([]byte, 64))}),
		put("tension", record.Attrs{"status": record.S("none")}),
		put("tensions#", record.Attrs{"status": record.S("none")}),
		put("é#1", generation(1)),
		in(record.Audit, put("tension#00#02", record.Attrs{"status": record.S("none")})))
	sealed := fmt.Sprint(8 + len("content_encrypted") + 8 + 64)
	if diff := cmp.Diff([]string{"d|tension#00#01|open|9007199254740993|1|odd|" + sealed}, rows(t, path, "tensions", 7)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"d|meta|3|0"}, rows(t, path, "dialogues", 4)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"d|é#1|0"}, rows(t, path, "accénts", 3)); diff != "" {
		t.Error(diff)
	}
	s.Close()

	// Another definition replaces a view. The same definition and other views do not
	// change anything.
	version := schemaOf(t, path)
	open(t, path, &sqlite.Options{Views: views}).Close()
	if now := schemaOf(t, path); now != version {
		t.Error("unchanged views were created again")
	}
	views[0].Columns = []string{"round"}
	open(t, path, &sqlite.Options{Views: views[:1]}).Close()
	if diff := cmp.Diff([]string{"d|tension#00#01|9007199254740993|" + sealed}, rows(t, path, "tensions", 4)); diff != "" {
		t.Error(diff)
	}
	if n := len(rows(t, path, "dialogues", 4)); n != 1 {
		t.Errorf("another view has %d rows", n)
	}
}

func rows(t *testing.T, path, view string, columns int) []string {
	t.Helper()
	result, err := raw(t, path).Query(`SELECT * FROM "` + view + `"`)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	if names, _ := result.Columns(); len(names) != columns || names[0] != "dialogue" || names[columns-1] != "sealed_bytes" {
		t.Errorf("columns %q", names)
	}
	var all []string
	for result.Next() {
		values := make([]any, columns)
		for i := range values {
			values[i] = new(any)
		}
		if err := result.Scan(values...); err != nil {
			t.Fatal(err)
		}
		line := ""
		for i, v := range values {
			if i > 0 {
				line += "|"
			}
			line += fmt.Sprint(*v.(*any))
		}
		all = append(all, line)
	}
	return all
}

// schemaOf returns SQLite's count of schema changes.
func schemaOf(t *testing.T, path string) (n int) {
	t.Helper()
	if err := raw(t, path).QueryRow("PRAGMA schema_version").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestIndexIsUsed: queries across dialogues read an index and do not scan the table.
func TestIndexIsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, nil)
	for i := 1; i <= 3; i++ {
		pk, sk := fmt.Sprintf("json_extract(attrs, '$.GSI%dPK')", i), fmt.Sprintf("json_extract(attrs, '$.GSI%dSK')", i)
		plan, err := plan(raw(t, path), "EXPLAIN QUERY PLAN SELECT PK, SK, attrs, x'' FROM blue_dialogues WHERE "+pk+" = 'x' AND "+
			fmt.Sprintf("json_type(attrs, '$.GSI%dSK') = 'text'", i)+" ORDER BY "+sk+", PK, SK")
		if want := fmt.Sprintf("SEARCH blue_dialogues USING INDEX blue_dialogues_gsi%d (<expr>=?)", i); err != nil || plan != want {
			t.Errorf("the plan is %q, want %q (%v)", plan, want, err)
		}
	}
}

// plan returns the steps of a query. A sort would be a step of its own.
func plan(db *sql.DB, query string) (string, error) {
	rows, err := db.Query(query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return "", err
		}
		steps = append(steps, step)
	}
	return strings.Join(steps, "; "), rows.Err()
}
