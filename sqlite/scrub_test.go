package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// TestScrub: after Scrub, no file of an open store contains a deleted byte of any
// table, also if it was deleted without secure_delete. The other records are intact.
// Before Scrub the search finds the bytes, which shows that it can.
func TestScrub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), filepath.Join(dir, "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	secret := func(i int) []byte { return fmt.Appendf(nil, "secret %06d of them all", i) }
	for _, table := range []record.Table{record.Audit, record.Keys} {
		for i := range 200 {
			w := record.Write{Table: table, Record: record.Record{Key: record.Key{Partition: "p", Item: fmt.Sprintf("%04d", i)},
				Attrs: record.Attrs{"b": record.B(append(secret(i), make([]byte, 900)...)), "s": record.S(string(secret(i)))}}}
			if err := s.Commit(t.Context(), []record.Write{w}); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 || i%3 == 1 {
				continue
			}
			w = record.Write{Table: table, Record: record.Record{Key: w.Record.Key}, Prev: w.Record.Attrs}
			if err := s.Commit(t.Context(), []record.Write{w}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, f := range []*databaseFile{s.data, s.keys} { // another program deletes rows without secure_delete
		db, err := sql.Open("sqlite", f.path+"?_pragma=secure_delete(0)")
		if err != nil {
			t.Fatal(err)
		}
		table := map[string]string{"data": "blue_audit", "keys": "blue_keys"}[f.kind.name]
		if _, err := db.Exec("DELETE FROM " + table + " WHERE CAST(SK AS INTEGER) % 3 = 1"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (deleted, kept int) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				switch n := bytes.Count(text, secret(i)); {
				case i%3 == 0:
					kept += n
				default:
					deleted += n
				}
			}
		}
		return deleted, kept
	}
	if deleted, _ := found(); deleted == 0 {
		t.Fatal("no deleted bytes were found before Scrub")
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if deleted, kept := found(); deleted != 0 || kept != 2*2*67 {
		t.Errorf("%d deleted texts and %d other texts are left; want 0 and %d", deleted, kept, 2*2*67)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for _, table := range []record.Table{record.Audit, record.Keys} {
		if all, err := s.Query(t.Context(), record.Query{Table: table, Partition: "p"}); err != nil || len(all) != 67 {
			t.Errorf("%d records of %s, %v", len(all), table, err)
		}
	}
	again, err := Open(t.Context(), filepath.Join(dir, "blue.db"), nil) // it still has the schema
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestScrubBusy: Scrub returns ErrBusy while a reader needs the log, and succeeds after
// the reader has finished.
func TestScrubBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blue.db")
	s, err := Open(t.Context(), path, &Options{BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(sk string) {
		t.Helper()
		if err := s.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: record.Record{Key: record.Key{Partition: "p", Item: sk}, Attrs: record.Attrs{"n": record.N(1)}}}}); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	tx, err := s.keys.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM blue_keys").Scan(&n); err != nil {
		t.Fatal(err)
	}
	put("b")
	if err := s.Scrub(t.Context()); !errors.Is(err, record.ErrBusy) {
		t.Errorf("with a reader: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Errorf("without a reader: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Scrub(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	reader, err := Open(t.Context(), path, &Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Scrub(t.Context()); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("read only: %v", err)
	}
	reader.Close()
	if err := reader.Scrub(t.Context()); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}
