package campaign

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// TestViews opens a store with plain SQL, as a database tool does. The view of
// each kind lists its rows with the clear columns and no text.
func TestViews(t *testing.T) {
	for _, set := range sourceSets {
		t.Run(set.name, func(t *testing.T) { lookThroughViews(t, set) })
	}
}

func lookThroughViews(t *testing.T, set sourceSet) {
	home := filepath.Join(t.TempDir(), "home")
	o := openStore(t, home, nil)
	all := importAll(t, o.store, set.sources(t))
	o.close()
	path := filepath.Join(home, "db", "blue.db")
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p, known, _ := collect(t, all)
	counts := map[string]int{}
	for _, s := range all {
		for _, e := range entities(s) {
			counts[e.EntityKind().Plural()]++
		}
	}
	var names []string
	for _, row := range rows(t, db, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name") {
		names = append(names, row["name"])
	}
	for view, columns := range map[string][]string{
		"dialogues":                {"status", "total_rounds", "total_alignment", "updated_at"},
		"experts":                  {"tier", "source", "total_score"},
		"rounds":                   {"score", "score_wisdom", "panel_size", "created_at"},
		"verdicts":                 {"verdict_type", "round", "confidence"},
		"perspectives":             {"status", "created_at"},
		"tensions":                 {"status", "created_at"},
		"recommendations":          {"status", "adopted_in_verdict"},
		blue.KindEvidence.Plural(): {"status"},
		"claims":                   {"status"},
		"moves":                    {"move_type"},
		"tension_events":           {"event_type", "event_round"},
		"perspective_events":       {"event_type"},
	} {
		if !slices.Contains(names, view) {
			t.Errorf("there is no view %s among %v", view, names)
			continue
		}
		listed := rows(t, db, "SELECT * FROM "+view)
		if len(listed) != counts[view] || len(listed) == 0 {
			t.Errorf("%s lists %d rows; the dialogues have %d", view, len(listed), counts[view])
			continue
		}
		filled := map[string]bool{}
		for _, row := range listed {
			for _, column := range append(columns, "dialogue", "SK", "sealed_bytes") {
				value, there := row[column]
				if !there {
					t.Fatalf("%s has no column %s", view, column)
				}
				filled[column] = filled[column] || value != ""
			}
			if n, err := strconv.Atoi(row["sealed_bytes"]); err != nil || n < 64 {
				t.Errorf("%s %s has %q sealed bytes", view, row["SK"], row["sealed_bytes"])
			}
			for column, value := range row {
				for _, h := range p.find(view, []byte(value)) {
					if column != "updated_at" && column != "created_at" {
						t.Errorf("%s.%s shows %q, which is %v", view, column, h.text, known[h.text])
					}
				}
			}
		}
		for column, any := range filled {
			if !any && column != "adopted_in_verdict" && column != "confidence" {
				t.Errorf("%s.%s is empty in every row", view, column)
			}
		}
	}
	t.Run("sqlite3", func(t *testing.T) { withTool(t, path, counts["tensions"]) })
}

// rows runs a query and returns its rows by column, as text.
func rows(t testing.TB, db *sql.DB, query string) []map[string]string {
	t.Helper()
	found, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for found.Next() {
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, c := range columns {
			row[c] = cells[i].String
		}
		all = append(all, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// withTool reads a view with the program sqlite3.
func withTool(t *testing.T, path string, tensions int) {
	tool := testrule.Program(t, "sqlite3")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-readonly", "-header", path, "SELECT dialogue, SK, status FROM tensions ORDER BY 1, 2").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if lines[0] != "dialogue|SK|status" || len(lines) != tensions+1 || !strings.Contains(lines[1], "|tension#") {
		t.Errorf("sqlite3 lists %d tensions of %d, first %q, %q", len(lines)-1, tensions, lines[0], lines[1])
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("reading with sqlite3 changed the file")
	}
}
