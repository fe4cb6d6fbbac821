//go:build unix

package campaign

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fault damages the files of a store and lists the expected answer.
type fault struct {
	name   string
	do     func(t *testing.T, w *machine)
	code   int
	stderr string // a part of it
	// writes reports whether the program may write to a file: the audit event of
	// the refusal, or a new file in place of a removed one. The dialogues do not
	// change.
	writes bool
}

var fileFaults = []fault{
	{"truncated", func(t *testing.T, w *machine) { check(t, os.Truncate(w.database(), 20000)) }, 5, "damaged or cut short", false},
	{"truncated-keys", func(t *testing.T, w *machine) { check(t, os.Truncate(w.database()+".keys", 4096)) }, 5, "damaged or cut short", false},
	{"truncated-within-a-page", func(t *testing.T, w *machine) { check(t, os.Truncate(w.database()+".keys", 5000)) }, 6, "missing", true},
	{"emptied", func(t *testing.T, w *machine) { check(t, os.Truncate(w.database(), 0)) }, 5, "the data was lost", false},
	{"removed", func(t *testing.T, w *machine) { check(t, os.Remove(w.database())) }, 5, "the data was lost", false},
	{"keys-removed", func(t *testing.T, w *machine) { check(t, os.Remove(w.database()+".keys")) }, 5, "keys file", false},
	{"keys-emptied", func(t *testing.T, w *machine) { check(t, os.Truncate(w.database()+".keys", 0)) }, 5, "keys file", false},
	{"garbage", func(t *testing.T, w *machine) { put(t, w.database(), bytes.Repeat([]byte("garbage!"), 5000)) }, 5, "not an SQLite database", false},
	{"garbage-keys", func(t *testing.T, w *machine) { put(t, w.database()+".keys", []byte("x")) }, 5, "not an SQLite database", false},
	{"others", func(t *testing.T, w *machine) {
		check(t, os.Remove(w.database()))
		statement(t, w.database(), "CREATE TABLE others (a)", "INSERT INTO others VALUES ('precious')")
	}, 5, "another program", false},
	{"newer", func(t *testing.T, w *machine) { statement(t, w.database(), "PRAGMA user_version = 2") }, 2, "newer program", false},
	{"newer-keys", func(t *testing.T, w *machine) { statement(t, w.database()+".keys", "PRAGMA user_version = 2") }, 2, "newer program", false},
	{"swapped", func(t *testing.T, w *machine) {
		check(t, os.Rename(w.database(), w.database()+".x"))
		check(t, os.Rename(w.database()+".keys", w.database()))
		check(t, os.Rename(w.database()+".x", w.database()+".keys"))
	}, 5, "swapped", false},
	{"a-folder", func(t *testing.T, w *machine) {
		check(t, os.Remove(w.database()))
		check(t, os.Mkdir(w.database(), 0o700))
	}, 5, "not a file", false},
	{"dangling-link", func(t *testing.T, w *machine) {
		check(t, os.Remove(w.database()))
		check(t, os.Symlink(filepath.Join(w.dir, "nowhere"), w.database()))
	}, 5, "the data was lost", false},
	{"link-to-another-store", func(t *testing.T, w *machine) {
		other := newMachine(t)
		other.must("dialogue", "create", "Another store")
		check(t, os.Rename(w.database(), w.database()+".old"))
		check(t, os.Symlink(other.database(), w.database()))
	}, 7, "missing", true},
	{"older-copy", func(t *testing.T, w *machine) {
		old := files(t, w.home)
		w.must("dialogue", "expert-create", "--dialogue-id", "one-two", "--expert-slug", "Muffin", "--role", "r", "--tier", "Core",
			"--creation-reason", "c", "--first-round", "0")
		put(t, w.database(), old[filepath.Join("db", "blue.db")])
	}, 7, "rolled back", true},
	{"log-orphaned", func(t *testing.T, w *machine) {
		withLog(t, w)
		check(t, os.Remove(w.database()))
	}, 5, "its log", false},
	{"log-lost", func(t *testing.T, w *machine) {
		withLog(t, w)
		check(t, os.Remove(w.database()+"-wal"))
	}, 7, "rolled back", true},
	{"freshness-record-garbage", func(t *testing.T, w *machine) {
		found, err := filepath.Glob(filepath.Join(w.home, "heads", "*", "*.json"))
		if err != nil || len(found) == 0 {
			t.Fatal("there is no freshness record", err)
		}
		for _, path := range found {
			put(t, path, []byte("{"))
		}
	}, 7, "cannot be read", true},
	{"freshness-records-lost", func(t *testing.T, w *machine) { check(t, os.RemoveAll(filepath.Join(w.home, "heads"))) }, 0, "", true},
}

