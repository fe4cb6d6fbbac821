package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/record/recordtest"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func TestStore(t *testing.T) {
	t.Parallel()
	paths := map[record.Store]string{}
	recordtest.Run(t, recordtest.Harness{
		Open: func(t *testing.T) record.Store {
			path := filepath.Join(t.TempDir(), "store.db")
			s := open(t, path, nil)
			paths[s] = path
			return s
		},
		Reopen: func(t *testing.T, s record.Store) record.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, paths[s], nil)
		},
	})
}

// open opens a store and closes it at the end of the test.
func open(t *testing.T, path string, opts *sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

const pk = "dialogue#d"

func put(sk string, attrs record.Attrs) record.Write {
	return record.Write{Table: record.Dialogues, Record: record.Record{Key: record.Key{Partition: pk, Item: sk}, Attrs: attrs}}
}

func change(sk string, prev, attrs record.Attrs) record.Write {
	w := put(sk, attrs)
	w.Prev = prev
	return w
}

func in(table record.Table, w record.Write) record.Write {
	w.Table = table
	return w
}

func generation(n int) record.Attrs { return record.Attrs{"gen": record.N(int64(n))} }

func mustCommit(t *testing.T, s *sqlite.Store, writes ...record.Write) {
	t.Helper()
	if err := s.Commit(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, s *sqlite.Store, table record.Table) []record.Record {
	t.Helper()
	records, err := s.Query(context.WithoutCancel(t.Context()), record.Query{Table: table, Partition: pk})
	if err != nil {
		t.Fatal(err)
	}
	return records
}
