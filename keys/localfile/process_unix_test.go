//go:build unix

package localfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// The test program runs itself as a child. These variables select what the child does.
const (
	childRole = "LOCALFILE_TEST_ROLE" // race, read, kill
	childPath = "LOCALFILE_TEST_PATH"
	childStep = "LOCALFILE_TEST_STEP" // kill: the step after which the child is killed
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		child(role)
		return
	}
	os.Exit(m.Run())
}

// child uses one key file and prints the fingerprint or the error.
func child(role string) {
	p := Open(os.Getenv(childPath), empty)
	k := OpenAuditKey(os.Getenv(childPath))
	switch role {
	case "race": // reports that it has started and waits
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "kill":
		p.step = func(step string) {
			if step == os.Getenv(childStep) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		k.step = p.step
	}
	if filepath.Base(p.path) == auditName {
		auditChild(k)
		return
	}
	umk, err := p.UMK(ctx)
	var fault *FileError
	switch {
	case errors.As(err, &fault):
		fmt.Printf("error %s (%s)\n", fault, fault.Hint)
	case err != nil:
		fmt.Println("error", err)
	default:
		fmt.Println(umk.Fingerprint())
	}
}

func command(role, path string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	return c
}

// waitingChild is a child that waits for the start.
type waitingChild struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// startChildren starts children that wait until start is called.
func startChildren(t *testing.T, n int, path string) (children []waitingChild, start func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		c := command("race", path)
		c.Stdin = r
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, waitingChild{c, bufio.NewReader(out)})
	}
	r.Close()
	for _, c := range children {
		if line, err := c.out.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("a child prints %q, %v", line, err)
		}
	}
	return children, func() { w.Close() }
}

func TestFiftyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".blue", "keys", "umk.key")
	children, start := startChildren(t, 50, path)
	start()
	seen := map[string]int{}
	for _, c := range children {
		out, _ := io.ReadAll(c.out)
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("a child: %v", err)
		}
		seen[strings.TrimSpace(string(out))]++
	}
	print, err := Open(path, nil).Fingerprint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[print] != 50 {
		t.Errorf("50 processes read %v; the file is %s", seen, print)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder contains %v", names)
	}
}

// TestKilledAtEachStep: a process that is killed after any step leaves no key or a
// complete one. A temporary file does not affect the next process.
func TestKilledAtEachStep(t *testing.T) {
	for _, step := range []string{"folder", "temp", "written", "synced", "linked", "done"} {
		t.Run(step, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys", "umk.key")
			c := command("kill", path)
			c.Env = append(c.Env, childStep+"="+step)
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v: %s", err, out)
			}
			made := step == "linked" || step == "done"
			survives(t, path, made)
		})
	}
}

// Four processes at once, killed at any moment: as soon as one has answered
// with a key, it stays the key.
func TestKilledAnywhere(t *testing.T) {
	rounds := campaigntest.Length(8, 40, 400)
	made, before := 0, 0
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "keys", "umk.key")
		children, start := startChildren(t, 4, path)
		start()
		// The kill follows what can be seen of the work, at a growing
		// distance counted in file system calls.
		waitFor(path, []string{"", "keys", "keys/umk.key*", "keys/umk.key"}[round%4])
		for range round / 4 {
			_, _ = os.Lstat(path)
		}
		for _, c := range children {
			_ = c.cmd.Process.Kill()
		}
		for _, c := range children {
			out, _ := io.ReadAll(c.out)
			_ = c.cmd.Wait()
			if line := strings.TrimSpace(string(out)); strings.HasPrefix(line, "error") {
				t.Errorf("a child prints %s", line)
			} else if line != "" {
				if print, err := Open(path, nil).Fingerprint(ctx); print != line {
					t.Errorf("a child answered with %s; now the key is %s, %v", line, print, err)
				}
			}
		}
		_, err := os.Lstat(path)
		if err == nil {
			made++
		} else {
			before++
		}
		survives(t, path, err == nil)
	}
	t.Logf("killed %d times: %d before there was a key, %d after", rounds, before, made)
}

// waitFor returns once a name that matches the pattern is below the home, or
// after many looks.
func waitFor(path, pattern string) {
	home := filepath.Dir(filepath.Dir(path))
	for range 100_000 {
		if found, _ := filepath.Glob(filepath.Join(home, filepath.FromSlash(pattern))); len(found) > 0 {
			return
		}
	}
}

// survives checks that the file is whole or absent, and that later processes
// agree on one key.
func survives(t *testing.T, path string, made bool) {
	t.Helper()
	content, err := os.ReadFile(path)
	if made != (err == nil) || made && len(content) != keySize {
		t.Fatalf("after the kill: %d bytes, %v; want a key: %v", len(content), err, made)
	}
	first, err := Open(path, empty).UMK(ctx)
	if err != nil {
		t.Fatalf("the next process: %v", err)
	}
	if now, _ := os.ReadFile(path); made && !bytes.Equal(now, content) {
		t.Error("the next process replaced the key")
	}
	again, err := Open(path, nil).UMK(ctx)
	if err != nil || again.Fingerprint() != first.Fingerprint() {
		t.Errorf("then: %v, %v; want %s", again, err, first.Fingerprint())
	}
}
