package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func TestEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		table  record.Table
		pk, sk string
		empty  bool
	}{
		"an item":            {record.Dialogues, "dialogue#x", record.Meta, false},
		"a head of keys":     {record.Keys, "dialogue#x", "head", false},
		"a user's key":       {record.Keys, "user#x", "kek", false},
		"an audit event":     {record.Audit, "audit#x", "000000000001", true},
		"a principal":        {record.Keys, "principals", "tester", true},
		"an erased one's id": {record.Keys, "erased", "x", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := openNew(t)
			if empty, err := s.IsEmpty(t.Context()); err != nil || !empty {
				t.Errorf("a new store: %v, %v; want empty", empty, err)
			}
			w := record.Write{Table: c.table, Record: record.Record{Key: record.Key{Partition: record.Partition(c.pk), Item: c.sk}, Attrs: record.Attrs{"a": record.S("x")}}}
			if err := s.Commit(t.Context(), []record.Write{w}); err != nil {
				t.Fatal(err)
			}
			if empty, err := s.IsEmpty(t.Context()); err != nil || empty != c.empty {
				t.Errorf("with a record: %v, %v; want %v", empty, err, c.empty)
			}
		})
	}
}

// TestEmptyOfClosed: a closed store is not reported as empty.
func TestEmptyOfClosed(t *testing.T) {
	s := openNew(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if empty, err := s.IsEmpty(t.Context()); err == nil || empty {
		t.Errorf("%v, %v; want an error", empty, err)
	}
}

func TestSealedWith(t *testing.T) {
	for name, c := range map[string]struct {
		attrs record.Attrs
		want  string
	}{
		"fingerprint": {record.Attrs{"umk": record.S("umk:7c1f09aa52e3d410")}, "umk:7c1f09aa52e3d410"},
		"none":        {record.Attrs{"user": record.S("tester")}, ""},
		"other type":  {record.Attrs{"umk": record.B([]byte("umk"))}, ""},
		"control":     {record.Attrs{"umk": record.S("umk:\x1b[31m")}, ""},
		"long":        {record.Attrs{"umk": record.S(strings.Repeat("x", 257))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := openNew(t)
			if got := s.SealedWith(t.Context()); got != "" {
				t.Errorf("a new store: %q", got)
			}
			head := record.Record{Key: record.Key{Partition: "dialogue#x", Item: "head"}, Attrs: record.Attrs{"umk": record.S("not a wrap")}}
			wrap := record.Record{Key: record.Key{Partition: "dialogue#x", Item: "wrap#0000000001#tester"}, Attrs: c.attrs}
			if err := s.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: head}, {Table: record.Keys, Record: wrap}}); err != nil {
				t.Fatal(err)
			}
			if got := s.SealedWith(t.Context()); got != c.want {
				t.Errorf("%q; want %q", got, c.want)
			}
		})
	}
}

// TestSealedWithMost: the key of most dialogues is returned, and not the key of one
// dialogue from another store.
func TestSealedWithMost(t *testing.T) {
	s := openNew(t)
	for dialogue, umk := range map[string]string{"a": "umk:copied", "b": "umk:own", "c": "umk:own"} {
		wrap := record.Record{Key: record.DialogueKey(dialogue, "wrap#0000000001#tester"), Attrs: record.Attrs{"umk": record.S(umk)}}
		head := record.Record{Key: record.DialogueKey(dialogue, "head"), Attrs: record.Attrs{"state": record.S("active")}}
		if err := s.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: wrap}, {Table: record.Keys, Record: head}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.SealedWith(t.Context()); got != "umk:own" {
		t.Errorf("%q", got)
	}
	wraps, err := s.Wraps(t.Context())
	if err != nil || len(wraps) != 3 {
		t.Fatal(len(wraps), err)
	}
	for i, dialogue := range []string{"a", "b", "c"} {
		if want := (record.DialogueKey(dialogue, "wrap#0000000001#tester")); wraps[i].Key != want {
			t.Errorf("%v; want %v", wraps[i].Key, want)
		}
	}
}

func openNew(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestLostData: a missing or empty data file is not created again if the keys file has
// keys.
func TestLostData(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "blue.db")
			s, err := sqlite.Open(t.Context(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			head := record.Record{Key: record.Key{Partition: "dialogue#d", Item: "head"}, Attrs: record.Attrs{"state": record.S("active")}}
			if err := s.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: head}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			if _, err := sqlite.Open(t.Context(), path, nil); !errors.Is(err, record.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
			if info, err := os.Stat(path); err == nil && info.Size() > 0 {
				t.Error("the data file was created again")
			}
		})
	}
}
