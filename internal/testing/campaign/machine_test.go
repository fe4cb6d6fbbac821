package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// machine is the computer of one user: a home, a folder for temporary files, and
// an environment without the variables of the person who runs the test.
type machine struct {
	t    testing.TB
	dir  string // contains all other folders
	home string // BLUE_HOME
	env  []string
	// prepare changes every command before it runs. It can be nil.
	prepare func(*exec.Cmd)
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	dir := t.TempDir()
	w := &machine{t: t, dir: dir, home: filepath.Join(dir, "home", ".blue")}
	for _, folder := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.env = campaigntest.Env(filepath.Join(dir, "home"), filepath.Join(dir, "tmp"))
	return w
}

func (w *machine) database() string { return filepath.Join(w.home, "db", "blue.db") }
func (w *machine) umk() string      { return filepath.Join(w.home, "keys", "umk.key") }

// result is the answer of a process.
type result struct {
	code   int // -1 if a signal ended it
	stdout string
	stderr string
}

// command prepares a run of the program with env in addition to the machine's
// environment.
func (w *machine) command(stdin io.Reader, env []string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	w.t.Helper()
	c, stdout, stderr := program.Command(w.t, w.dir, slices.Concat(w.env, env), stdin, args...)
	if w.prepare != nil {
		w.prepare(c)
	}
	return c, stdout, stderr
}

// run runs the program to its end.
func (w *machine) run(args ...string) result { w.t.Helper(); return w.runWith("", nil, args...) }

// runWith is run with a standard input and more environment.
func (w *machine) runWith(stdin string, env []string, args ...string) result {
	w.t.Helper()
	c, stdout, stderr := w.command(strings.NewReader(stdin), env, args...)
	err := c.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		w.t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs the program and expects exit code 0.
func (w *machine) must(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("blue-store %s: exit code %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// verified has the fields of verify's answer that the tests read.
type verified struct {
	OK        bool `json:"ok"`
	Dialogues []struct {
		DialogueID string `json:"dialogue_id"`
		OK         bool   `json:"ok"`
		Items      int    `json:"items"`
		Version    uint64 `json:"version"`
	} `json:"dialogues"`
}

// version returns the version of a dialogue, or 0 if it does not exist.
func (v verified) version(dialogue string) uint64 {
	for _, d := range v.Dialogues {
		if d.DialogueID == dialogue {
			return d.Version
		}
	}
	return 0
}

// verify runs verify in a separate process and expects no damage.
func (w *machine) verify(args ...string) verified {
	w.t.Helper()
	var v verified
	decode(w.t, w.must(append([]string{"verify"}, args...)...), &v)
	return v
}

func decode(t testing.TB, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %.200q", err, text)
	}
}

// files returns every plain file below a folder with its bytes, by relative
// path.
func files(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(folder, path)
		all[rel] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
