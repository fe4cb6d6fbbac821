package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func TestFilesArePrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(folder, "store.db")
	s := open(t, path, nil)
	mustCommit(t, s, put(record.Meta, generation(0)))
	mustCommit(t, s, in(record.Keys, put("head", generation(0))))
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), "store.db store.db-shm store.db-wal store.db.keys store.db.keys-shm store.db.keys-wal"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range mustReadDir(t, folder) {
		if e.Name() != "store.db" && e.Name() != "store.db.keys" {
			t.Errorf("%s exists after Close", e.Name())
		}
	}
}

func mustReadDir(t *testing.T, folder string) []fs.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, nil)
	for file, id := range map[string]int{path: 0x426c7565, path + ".keys": 0x426c754b} {
		db := raw(t, file)
		for pragma, want := range map[string]string{"application_id": fmt.Sprint(id), "user_version": "1", "journal_mode": "wal"} {
			var got string
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s of %s is %s, want %s (%v)", pragma, filepath.Base(file), got, want, err)
			}
		}
	}
}

// raw opens a file like another program.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// busyForMany is the timeout for machines that are slow with fifty processes.
const busyForMany = 2 * time.Minute

// TestManyProcesses creates one store from many processes at once.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	const processes = 50
	path := filepath.Join(t.TempDir(), "folder", "store.db")
	var starts []io.Closer
	var waits sync.WaitGroup
	for range processes {
		cmd := child(t, "open and commit", path)
		start, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		starts = append(starts, start)
		waits.Go(func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, out.String())
			}
		})
	}
	for _, start := range starts {
		start.Close()
	}
	waits.Wait()
	if err := open(t, path, nil).Check(t.Context()); err != nil {
		t.Error(err)
	}
	for file, table := range map[string]string{path: "blue_dialogues", path + ".keys": "blue_keys"} {
		var n int
		if err := raw(t, file).QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != processes {
			t.Errorf("%s holds %d records, want %d (%v)", table, n, processes, err)
		}
	}
	for _, e := range mustReadDir(t, filepath.Dir(path)) {
		if !strings.HasPrefix(e.Name(), "store.db") {
			t.Errorf("%s was not deleted", e.Name())
		}
	}
}

// TestManyOpeners creates one store from many goroutines at once.
func TestManyOpeners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			s, err := sqlite.Open(t.Context(), path, &sqlite.Options{BusyTimeout: busyForMany})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Commit(t.Context(), []record.Write{in(record.Audit, put(numbered("event", i), generation(i)))}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(query(t, open(t, path, nil), record.Audit)); n != 16 {
		t.Errorf("%d events are stored, want 16", n)
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "a%20b", "a%b", "a&b=c", "a'b", `a"b`, "a;b", "a+b", "é漢🙂", "a:b", ":memory:", "file:x", "-wal", " "} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), name)
			path := filepath.Join(folder, name)
			s := open(t, path, nil)
			mustCommit(t, s, put(record.Meta, generation(7)))
			s.Close()
			if names := mustReadDir(t, folder); len(names) != 2 || names[0].Name() != name || names[1].Name() != name+".keys" {
				t.Errorf("files %v", names)
			}
			if records := query(t, open(t, path, nil), record.Dialogues); len(records) != 1 || records[0].Attrs["gen"].Int() != 7 {
				t.Errorf("read %v", records)
			}
			readOnly := open(t, path, &sqlite.Options{ReadOnly: true})
			if records := query(t, readOnly, record.Dialogues); len(records) != 1 {
				t.Errorf("read only: %v", records)
			}
		})
	}
	t.Run("relative", func(t *testing.T) {
		t.Chdir(t.TempDir())
		s := open(t, "store.db", nil)
		t.Chdir(t.TempDir()) // the store must not move
		mustCommit(t, s, put(record.Meta, generation(0)))
		if len(mustReadDir(t, ".")) != 0 {
			t.Error("the store moved with the working directory")
		}
	})
	for _, path := range []string{"", "a\x00b"} {
		if _, err := sqlite.Open(t.Context(), path, nil); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("path %q: %v, want ErrInvalid", path, err)
		}
	}
}

