//go:build unix

package campaign

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// otherID is a user and group id without rights. Tests that run as root use it,
// because root ignores file modes.
const otherID = 65534

// asOther gives the machine to a user without rights. It does nothing if the
// test does not run as root.
func (w *machine) asOther() {
	w.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	check(w.t, os.Chmod(filepath.Dir(w.dir), 0o755)) // the parent folder of the test
	check(w.t, filepath.WalkDir(w.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, otherID, otherID)
	}))
	w.prepare = func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherID, Gid: otherID}}
	}
}

// inShell starts every command in a shell that first runs the given line.
func (w *machine) inShell(first string) {
	w.prepare = func(c *exec.Cmd) {
		c.Args = append([]string{"sh", "-c", first + `; exec "$0" "$@"`, c.Path}, c.Args[1:]...)
		c.Path = "/bin/sh"
	}
}

func TestReadOnlyFiles(t *testing.T) {
	for name, protect := range map[string]func(w *machine){
		"file":   func(w *machine) { check(t, os.Chmod(w.database(), 0o400)) },
		"folder": func(w *machine) { check(t, os.Chmod(filepath.Dir(w.database()), 0o500)) },
		"keys":   func(w *machine) { check(t, os.Chmod(w.database()+".keys", 0o400)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newMachine(t)
			w.asOther()
			w.must("dialogue", "create", "One two")
			before := files(t, w.home)
			protect(w)
			t.Cleanup(func() { _ = os.Chmod(filepath.Dir(w.database()), 0o700) })
			r := w.run("dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`)
			// A round does not write to the key file.
			if name != "keys" && (r.code != 5 || !strings.Contains(r.stderr, "permission")) {
				t.Errorf("exit code %d: %s", r.code, r.stderr)
			}
			if name != "keys" {
				unchanged(t, before, files(t, w.home))
			}
			// A new dialogue's key is made before its first commit. An orphan is
			// harmless.
			dialogues := w.dump(t)
			if r := w.run("dialogue", "create", "Three"); r.code != 5 || !strings.Contains(r.stderr, "permission") {
				t.Errorf("create: exit code %d: %s", r.code, r.stderr)
			}
			if w.dump(t) != dialogues {
				t.Error("the dialogues changed")
			}
		})
	}
}

// TestLocked holds the write lock for longer than the program waits.
func TestLocked(t *testing.T) {
	campaigntest.SkipShort(t) // the program waits 10 s for the lock
	t.Parallel()
	w := newMachine(t)
	w.must("dialogue", "create", "One two")
	before := w.dump(t)
	release := w.lock(t)
	r := w.run("dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`)
	if r.code != 8 || !strings.Contains(r.stderr, `"busy"`) || !strings.Contains(r.stderr, "locked") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	release()
	if w.dump(t) != before {
		t.Error("the dialogues changed")
	}
	w.must("dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`)
}

// TestDiskFull fills small disks of several sizes with rounds, so that different
// writes find no space.
func TestDiskFull(t *testing.T) {
	for _, size := range []string{"700k", "1m", "1500k", "3m"} {
		t.Run(size, func(t *testing.T) { fillDisk(t, size) })
	}
}

func fillDisk(t *testing.T, size string) {
	w := newMachine(t)
	check(t, os.Mkdir(w.home, 0o700))
	if err := mountSmall(w.home, size, false); err != nil {
		t.Skipf("skipped: no small disk can be mounted here (%v); package sqlite fills a database instead", err)
	}
	t.Cleanup(func() { check(t, unmount(w.home)) })
	w.must("dialogue", "create", "One two")
	round, r := 0, result{}
	for ; round < 100; round++ {
		if r = w.registerPlain(round); r.code != 0 {
			break
		}
	}
	if r.code != 5 || !strings.Contains(r.stderr, "full") || strings.Contains(r.stderr, "goroutine ") {
		t.Fatalf("after %d rounds: exit code %d: %s", round, r.code, r.stderr)
	}
	if strings.Contains(r.stdout, `"status": "success"`) {
		round++ // the round was stored and reported, and the end of the audit chain found no space
	}
	check(t, mountSmall(w.home, "64m", true))
	v := w.verify("one-two")
	if items := 1 + round*roundItems; v.Dialogues[0].Items != items {
		t.Errorf("%d items after %d whole rounds and a full disk; want %d", v.Dialogues[0].Items, round, items)
	}
	if r := w.registerPlain(round); r.code != 0 || strings.Contains(r.stdout, "repeated") {
		t.Errorf("with space again: exit code %d: %s", r.code, r.stderr)
	}
	t.Logf("the disk was full after %d rounds of 300 entities", round)
}

func (w *machine) registerPlain(round int) result {
	w.t.Helper()
	return w.runWith(roundText("one-two", round), nil, "dialogue", "round-register", "--dialogue-id", "one-two", "--round", fmt.Sprint(round), "--data", "-")
}

// TestFullOutput writes the answer to a full device. The exit code reports the
// failure, and the round is stored.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("skipped: there is no /dev/full")
	}
	defer full.Close()
	w := newMachine(t)
	w.must("dialogue", "create", "One two")
	args := []string{"dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`}
	c, _, stderr := w.command(nil, nil, args...)
	c.Stdout = full
	if err := c.Run(); err == nil || !strings.Contains(stderr.String(), "writing the answer") {
		t.Errorf("%v: %s", err, stderr)
	}
	if out := w.must(args...); !strings.Contains(out, `"repeated": true`) {
		t.Errorf("the round was absent: %s", out)
	}
}

// TestSurroundings runs the program in unusual environments. Either everything
// works, or the command ends with its code and creates no file.
func TestSurroundings(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(t *testing.T, w *machine)
		code   int
		stderr string
		works  bool
	}{
		{"no-home", func(_ *testing.T, w *machine) { w.env = []string{"BLUE_USER=tester"} }, 2, "neither BLUE_HOME nor HOME is set", false},
		{"home-read-only", func(t *testing.T, w *machine) {
			w.asOther()
			check(t, os.Chmod(filepath.Join(w.dir, "home"), 0o500))
			t.Cleanup(func() { _ = os.Chmod(filepath.Join(w.dir, "home"), 0o700) })
		}, 5, "permission denied", false},
		{"home-is-a-file", func(t *testing.T, w *machine) { put(t, w.home, nil) }, 5, "not a directory", false},
		{"tmpdir-missing", func(_ *testing.T, w *machine) { w.env = append(w.env, "TMPDIR="+filepath.Join(w.dir, "nowhere")) }, 0, "", true},
		{"tmpdir-a-file", func(t *testing.T, w *machine) { w.env = append(w.env, "TMPDIR=/dev/null") }, 0, "", true},
		{"umask-000", func(_ *testing.T, w *machine) { w.inShell("umask 000") }, 0, "", true},
		{"16-files", func(_ *testing.T, w *machine) { w.inShell("ulimit -n 16") }, 0, "", true},
		{"little-memory", func(_ *testing.T, w *machine) { w.env = append(w.env, "GOMEMLIMIT=1MiB", "GOGC=1") }, 0, "", true},
		{"fips-only", func(_ *testing.T, w *machine) { w.env = append(w.env, "GODEBUG=fips140=only") }, 0, "", true},
		{"kms-key", func(_ *testing.T, w *machine) {
			w.env = append(w.env, "BLUE_KMS_KEY_ARN=arn:aws:kms:eu-west-1:1:key/x")
		}, 6, "not the ARN of a key", false},
		{"dynamodb", func(_ *testing.T, w *machine) { w.env = append(w.env, "BLUE_STORE=dynamodb") }, 5, "no AWS region is set", false},
		{"plain-store", func(_ *testing.T, w *machine) { w.env = append(w.env, "BLUE_STORE=plain:x") }, 2, "unknown store", false},
		{"user-with-space", func(_ *testing.T, w *machine) { w.env = append(w.env, "BLUE_USER=a b") }, 2, "BLUE_USER", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newMachine(t)
			c.set(t, w)
			r := w.run("dialogue", "create", "One two")
			if r.code != c.code || !strings.Contains(r.stderr, c.stderr) || strings.Contains(r.stderr, "goroutine ") {
				t.Fatalf("exit code %d, want %d with %q: %s", r.code, c.code, c.stderr, r.stderr)
			}
			if !c.works {
				if left := files(t, filepath.Join(w.dir, "home")); len(left) > 1 {
					t.Errorf("it created %d files", len(left))
				}
				return
			}
			w.whole(t)
		})
	}
}

// whole imports, shows and verifies a dialogue, and checks the modes.
func (w *machine) whole(t *testing.T) {
	t.Helper()
	w.must("import", fixtures.Dialogue(t, fixtures.NightBus, "inputs.json"))
	w.must("demo", "--json")
	w.must("list")
	v := w.verify("--all")
	if len(v.Dialogues) != 2 || !v.OK {
		t.Fatalf("%+v", v)
	}
	t.Run("recorded", func(t *testing.T) {
		w.must("import", fixtures.Dialogue(t, "supersession", "inputs.json"))
		if v := w.verify("--all"); len(v.Dialogues) != 3 || !v.OK {
			t.Errorf("%+v", v)
		}
	})
	for _, d := range v.Dialogues {
		w.must("show", d.DialogueID)
	}
	if open := modesBelow(t, w.home); len(open) > 0 {
		t.Errorf("others can use %v", open)
	}
}
