package fsutil

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// content returns a write function for text.
func content(text string) func(*os.File) error {
	return func(temp *os.File) error {
		_, err := temp.WriteString(text)
		return err
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkNames fails the test if the folder holds other names.
func checkNames(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

func TestWriteFile(t *testing.T) {
	for _, level := range []Sync{SyncAll, SyncFile, SyncNone} {
		folder := t.TempDir()
		path := filepath.Join(folder, "file")
		var steps []string
		o := WriteOptions{Mode: Create, Sync: level, Temp: "file.*.tmp", Step: func(name string) { steps = append(steps, name) }}
		if err := WriteFile(path, o, content("first")); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, o, content("second")); !errors.Is(err, fs.ErrExist) || read(t, path) != "first" {
			t.Errorf("a second Create: %v, file %q", err, read(t, path))
		}
		o.Mode = Replace
		if err := WriteFile(path, o, content("third")); err != nil || read(t, path) != "third" {
			t.Errorf("Replace: %v, file %q", err, read(t, path))
		}
		if want := strings.Repeat("temp synced linked done ", 3); strings.Join(steps, " ")+" " != want {
			t.Errorf("steps %q", steps)
		}
		if runtime.GOOS != "windows" && mode(t, path) != 0o600 {
			t.Errorf("mode %v", mode(t, path))
		}
		checkNames(t, folder, "file")
	}
}

// TestWriteFileFails: an error of write, or of the file system, leaves the old
// file and no temporary file.
func TestWriteFileFails(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	o := WriteOptions{Temp: "file.*.tmp"}
	if err := WriteFile(path, o, content("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no more text")
	for _, m := range []Mode{Replace, Create} {
		o.Mode = m
		err := WriteFile(path, o, func(temp *os.File) error {
			return errors.Join(content("half of the n")(temp), broken)
		})
		if !errors.Is(err, broken) || read(t, path) != "old" {
			t.Errorf("mode %d: %v, file %q", m, err, read(t, path))
		}
	}
	o.Mode = Replace
	if err := os.Mkdir(filepath.Join(folder, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(folder, "taken"), o, content("new")); err == nil {
		t.Error("a file replaced a folder")
	}
	if err := WriteFile(filepath.Join(folder, "missing", "file"), o, content("new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing folder: %v", err)
	}
	checkNames(t, folder, "file", "taken")
}

// TestWriteFileAtOnce: of 16 concurrent calls in mode Create, one writes the
// file and the others return fs.ErrExist. Readers never see a part of it.
func TestWriteFileAtOnce(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	text := strings.Repeat("x", 100_000)
	var all sync.WaitGroup
	errs := make(chan error, 16)
	for range 16 {
		all.Go(func() {
			errs <- WriteFile(path, WriteOptions{Mode: Create, Sync: SyncNone, Temp: "file.*.tmp"}, content(text))
			if got, err := os.ReadFile(path); err != nil || string(got) != text {
				t.Errorf("read %d bytes: %v", len(got), err)
			}
		})
	}
	all.Wait()
	close(errs)
	created := 0
	for err := range errs {
		switch {
		case err == nil:
			created++
		case !errors.Is(err, fs.ErrExist):
			t.Error(err)
		}
	}
	if created != 1 {
		t.Errorf("%d calls wrote the file", created)
	}
	checkNames(t, folder, "file")
}
