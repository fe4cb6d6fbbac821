package localfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

// wantAuditRefused checks that the file of the audit key is refused and not changed.
func wantAuditRefused(t *testing.T, path, want string) {
	t.Helper()
	_, err := OpenAuditKey(path).Load(ctx)
	wantFault(t, err, path, want)
	seed, made, err := OpenAuditKey(path).LoadOrCreate(ctx)
	wantFault(t, err, path, want)
	if seed != nil || made {
		t.Errorf("got a key, created %v", made)
	}
	if strings.Contains(err.Error()+err.(*FileError).Hint, "master") {
		t.Errorf("%v: the message is about the master key", err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder now contains %v", names)
	}
}

func TestAuditKeyContent(t *testing.T) {
	key := testKey()
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", []byte{}, "PATH is empty; an audit signing key is 32 bytes"},
		{"31", key[:31], "PATH has 31 bytes; an audit signing key is exactly 32"},
		{"33", append(bytes.Clone(key), 7), "PATH has 33 bytes; an audit signing key is exactly 32"},
		{"64, seed and public key", make([]byte, 64), "PATH has 64 bytes; an audit signing key is exactly 32"},
		{"64 hex", []byte(strings.Repeat("0a", 32)), "PATH holds 64 hexadecimal characters; an audit signing key is 32 raw bytes"},
		{"44 base64", []byte(strings.Repeat("A", 42) + "E="), "PATH holds 44 base64 characters; an audit signing key is 32 raw bytes"},
		{"zeros", make([]byte, 32), "PATH holds 32 zero bytes, which cannot be a key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := keyPath(t, c.content)
			wantAuditRefused(t, path, c.want)
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.content) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestAuditKeyIsCreatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "audit.key")
	k := OpenAuditKey(path)
	if _, err := k.Load(ctx); !errors.Is(err, blue.ErrNotFound) || !strings.Contains(err.Error(), "the audit signing key "+path) {
		t.Errorf("Load without a file: %v; want ErrNotFound", err)
	}
	if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("Load created a file")
	}
	first, made, err := k.LoadOrCreate(ctx)
	if err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
	content, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(content, first.InsecureBytes()) {
		t.Fatalf("the file contains other bytes: %v", err)
	}
	again, made, err := OpenAuditKey(path).LoadOrCreate(ctx)
	if err != nil || made || !bytes.Equal(again.InsecureBytes(), content) {
		t.Errorf("the second call: made %v, %v", made, err)
	}
	loaded, err := k.Load(ctx)
	if err != nil || !bytes.Equal(loaded.InsecureBytes(), content) {
		t.Errorf("Load: %v", err)
	}
	for at, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(at); err != nil || modesMatter && info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", at, info.Mode(), err, want)
		}
	}
	// The audit key is not a copy of the master key in the same folder.
	umk := filepath.Join(filepath.Dir(path), "umk.key")
	if _, err := Open(umk, empty).UMK(ctx); err != nil {
		t.Fatal(err)
	}
	if master, _ := os.ReadFile(umk); bytes.Equal(master, content) {
		t.Error("both files contain the same key")
	}
	if names := list(t, filepath.Dir(path)); len(names) != 2 {
		t.Errorf("the folder contains %v", names)
	}
}

// TestAuditKeyLosesTheRace: a key that another process creates before the link is not
// replaced, and created is false.
func TestAuditKeyLosesTheRace(t *testing.T) {
	path := keyPath(t, nil)
	k := OpenAuditKey(path)
	k.step = func(step string) {
		if step == "synced" {
			if err := os.WriteFile(path, testKey(), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	seed, made, err := k.LoadOrCreate(ctx)
	if err != nil || made || !bytes.Equal(seed.InsecureBytes(), testKey()) {
		t.Errorf("made %v, %v; want the key of the other process", made, err)
	}
}

func TestAuditKeyCannotWrite(t *testing.T) {
	folder := keyPath(t, []byte("a file where the folder should be"))
	if _, _, err := OpenAuditKey(filepath.Join(folder, "audit.key")).LoadOrCreate(ctx); !errors.Is(err, blue.ErrSealed) && !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("got %v; want ErrSealed or ErrUnavailable", err)
	}
	if _, _, err := OpenAuditKey("").LoadOrCreate(ctx); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("an empty path: %v; want ErrInvalid", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	path := keyPath(t, nil)
	if _, _, err := OpenAuditKey(path).LoadOrCreate(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
}
