package main

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// alter changes the store without the program.
func (m *machine) alter(statement string) {
	m.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(m.home, ".blue", "db", "blue.db"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	done, err := db.Exec(statement)
	if err != nil {
		m.t.Fatal(err)
	}
	if n, _ := done.RowsAffected(); n != 1 {
		m.t.Fatalf("%d rows changed by %s", n, statement)
	}
}

// TestShowSalvage checks that a damaged dialogue is shown only with --salvage,
// and then without the damaged items, with the damage on standard error and exit
// 7.
func TestShowSalvage(t *testing.T) {
	m := startingState(t)
	m.alter(`UPDATE blue_dialogues SET attrs = json_set(attrs, '$.status', 'resolved') WHERE SK = 'tension#00#01'`)

	for _, args := range [][]string{{"show", "error-cases"}, {"show", "error-cases", "P0001"}, {"cite", "error-cases", "P0001"}} {
		o := m.run(args...)
		if o.code != exitIntegrity || o.stdout != "" {
			t.Errorf("%q: exit %d; want %d and no output:\n%s", args, o.code, exitIntegrity, o.stdout)
		}
		var e errorJSON
		if err := json.Unmarshal([]byte(o.stderr), &e); err != nil || len(e.Damage) != 1 || e.Damage[0].Item != "tension#00#01" || e.Damage[0].Class != "changed" {
			t.Errorf("%q: the damage is not named: %s", args, o.stderr)
		}
		if !strings.Contains(e.Hint, "--salvage") {
			t.Errorf("%q: no way on: %s", args, o.stderr)
		}
	}
	for _, c := range []struct {
		entity string
		shown  string // on standard output
	}{
		{"", "P0001 open      First (Muffin)"},
		{"P0001", "A first view."},
		{"round:0", "P0001 open      First (Muffin)"},
		{"T0001", ""},
	} {
		args := []string{"show", "error-cases", "--salvage", "--text"}
		if c.entity != "" {
			args = append(args, c.entity)
		}
		o := m.run(args...)
		if o.code != exitIntegrity {
			t.Errorf("%q: exit %d; want %d", args, o.code, exitIntegrity)
		}
		if !strings.Contains(o.stdout, c.shown) || c.shown == "" && o.stdout != "" || strings.Contains(o.stdout, "T0001") {
			t.Errorf("%q: shows:\n%s", args, o.stdout)
		}
		if !strings.Contains(o.stderr, "salvaged: 1 item(s) did not verify and are left out") || !strings.Contains(o.stderr, "tension#00#01: changed") {
			t.Errorf("%q: standard error:\n%s", args, o.stderr)
		}
	}
	if o := m.run("list"); o.code != exitOK || !strings.Contains(o.stdout, `"verified": false`) {
		t.Errorf("list: exit %d\n%s", o.code, o.stdout)
	}
}
