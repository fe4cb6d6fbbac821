package anchor

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

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
)

func TestDir(t *testing.T) {
	testAnchor(t, func(t *testing.T) audit.Anchor { return NewDir(filepath.Join(t.TempDir(), "a", "anchor")) })
}

// published returns an anchor with a note of size 7 of one chain, the chain, and
// the file of the note.
func published(t *testing.T) (d *Dir, chain, path string) {
	t.Helper()
	chain = chainOf("5f0c")
	d = NewDir(filepath.Join(t.TempDir(), "anchor"))
	if err := d.Publish(ctx, chain, 7, noteOf(t, chain, 7, "", 1)); err != nil {
		t.Fatal(err)
	}
	return d, chain, filepath.Join(d.path, "5f", chain)
}

func TestDirLayout(t *testing.T) {
	d, chain, path := published(t)
	want := noteOf(t, chain, 8, "", 1)
	if err := d.Publish(ctx, chain, 8, want); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != want {
		t.Errorf("%q, %v; want %q", b, err, want)
	}
	var all []string
	_ = filepath.WalkDir(d.path, func(path string, e fs.DirEntry, _ error) error {
		rel, _ := filepath.Rel(d.path, path)
		all = append(all, filepath.ToSlash(rel))
		info, failed := os.Lstat(path)
		want := fs.FileMode(0o700)
		if !e.IsDir() {
			want = 0o600
		}
		if runtime.GOOS != "windows" && (failed != nil || info.Mode().Perm() != want) {
			t.Errorf("%s: %v, %v; want %v", rel, info.Mode(), failed, want)
		}
		return nil
	})
	if want := []string{".", "5f", "5f/" + chain}; !slices.Equal(all, want) {
		t.Errorf("the folder holds %v; want %v", all, want)
	}
}

func TestDirNeverGoesBack(t *testing.T) {
	d, chain, path := published(t)
	before, _ := os.ReadFile(path)
	for size := uint64(1); size < 7; size++ {
		if err := d.Publish(ctx, chain, size, noteOf(t, chain, size, "", 1)); !errors.Is(err, blue.ErrConflict) {
			t.Errorf("size %d: %v; want ErrConflict", size, err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("the file was changed")
	}
}

// TestDirDamaged stores other content in the file of a note. The anchor must not
// return or replace it.
func TestDirDamaged(t *testing.T) {
	plant := func(content string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(t *testing.T, path string){
		"empty":         plant(""),
		"other text":    plant("hello\n"),
		"half a note":   plant(noteOf(t, chainOf("5f0c"), 7, "", 1)[:100]),
		"another chain": plant(noteOf(t, chainOf("5f0d"), 7, "", 1)),
		"long":          plant(strings.Repeat("x", 1<<20)),
		"a symbolic link": func(t *testing.T, path string) {
			if err := errors.Join(os.Rename(path, path+"0"), os.Symlink(path+"0", path)); err != nil {
				t.Skipf("skipped: %v", err)
			}
		},
		"a folder": func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, chain, path := published(t)
			damage(t, path)
			before, _ := os.Lstat(path)
			if note, err := d.Latest(ctx, chain); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), path) {
				t.Errorf("Latest: %q, %v; want ErrTampered", note, err)
			}
			if err := d.Publish(ctx, chain, 8, noteOf(t, chain, 8, "", 1)); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("Publish: %v; want ErrTampered", err)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was replaced: %v", err)
			}
		})
	}
}

func TestDirOddFiles(t *testing.T) {
	d, chain, path := published(t)
	other := chainOf("aa")
	if err := d.Publish(ctx, other, 1, noteOf(t, other, 1, "", 1)); err != nil {
		t.Fatal(err)
	}
	odd := []string{".DS_Store", "00/" + other, "5f/README", "5f/" + chain + ".tmp", "5f/." + other, "zz/x", "notes.txt"}
	for _, name := range odd {
		full := filepath.Join(d.path, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), chainOf("5fff")), 0o700); err != nil {
		t.Fatal(err)
	}
	// A temporary file of a crash is accepted.
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "."+chain+".123.tmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var good, bad []string
	for chain, err := range d.Chains(ctx) {
		switch {
		case err == nil:
			good = append(good, chain)
		case errors.Is(err, blue.ErrTampered):
			bad = append(bad, err.Error())
		default:
			t.Error(err)
		}
	}
	if want := []string{chain, other}; !slices.Equal(good, want) {
		t.Errorf("chains %v; want %v", good, want)
	}
	// The error names the folder zz, not the files in it.
	names := []string{".DS_Store", "00/" + other, "5f/." + other, "5f/" + chain + ".tmp", "5f/" + chainOf("5fff"), "5f/README", "notes.txt", "zz"}
	if len(bad) != len(names) {
		t.Fatalf("%d are odd; want %d:\n%s", len(bad), len(names), strings.Join(bad, "\n"))
	}
	for i, name := range names {
		if !strings.Contains(bad[i], filepath.Join(d.path, filepath.FromSlash(name))+" does not belong to this anchor") {
			t.Errorf("%s; want %s named", bad[i], name)
		}
	}
}

// TestDirTakenAway checks that a missing folder is an error, unlike a folder
// without chains.
func TestDirTakenAway(t *testing.T) {
	d, chain, _ := published(t)
	if err := os.RemoveAll(d.path); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, err := range d.Chains(ctx) {
		if seen++; !errors.Is(err, blue.ErrNotFound) {
			t.Errorf("got %v; want ErrNotFound", err)
		}
	}
	if _, err := d.Latest(ctx, chain); seen != 1 || !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("%d errors, %v", seen, err)
	}
}

func TestDirCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	chain := chainOf("1")
	if err := NewDir(file).Publish(ctx, chain, 1, noteOf(t, chain, 1, "", 1)); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
}

// TestDirReadersSeeWholeNotes checks that concurrent readers see a complete note,
// old or new.
func TestDirReadersSeeWholeNotes(t *testing.T) {
	d, chain, _ := published(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for size := uint64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				note, err := NewDir(d.path).Latest(ctx, chain)
				if err != nil {
					t.Error(err)
					return
				}
				c, err := parseNote("", chain, note)
				if err != nil || c.Size < size {
					t.Errorf("size %d after %d, %v", c.Size, size, err)
				}
				size = c.Size
				for chain, err := range d.Chains(ctx) {
					if err != nil {
						t.Errorf("%s: %v", chain, err)
					}
				}
			}
		})
	}
	for size := uint64(8); size < 60; size++ {
		if err := d.Publish(ctx, chain, size, noteOf(t, chain, size, "", 1)); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}
