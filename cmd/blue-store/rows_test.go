package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// rows is the content of a store: the encrypted items and the bytes of the key
// database. It excludes the audit log, to which a refusal adds an event.
func (m *machine) rows() string {
	m.t.Helper()
	return storedRows(m.t, filepath.Join(m.home, ".blue", "db", "blue.db"))
}

func storedRows(t *testing.T, path string) string {
	t.Helper()
	keys, err := os.ReadFile(path + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	return tableRows(t, path, "blue_dialogues") + tableRows(t, path+".keys", "blue_keys") + string(keys)
}

// tableRows returns every row of a table. No process must have the database
// open.
func tableRows(t *testing.T, path, table string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1") // so that SQLite creates no other file
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.Query("SELECT PK, SK, attrs, blobs FROM " + table + " ORDER BY PK, SK")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var b strings.Builder
	for found.Next() {
		var pk, sk, attrs string
		var blobs []byte
		if err := found.Scan(&pk, &sk, &attrs, &blobs); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s %s %x\n", pk, sk, attrs, blobs)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	if b.Len() == 0 {
		t.Fatalf("%s of %s is empty", table, path)
	}
	return b.String()
}
