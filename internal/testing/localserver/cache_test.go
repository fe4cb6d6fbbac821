//go:build unix

package localserver

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestFillOnce: processes that start at once fill the folder once, what was
// left there half makes way, and whoever sees the folder sees all of it.
func TestFillOnce(t *testing.T) {
	home := filepath.Join(t.TempDir(), "server")
	folder := filepath.Join(home, "1.0")
	if err := os.MkdirAll(filepath.Join(folder, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	var filled atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := FillOnce(t.Context(), folder, "mark", func(made string) error {
				filled.Add(1)
				return errors.Join(os.Mkdir(made, 0o700), os.WriteFile(filepath.Join(made, "mark"), nil, 0o600))
			})
			if entries, _ := os.ReadDir(folder); err != nil || len(entries) != 1 || entries[0].Name() != "mark" {
				t.Errorf("it holds %v, %v", entries, err)
			}
		})
	}
	all.Wait()
	if filled.Load() != 1 {
		t.Errorf("filled %d times", filled.Load())
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 2 {
		t.Errorf("beside it: %v, %v; want the folder and the lock", entries, err)
	}
}

// TestFillFails: nothing takes the place, and nothing is left but the lock.
func TestFillFails(t *testing.T) {
	home := t.TempDir()
	full := errors.New("the disk is full")
	err := FillOnce(t.Context(), filepath.Join(home, "1.0"), "mark", func(made string) error {
		return errors.Join(os.Mkdir(made, 0o700), full)
	})
	entries, _ := os.ReadDir(home)
	if !errors.Is(err, full) || len(entries) != 1 || entries[0].Name() != "lock" {
		t.Errorf("%v, left %v", err, entries)
	}
}
