package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// asOtherUser runs a test function in a thread with the file permissions of another
// user, also if the test runs as root. The thread ends with the function.
func asOtherUser(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			const nobody = 65534
			syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		}
		f()
	}()
	<-done
}

// newOpenStore returns a store with three records in a folder that all users can enter.
func newOpenStore(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, f := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "store.db")
	s := open(t, path, nil)
	mustCommit(t, s, put(record.Meta, generation(0)))
	mustCommit(t, s, in(record.Keys, put("head", generation(0))))
	s.Close()
	return path
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(path, 0o700) })
}

func TestUnreadableFile(t *testing.T) {
	path := newOpenStore(t)
	chmod(t, path, 0o000)
	asOtherUser(t, func() {
		_, err := sqlite.Open(t.Context(), path, nil)
		if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "cannot be opened") {
			t.Errorf("open of an unreadable file: %v", err)
		}
	})
}

func TestWriteProtectedFile(t *testing.T) {
	path := newOpenStore(t)
	chmod(t, path, 0o444)
	chmod(t, path+".keys", 0o444)
	chmod(t, filepath.Dir(path), 0o777) // the log and its index can be created
	asOtherUser(t, func() {
		s, err := sqlite.Open(t.Context(), path, nil)
		if err == nil {
			defer s.Close()
			err = s.Commit(t.Context(), []record.Write{change(record.Meta, generation(0), generation(1))})
		}
		if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "permission") {
			t.Errorf("commit to a write-protected file: %v", err)
		}
	})
}

func TestWriteProtectedFolder(t *testing.T) {
	folder := filepath.Dir(newOpenStore(t))
	chmod(t, folder, 0o555)
	asOtherUser(t, func() {
		_, err := sqlite.Open(t.Context(), filepath.Join(folder, "new.db"), nil)
		if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("open in a write-protected folder: %v", err)
		}
	})
}
