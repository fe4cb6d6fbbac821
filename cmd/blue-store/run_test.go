package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is the home of one user. It runs the program in the process of the
// test.
type machine struct {
	t    *testing.T
	home string
	set  map[string]string // variables in addition to the common ones
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	return &machine{t: t, home: t.TempDir()}
}

// outcome is the result of one run.
type outcome struct {
	code   int
	stdout string
	stderr string
}

// run executes one command line with an empty standard input.
func (m *machine) run(args ...string) outcome {
	return m.runWith(strings.NewReader(""), args...)
}

func (m *machine) runWith(in io.Reader, args ...string) outcome {
	m.t.Helper()
	var out, err bytes.Buffer
	a := &app{in: in, out: &out, err: &err, env: m.env}
	code := a.run(m.t.Context(), args)
	return outcome{code, out.String(), err.String()}
}

// env returns a variable of the machine's environment.
func (m *machine) env(name string) string {
	if v, ok := m.set[name]; ok {
		return v
	}
	return map[string]string{"HOME": m.home, "BLUE_USER": "tester"}[name]
}

// must runs a command that must succeed.
func (m *machine) must(args ...string) outcome {
	m.t.Helper()
	o := m.run(args...)
	if o.code != exitOK {
		m.t.Fatalf("%q: exit %d\n%s", args, o.code, o.stderr)
	}
	return o
}

// copyOf returns a machine with the same files. It has no freshness records,
// because their folder depends on the path of the store.
func (m *machine) copyOf(t *testing.T) *machine {
	t.Helper()
	c := newMachine(t)
	if err := os.CopyFS(filepath.Join(c.home, ".blue"), os.DirFS(filepath.Join(m.home, ".blue"))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(c.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600) // CopyFS applies the umask
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stored returns the export of every dialogue. A refused command must not change
// it.
func (m *machine) stored() string {
	m.t.Helper()
	if _, err := os.Stat(filepath.Join(m.home, ".blue", "db", "blue.db")); err != nil {
		return "no store"
	}
	var rows []struct {
		ID string `json:"dialogue_id"`
	}
	list := m.must("list")
	if err := json.Unmarshal([]byte(list.stdout), &rows); err != nil {
		m.t.Fatal(err)
	}
	text := list.stdout
	for _, r := range rows {
		text += m.must("show", r.ID).stdout
	}
	return text
}

// files lists the paths in the home.
func (m *machine) files() []string {
	m.t.Helper()
	var files []string
	err := filepath.WalkDir(m.home, func(path string, _ fs.DirEntry, err error) error {
		if path != m.home {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return files
}

// unquoted returns the message of a JSON error on standard error.
func unquoted(t *testing.T, stderr string) string {
	t.Helper()
	var e errorJSON
	if err := json.Unmarshal([]byte(stderr), &e); err != nil {
		t.Errorf("standard error is not one JSON object: %v\n%s", err, stderr)
	}
	return e.Message + "\n" + e.Hint
}