// TestFiles damages the files in each way, runs verify and a write, and compares
// the files on the disk before and after.
func TestFiles(t *testing.T) {
	for _, f := range fileFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newMachine(t)
			w.must("dialogue", "create", "One two")
			f.do(t, w)
			before, dialogues := files(t, w.home), w.dump(t)
			r := w.run("verify")
			if r.code != f.code || !strings.Contains(r.stderr, f.stderr) {
				t.Errorf("exit code %d, want %d with %q: %s", r.code, f.code, f.stderr, r.stderr)
			}
			if strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("a stack trace: %s", r.stderr)
			}
			if !f.writes {
				unchanged(t, before, files(t, w.home))
			}
			if r := w.run("dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`); (r.code == 0) != (f.code == 0) {
				t.Errorf("a write: exit code %d: %s", r.code, r.stderr)
			}
			if !f.writes {
				unchanged(t, before, files(t, w.home))
			}
			if after := w.dump(t); f.code != 0 && after != dialogues {
				t.Errorf("the dialogues were %.300q and are %.300q", dialogues, after)
			}
		})
	}
}

// dump lists the rows of the dialogues. It returns "" if they cannot be read.
func (w *machine) dump(t testing.TB) string {
	t.Helper()
	if info, err := os.Lstat(w.database()); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	db, err := sql.Open("sqlite", "file:"+w.database()+"?mode=ro")
	check(t, err)
	defer db.Close()
	var all sql.NullString
	_ = db.QueryRow("SELECT group_concat(PK || SK || attrs || hex(blobs)) FROM (SELECT * FROM blue_dialogues ORDER BY PK, SK)").Scan(&all)
	return all.String
}

// TestCreateOverFault shows that a command that creates a store does not create
// one over unreadable files.
func TestCreateOverFault(t *testing.T) {
	for _, f := range fileFaults {
		switch f.name {
		case "truncated", "emptied", "removed", "keys-removed", "garbage", "others", "newer", "a-folder", "swapped", "log-orphaned":
		default:
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newMachine(t)
			w.must("dialogue", "create", "One two")
			f.do(t, w)
			before := files(t, w.home)
			if r := w.run("dialogue", "create", "Another"); r.code == 0 || strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("exit code %d: %s", r.code, r.stderr)
			}
			unchanged(t, before, files(t, w.home))
		})
	}
}

// lock takes the write lock on the store's data. The returned function releases
// it.
func (w *machine) lock(t testing.TB) func() {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.database()+"?_txlock=immediate")
	check(t, err)
	tx, err := db.Begin()
	check(t, err)
	return func() { check(t, tx.Rollback()); check(t, db.Close()) }
}

// withLog leaves a log on the disk that holds the last commit.
func withLog(t *testing.T, w *machine) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.database()+"?mode=ro")
	check(t, err)
	tx, err := db.Begin()
	check(t, err)
	var n int
	check(t, tx.QueryRow("SELECT count(*) FROM blue_dialogues").Scan(&n))
	w.must("dialogue", "expert-create", "--dialogue-id", "one-two", "--expert-slug", "Muffin", "--role", "r", "--tier", "Core",
		"--creation-reason", "c", "--first-round", "0")
	kept := files(t, w.home)
	check(t, tx.Rollback())
	check(t, db.Close())
	for name, text := range kept {
		put(t, filepath.Join(w.home, name), text)
	}
	if info, err := os.Stat(w.database() + "-wal"); err != nil || info.Size() == 0 {
		t.Fatal("there is no log", err)
	}
	check(t, os.Remove(w.database()+"-shm"))
}

// unchanged compares two states of a folder. It ignores SQLite's -shm, which
// contains no data, and an empty -wal.
func unchanged(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	for name, text := range before {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		if got, there := after[name]; !there && len(text) > 0 || !bytes.Equal(got, text) {
			t.Errorf("%s had %d bytes and has %d, or others", name, len(text), len(got))
		}
	}
	for name, text := range after {
		if _, there := before[name]; !there && len(text) > 0 && !strings.HasSuffix(name, "-shm") {
			t.Errorf("%s is new, %d bytes", name, len(text))
		}
	}
}

func put(t testing.TB, path string, text []byte) {
	t.Helper()
	check(t, os.WriteFile(path, text, 0o600))
}

// statement runs SQL on a file, outside the program.
func statement(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	check(t, err)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}
