//go:build unix

package localfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// auditName is the name of a file that children use as an audit key.
const auditName = "audit.key"

// auditChild uses one audit key and prints its digest and whether it created it, or
// the error.
func auditChild(k *AuditKey) {
	seed, made, err := k.LoadOrCreate(ctx)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Printf("%x %v\n", sha256.Sum256(seed.InsecureBytes()), made)
}

func TestAuditKeyFiftyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".blue", "keys", auditName)
	children, start := startChildren(t, 50, path)
	start()
	seen := map[string]int{}
	makers := 0
	for _, c := range children {
		out, _ := io.ReadAll(c.out)
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("a child: %v", err)
		}
		digest, made, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		seen[digest]++
		if made == "true" {
			makers++
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if digest := fmt.Sprintf("%x", sha256.Sum256(content)); len(seen) != 1 || seen[digest] != 50 || makers != 1 {
		t.Errorf("50 processes read %v, and %d report that they created it; the file is %s", seen, makers, digest)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder contains %v", names)
	}
}

// TestAuditKeyKilledAtEachStep: a process that is killed after any step leaves no key
// or a complete one.
func TestAuditKeyKilledAtEachStep(t *testing.T) {
	for _, step := range []string{"folder", "temp", "written", "synced", "linked", "done"} {
		t.Run(step, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys", auditName)
			c := command("kill", path)
			c.Env = append(c.Env, childStep+"="+step)
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v: %s", err, out)
			}
			before, err := os.ReadFile(path)
			if made := step == "linked" || step == "done"; made != (err == nil) || made && len(before) != keySize {
				t.Fatalf("after the kill: %d bytes, %v; want a key: %v", len(before), err, made)
			}
			seed, made, err := OpenAuditKey(path).LoadOrCreate(ctx)
			if err != nil || made != (before == nil) || before != nil && string(seed.InsecureBytes()) != string(before) {
				t.Errorf("the next process: made %v, %v", made, err)
			}
		})
	}
}

func TestAuditKeyMode(t *testing.T) {
	path := keyPath(t, testKey())
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	wantAuditRefused(t, path, "PATH is readable by others (mode 0640)")
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuditKey(path).Load(ctx); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}

func TestAuditKeySymlink(t *testing.T) {
	for _, target := range []string{keyPath(t, testKey()), "nowhere"} {
		path := keyPath(t, nil)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		wantAuditRefused(t, path, "PATH is a symbolic link, not a plain file")
	}
}

func TestAuditKeyOtherKinds(t *testing.T) {
	path := keyPath(t, nil)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("skipped: no named pipes here: %v", err)
	}
	wantAuditRefused(t, path, "PATH is a named pipe, not a plain file")
	if os.Geteuid() != 0 {
		return // only root can change the owner of a file
	}
	path = keyPath(t, testKey())
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	wantAuditRefused(t, path, "PATH belongs to user id 65534, not to you (user id 0)")
}