// TestForeignFiles: a file of another program is not changed, and no file is created
// next to it.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	write := func(content string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	ours := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			s := open(t, path, nil)
			mustCommit(t, s, put(record.Meta, generation(0)), put("a", record.Attrs{"b": record.B(make([]byte, 100_000))}))
			s.Close()
			mustExec(t, path, statements...)
		}
	}
	cases := []struct {
		name string
		make func(t *testing.T, path string)
		want error
		says string
	}{
		{"one byte", write("x"), record.ErrUnavailable, "not an SQLite database"},
		{"database without tables", func(t *testing.T, path string) { mustExec(t, path, "VACUUM") }, record.ErrUnavailable, "not an SQLite database of this program"},
		{"text", write(strings.Repeat("some notes\n", 1000)), record.ErrUnavailable, "not an SQLite database"},
		{"zeros", write(strings.Repeat("\x00", 8192)), record.ErrUnavailable, "not an SQLite database"},
		{"magic alone", write("SQLite format 3\x00"), record.ErrUnavailable, "not an SQLite database"},
		{"another program's", func(t *testing.T, path string) { mustExec(t, path, "CREATE TABLE notes (x)") }, record.ErrUnavailable, "another program"},
		{"another program's, with an id", func(t *testing.T, path string) {
			mustExec(t, path, "PRAGMA application_id = 7", "CREATE TABLE blue_dialogues (x)")
		}, record.ErrUnavailable, "another program"},
		{"another program's, in WAL mode", func(t *testing.T, path string) {
			mustExec(t, path, "PRAGMA journal_mode = WAL", "CREATE TABLE notes (x)")
		}, record.ErrUnavailable, "another program"},
		{"newer", ours("PRAGMA user_version = 2"), record.ErrInvalid, "newer program"},
		{"older than any", ours("PRAGMA user_version = 0"), record.ErrUnavailable, "unknown schema"},
		{"truncated", func(t *testing.T, path string) {
			ours()(t, path)
			if err := os.Truncate(path, 20_000); err != nil {
				t.Fatal(err)
			}
		}, record.ErrUnavailable, "cut short"},
		{"truncated in the header", func(t *testing.T, path string) {
			ours()(t, path)
			if err := os.Truncate(path, 60); err != nil {
				t.Fatal(err)
			}
		}, record.ErrUnavailable, "cut short"},
		{"keys in place of data", func(t *testing.T, path string) {
			ours()(t, path)
			if err := os.Rename(path+".keys", path); err != nil {
				t.Fatal(err)
			}
			write("")(t, path+".keys")
		}, record.ErrUnavailable, "missing or empty"},
		{"keys and data swapped", func(t *testing.T, path string) {
			ours()(t, path)
			for _, move := range [][2]string{{path, path + "x"}, {path + ".keys", path}, {path + "x", path + ".keys"}} {
				if err := os.Rename(move[0], move[1]); err != nil {
					t.Fatal(err)
				}
			}
		}, record.ErrUnavailable, "swapped"},
		{"keys missing", func(t *testing.T, path string) {
			ours()(t, path)
			if err := os.Remove(path + ".keys"); err != nil {
				t.Fatal(err)
			}
		}, record.ErrUnavailable, "keys file"},
		{"a log without its file", func(t *testing.T, path string) { write("log")(t, path+"-wal") }, record.ErrUnavailable, "without it"},
		{"a keys log without its file", func(t *testing.T, path string) { write("log")(t, path+".keys-wal") }, record.ErrUnavailable, "without it"},
	}
	for _, c := range cases {
		for _, readOnly := range []bool{false, true} {
			if readOnly && strings.Contains(c.name, "without its file") {
				continue // no store exists then
			}
			t.Run(fmt.Sprintf("%s, read only %v", c.name, readOnly), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "store.db")
				c.make(t, path)
				if strings.HasPrefix(c.says, "not an") || strings.HasPrefix(c.says, "another") {
					// The keys file is valid, so that the data file is refused.
					elsewhere := filepath.Join(t.TempDir(), "store.db")
					open(t, elsewhere, nil).Close()
					if err := os.Rename(elsewhere+".keys", path+".keys"); err != nil {
						t.Fatal(err)
					}
				}
				wantRefused(t, path, &sqlite.Options{ReadOnly: readOnly}, c.want, c.says)
			})
		}
	}
}

// wantRefused checks that Open fails with an error that contains the path and a text,
// and that the folder is unchanged.
func wantRefused(t *testing.T, path string, opts *sqlite.Options, want error, text string) {
	t.Helper()
	before := contents(t, filepath.Dir(path))
	s, err := sqlite.Open(t.Context(), path, opts)
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("open: %v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), path) {
		t.Errorf("the message does not contain the path or %q: %v", text, err)
	}
	after := contents(t, filepath.Dir(path))
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s changed", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}

func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, e := range mustReadDir(t, folder) {
		if !e.Type().IsRegular() {
			all[e.Name()] = e.Type().String()
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestOtherThanFiles(t *testing.T) {
	folder := t.TempDir()
	directory := filepath.Join(folder, "directory")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, filepath.Join(folder, "whole"), nil).Close()
	if err := os.Rename(filepath.Join(folder, "whole.keys"), directory+".keys"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), directory, nil); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a directory: %v", err)
	}
	below := filepath.Join(folder, "directory.keys", "store.db") // below a file
	if _, err := sqlite.Open(t.Context(), below, nil); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("below a file: %v", err)
	}
	dangling := filepath.Join(folder, "dangling")
	if err := os.Symlink(filepath.Join(folder, "nowhere"), dangling); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	if _, err := sqlite.Open(t.Context(), dangling, nil); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("a dangling link: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "nowhere")); err == nil {
		t.Error("the target of a dangling link was created")
	}
}

func TestEmptyFileIsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for _, p := range []string{path, path + ".keys"} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustCommit(t, open(t, path, nil), put(record.Meta, generation(0)))
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	wantRefused(t, path, &sqlite.Options{ReadOnly: true}, record.ErrUnavailable, "there is no store")
	s := open(t, path, nil)
	mustCommit(t, s, put(record.Meta, generation(0)))
	s.Close()
	before := contents(t, filepath.Dir(path))
	s = open(t, path, &sqlite.Options{ReadOnly: true, Views: []record.View{{Name: "claims", Prefix: "claim#"}}})
	if n := len(query(t, s, record.Dialogues)); n != 1 {
		t.Errorf("%d records", n)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Commit(t.Context(), []record.Write{put("a", generation(0)), change(record.Meta, generation(0), generation(1))}); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("commit: %v, want ErrUnavailable", err)
	}
	s.Close()
	for name, content := range contents(t, filepath.Dir(path)) {
		if old, ok := before[name]; ok && old != content {
			t.Errorf("%s changed", name)
		}
	}
}

func TestCheckFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	writes := []record.Write{put(record.Meta, generation(0))}
	for i := range 200 {
		writes = append(writes, put(numbered("claim", i), record.Attrs{"text": record.S(strings.Repeat("x", 500))}))
	}
	mustCommit(t, s, writes...)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 10 * 4096; i < 12*4096; i++ {
		b[i] ^= 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path, nil).Check(t.Context()); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("check of a damaged file: %v", err)
	}
}
