//go:build unix

package localfile

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

func TestMode(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o644: "is readable by others (mode 0644)",
		0o640: "is readable by others (mode 0640)",
		0o604: "is readable by others (mode 0604)",
		0o666: "is readable by others (mode 0666)",
		0o620: "is writable by others (mode 0620)",
		0o700: "has a mode wider than 0600 (mode 0700)",
		0o601: "has a mode wider than 0600 (mode 0601)",
	} {
		path := keyPath(t, testKey())
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, path, "PATH "+want)
		if fault := faultOf(t, path); fault.Hint != "chmod 600 "+path || fault.NoKey {
			t.Errorf("mode %04o: the hint is %q, no key: %v", mode, fault.Hint, fault.NoKey)
		}
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		path := keyPath(t, testKey())
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil).UMK(ctx); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// TestPipe: opening a pipe without a writer would block.
func TestPipe(t *testing.T) {
	path := keyPath(t, nil)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("skipped: no named pipes here: %v", err)
	}
	wantRefused(t, path, "PATH is a named pipe, not a plain file")
}

// TestPipeReplacesFile: a pipe replaces the file after the first check.
func TestPipeReplacesFile(t *testing.T) {
	path := keyPath(t, testKey())
	p := Open(path, nil)
	p.step = func(step string) {
		if step == "stat" {
			_ = syscall.Mkfifo(path+".pipe", 0o600)
			_ = os.Rename(path+".pipe", path)
		}
	}
	_, err := p.UMK(ctx)
	wantFault(t, err, path, "PATH changed while it was being opened")
}

func TestSocket(t *testing.T) {
	path := keyPath(t, nil)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("skipped: no socket can be created here: %v", err)
	}
	defer l.Close()
	wantRefused(t, path, "PATH is a socket, not a plain file")
}

func TestSymlink(t *testing.T) {
	real := keyPath(t, testKey())
	path := keyPath(t, nil)
	if err := os.Symlink(real, path); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, "PATH is a symbolic link, not a plain file")
	dangling := keyPath(t, nil)
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dangling, "PATH is a symbolic link, not a plain file")
	if fault := faultOf(t, path); fault.NoKey {
		t.Error("NoKey is true for a link to a key")
	}
}

func TestDevice(t *testing.T) {
	_, err := Open("/dev/zero", nil).UMK(ctx)
	wantFault(t, err, "/dev/zero", "PATH is a device, not a plain file")
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can change the owner of a file")
	}
	path := keyPath(t, testKey())
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, "PATH belongs to user id 65534, not to you (user id 0)")
}

// TestUnreadable reads the file as another user, because root can read every file.
func TestUnreadable(t *testing.T) {
	home := openHome(t)
	path := filepath.Join(home, "umk.key")
	if err := os.WriteFile(path, testKey(), 0o000); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(copyOfTest(t, home))
	child.Env = append(os.Environ(), childRole+"=read", childPath+"="+path)
	if os.Geteuid() == 0 {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := child.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := fmt.Sprintf("error %s cannot be read: permission denied (chmod 600 %s)", path, path); strings.TrimSpace(string(out)) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
}

// openHome returns a temporary folder that other users can enter.
func openHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "localfile")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	return home
}

// copyOfTest copies this program to a folder where other users can run it.
func copyOfTest(t *testing.T, folder string) string {
	t.Helper()
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "child")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUmask: the modes are 0600 and 0700 for any umask.
func TestUmask(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o177} {
		path := filepath.Join(t.TempDir(), "keys", "umk.key")
		if mask == 0o177 { // with this umask, a new folder could not be entered
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		old := syscall.Umask(mask)
		_, err := Open(path, empty).UMK(ctx)
		syscall.Umask(old)
		if err != nil {
			t.Errorf("umask %03o: %v", mask, err)
			continue
		}
		file, _ := os.Stat(path)
		folder, _ := os.Stat(filepath.Dir(path))
		if file.Mode().Perm() != 0o600 || folder.Mode().Perm() != 0o700 {
			t.Errorf("umask %03o: file %v, folder %v", mask, file.Mode(), folder.Mode())
		}
	}
}

// TestLocalDisk probes a file system that is not on a network.
func TestLocalDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: network file systems are recognized on Linux only")
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	defer f.Close()
	if name := networkDisk(f); name != "" {
		t.Errorf("/proc is on %s", name)
	}
}
