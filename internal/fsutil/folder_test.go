package fsutil

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestMakeFolder(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o750); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(home, "a", "b", "c")
	for range 2 { // the second time all of them exist
		if err := MakeFolder(deep); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]fs.FileMode{
			home:                          fs.ModeDir | 0o750,
			filepath.Join(home, "a"):      fs.ModeDir | 0o700,
			filepath.Join(home, "a", "b"): fs.ModeDir | 0o700,
			deep:                          fs.ModeDir | 0o700,
		} {
			if got := mode(t, path); got != want {
				t.Errorf("%s is %v, want %v", path, got, want)
			}
		}
	}
}

// TestMakeFolderBelowHere makes relative folders and the current one.
func TestMakeFolderBelowHere(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{".", "a/b", ""} {
		if err := MakeFolder(path); (err == nil) != (path != "") {
			t.Errorf("%q: %v", path, err)
		}
	}
	mode(t, "a/b")
}

func TestMakeFolderAtOnce(t *testing.T) {
	deep := filepath.Join(t.TempDir(), "a", "b", "c", "d")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := MakeFolder(deep); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestMakeFolderRefuses: a file in the way is an error and is left as it is.
func TestMakeFolderRefuses(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, []byte("kept"), 0o640); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(home, "nowhere")
	if err := os.Symlink("missing", nowhere); err != nil {
		t.Skipf("skipped: no symbolic link can be made here: %v", err)
	}
	for path, want := range map[string]error{
		file:                             syscall.ENOTDIR,
		filepath.Join(file, "a"):         syscall.ENOTDIR,
		filepath.Join(file, "a", "b"):    syscall.ENOTDIR,
		nowhere:                          fs.ErrNotExist,
		filepath.Join(nowhere, "a"):      fs.ErrNotExist,
		filepath.Join(nowhere, "a", "b"): fs.ErrNotExist,
	} {
		if err := MakeFolder(path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "kept" || mode(t, file) != 0o640 {
		t.Errorf("the file now contains %q, %v", text, err)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 2 {
		t.Errorf("the folder contains %v, %v", entries, err)
	}
}

// TestMakeFolderByLink: a link to a folder is accepted in place of the folder.
func TestMakeFolderByLink(t *testing.T) {
	home := t.TempDir()
	real, link := filepath.Join(home, "real"), filepath.Join(home, "link")
	if err := os.Mkdir(real, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skipf("skipped: no symbolic link can be made here: %v", err)
	}
	if err := errors.Join(MakeFolder(link), MakeFolder(filepath.Join(link, "a"))); err != nil {
		t.Fatal(err)
	}
	if mode(t, link)&fs.ModeSymlink == 0 || mode(t, real).Perm() != 0o755 || mode(t, filepath.Join(real, "a")).Perm() != 0o700 {
		t.Errorf("link %v, real %v", mode(t, link), mode(t, real))
	}
}
