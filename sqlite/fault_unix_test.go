//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

var _ = addRole("commit past a limit", commitPastLimit)

func addRole(name string, role func(string) error) bool {
	roles[name] = role
	return true
}

// TestUnknownOutcome: the write of a commit fails in the file system, because of a
// limit on the size of files.
func TestUnknownOutcome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if out, err := child(t, "commit past a limit", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := open(t, path, nil)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	// The failed commit is stored completely or not at all.
	if n := len(query(t, s, record.Dialogues)); n != 1 && n != 101 {
		t.Errorf("%d records are stored, want 1 or 101", n)
	}
	if n := len(query(t, s, record.Keys)); n != 1 {
		t.Errorf("%d keys are stored, want 1", n)
	}
}

func commitPastLimit(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, []record.Write{put(record.Meta, generation(0))}); err != nil {
		return err
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = uint64(info.Size()) + 100_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	writes := []record.Write{change(record.Meta, generation(0), generation(1))}
	for i := range 100 {
		writes = append(writes, put(numbered("claim", i), record.Attrs{"b": record.B(make([]byte, 5_000))}))
	}
	err = s.Commit(ctx, writes)
	if !errors.Is(err, record.ErrUnavailable) || errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), "not known") {
		return fmt.Errorf("the commit past the limit: %v", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	// The same descriptors must not be used again.
	err = s.Commit(ctx, []record.Write{change(record.Meta, generation(0), generation(1))})
	if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "open it again") {
		return fmt.Errorf("the commit after it: %v", err)
	}
	if err := s.Commit(ctx, []record.Write{in(record.Keys, put("head", generation(0)))}); err != nil {
		return fmt.Errorf("the other file: %v", err)
	}
	return s.Close()
}

// TestFIFO: Open does not wait for a writer of a named pipe.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no FIFO: %v", err)
	}
	wantRefused(t, path, nil, record.ErrUnavailable, "not a file")
}
