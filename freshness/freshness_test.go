package freshness_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/freshness"
)

func TestDir(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	d := freshness.Dir(folder)
	if _, ok, err := d.Get("tea"); ok || err != nil {
		t.Fatalf("a record before there is a folder: %v, %v", ok, err)
	}
	if all, err := d.Dialogues(); len(all) > 0 || err != nil {
		t.Fatalf("dialogues before there is a folder: %v, %v", all, err)
	}
	want := freshness.Record{Dialogue: "tea", Incarnation: "i", Version: 2, RootHash: "h", KeyVersion: 3, Key: "k"}
	for _, r := range []freshness.Record{{Dialogue: "tea", Version: 1}, {Dialogue: "coffee", Version: 7}, want} {
		if err := d.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok, err := d.Get("tea"); got != want || !ok || err != nil {
		t.Errorf("%+v, %v, %v, want %+v", got, ok, err, want)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d files, %v, want one for each dialogue", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	all, err := d.Dialogues()
	if slices.Sort(all); err != nil || !slices.Equal(all, []string{"coffee", "tea"}) {
		t.Errorf("dialogues %v, %v", all, err)
	}
}

// TestDirDamaged checks files that cannot be read, or hold the record of another
// dialogue.
func TestDirDamaged(t *testing.T) {
	folder := t.TempDir()
	d := freshness.Dir(folder)
	for _, id := range []string{"tea", "coffee"} {
		if err := d.Put(freshness.Record{Dialogue: id}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(files[1], text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(files[0], []byte("{"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"tea", "coffee"} {
		if _, ok, err := d.Get(id); ok || !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v, %v, want ErrTampered", id, ok, err)
		}
	}
	if all, err := d.Dialogues(); len(all) > 0 || err != nil {
		t.Errorf("dialogues %v, %v, want none", all, err)
	}
}

// TestDirUnavailable puts a file where the folder must be.
func TestDirUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := freshness.Dir(path)
	if err := d.Put(freshness.Record{Dialogue: "tea"}); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("Put: %v", err)
	}
	if _, err := d.Dialogues(); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("Dialogues: %v", err)
	}
}
