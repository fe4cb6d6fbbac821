//go:build unix

package localserver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFillOnce: goroutines that start at once fill the folder once, and each of
// them finds it complete. An incomplete folder is replaced.
func TestFillOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "server", "1.0")
	if err := os.MkdirAll(filepath.Join(folder, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	var filled atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := FillOnce(t.Context(), folder, "mark", "version 1", func() error {
				filled.Add(1)
				return os.Mkdir(folder, 0o700)
			})
			if entries, _ := os.ReadDir(folder); err != nil || len(entries) != 1 || entries[0].Name() != "mark" {
				t.Errorf("it has %v, %v", entries, err)
			}
		})
	}
	all.Wait()
	if filled.Load() != 1 {
		t.Errorf("filled %d times", filled.Load())
	}
	if err := FillOnce(t.Context(), folder, "mark", "version 2", func() error { return os.Mkdir(folder, 0o700) }); err != nil {
		t.Errorf("another version: %v", err)
	}
}

// TestFillFails: after an error nothing is left but the lock.
func TestFillFails(t *testing.T) {
	home := t.TempDir()
	folder := filepath.Join(home, "1.0")
	full := errors.New("the disk is full")
	err := FillOnce(t.Context(), folder, "mark", "", func() error { return errors.Join(os.Mkdir(folder, 0o700), full) })
	entries, _ := os.ReadDir(home)
	if !errors.Is(err, full) || len(entries) != 1 || entries[0].Name() != "1.0.lock" {
		t.Errorf("%v, left %v", err, entries)
	}
}

// TestOutputHangs: a program that does not end costs its deadline and no more,
// although a child of it holds the pipe.
func TestOutputHangs(t *testing.T) {
	text, err := Output(t.Context(), 50*time.Millisecond, "/bin/sh", "-c", "echo begun; sleep 60; :")
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("%q, %v", text, err)
	}
}
