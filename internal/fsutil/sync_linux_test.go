package fsutil

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asOtherUser runs do with the file permissions of another user, if the test runs
// as root. The thread with these permissions ends with its goroutine.
func asOtherUser(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread()
			if err := errors.Join(syscall.Setfsgid(65534), syscall.Setfsuid(65534)); err != nil {
				t.Errorf("changing the user: %v", err)
				return
			}
		}
		do()
	}()
	<-done
}

// TestNameIsFlushed uses a folder that can be written and not opened, so that a
// flush of the folder fails. MakeFolder must fail for a name that it creates
// there, at any depth, and succeed for a name that exists.
func TestNameIsFlushed(t *testing.T) {
	closed := filepath.Join(openHome(t), "closed")
	old := filepath.Join(closed, "old")
	for _, dir := range []string{closed, old} {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(closed, 0o333); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(closed, 0o700) })
	asOtherUser(t, func() {
		for _, path := range []string{"new", "above/below"} {
			if err := MakeFolder(filepath.Join(closed, path)); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s was created in a folder that cannot be flushed: %v", path, err)
			}
		}
		for _, path := range []string{"old", "old/new"} {
			if err := MakeFolder(filepath.Join(closed, path)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
}

// openHome returns a temporary folder that other users can enter.
func openHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "fsutil")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestSyncFolder(t *testing.T) {
	dir := t.TempDir()
	if err := syncFolder(dir); err != nil {
		t.Error(err)
	}
	if err := syncFolder(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
}
