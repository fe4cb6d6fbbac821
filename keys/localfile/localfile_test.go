package localfile

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/keystest"
	"github.com/superviber/blue-encrypted-store/record"
)

var ctx = context.Background()

// empty has the options of an empty store.
var empty = &Options{MayCreate: func(context.Context) (bool, error) { return true, nil }}

func TestProvider(t *testing.T) {
	home := t.TempDir()
	keystest.Run(t, keystest.Harness{Provider: func(_ testing.TB, master string, _ record.Store) keys.Provider {
		return Open(filepath.Join(home, master, "umk.key"), empty)
	}})
}

// keyPath returns the path of a key file in a new home, and writes it unless
// content is nil.
func keyPath(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "umk.key")
	if content != nil {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// testKey is 00 01 02 … 1f.
func testKey() []byte {
	key := make([]byte, keySize)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

// Vectors of another implementation of HKDF-SHA256 and AES-256-GCM, in Python: UMK
// 00 … 1f, R 40 … 5f, nonce a0 … ab.
const (
	vectorFingerprint = "umk:99d50ad7a62e3e53"
	vectorSecret      = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
	vectorWrapped     = "a0a1a2a3a4a5a6a7a8a9aaab5656762b0c1c221a7eadb241d0d850e35d0a077ffe81e65e03b556c1a2576dcac78b14c0ff98a4def54360010419ac0c"
)

func TestVectors(t *testing.T) {
	p := Open(keyPath(t, testKey()), nil)
	print, err := p.Fingerprint(ctx)
	if err != nil || print != vectorFingerprint {
		t.Errorf("Fingerprint: %s, %v; want %s", print, err, vectorFingerprint)
	}
	umk, err := p.UMK(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kek, err := p.DeriveKEK(ctx, umk, "ada")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _ := hex.DecodeString(vectorWrapped)
	secret, err := p.UnwrapDEK(ctx, kek, keys.Binding{User: "ada", Dialogue: "tea", Version: 3}, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(secret.InsecureBytes()); got != vectorSecret {
		t.Errorf("the unwrapped secret is %s; want %s", got, vectorSecret)
	}
}

func TestCreateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "umk.key")
	p := Open(path, empty)
	if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("Open did I/O")
	}
	first, err := p.UMK(ctx)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || len(content) != keySize {
		t.Fatalf("the file has %d bytes: %v", len(content), err)
	}
	again, err := Open(path, empty).UMK(ctx)
	if err != nil || again.Fingerprint() != first.Fingerprint() {
		t.Errorf("the second call: %v, %v; want %s", again, err, first.Fingerprint())
	}
	if now, _ := os.ReadFile(path); !slices.Equal(now, content) {
		t.Error("the second call rewrote the file")
	}
	for at, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		if info, err := os.Stat(at); err != nil || modesMatter && info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", at, info.Mode(), err, want)
		}
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder contains %v", names)
	}
}

func list(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestNeverCreates(t *testing.T) {
	no := func(context.Context) (bool, error) { return false, nil }
	print := func(context.Context) string { return "umk:7c1f09aa52e3d410" }
	for _, c := range []struct {
		name string
		opts *Options
		want string
	}{
		{"no options", nil, "this store was sealed with a key, but PATH is missing. No new key was made (it could not open your data)"},
		{"not empty", &Options{MayCreate: no}, "this store was sealed with a key, but PATH is missing. No new key was made (it could not open your data)"},
		{"not empty, by whom", &Options{MayCreate: no, SealedWith: print}, "this store was sealed with key umk:7c1f09aa52e3d410, but PATH is missing. No new key was made (it could not open your data)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys", "umk.key")
			_, err := Open(path, c.opts).UMK(ctx)
			wantFault(t, err, path, c.want)
			_, err = Open(path, c.opts).Fingerprint(ctx)
			wantFault(t, err, path, c.want)
			if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a file was created")
			}
		})
	}
	t.Run("Fingerprint of an empty store", func(t *testing.T) {
		path := keyPath(t, nil)
		if _, err := Open(path, empty).Fingerprint(ctx); !errors.Is(err, blue.ErrSealed) {
			t.Errorf("got %v; want ErrSealed", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a key was created")
		}
	})
	t.Run("the store does not respond", func(t *testing.T) {
		path := keyPath(t, nil)
		_, err := Open(path, &Options{MayCreate: func(context.Context) (bool, error) { return true, blue.ErrUnavailable }}).UMK(ctx)
		if !errors.Is(err, blue.ErrUnavailable) {
			t.Errorf("got %v; want ErrUnavailable", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a key was created")
		}
	})
}

// TestCreatedInBetween: another process creates the key and encrypts with it between
// the check of the file and the call of MayCreate.
func TestCreatedInBetween(t *testing.T) {
	path := keyPath(t, nil)
	p := Open(path, &Options{MayCreate: func(context.Context) (bool, error) {
		return false, os.WriteFile(path, testKey(), 0o600)
	}})
	umk, err := p.UMK(ctx)
	if err != nil || umk.Fingerprint() != vectorFingerprint {
		t.Errorf("got %v, %v; want the key of the other process", umk, err)
	}
}

// TestLosesTheRace: a key that another process creates before the link is not replaced.
func TestLosesTheRace(t *testing.T) {
	path := keyPath(t, nil)
	p := Open(path, empty)
	p.step = func(step string) {
		if step == "synced" {
			if err := os.WriteFile(path, testKey(), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	umk, err := p.UMK(ctx)
	if err != nil || umk.Fingerprint() != vectorFingerprint {
		t.Errorf("got %v, %v; want the key of the other process", umk, err)
	}
}

func TestCannotWrite(t *testing.T) {
	folder := keyPath(t, []byte("a file where the folder should be"))
	_, err := Open(filepath.Join(folder, "umk.key"), empty).UMK(ctx)
	if !errors.Is(err, blue.ErrSealed) && !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("got %v; want ErrSealed or ErrUnavailable", err)
	}
	if _, err := Open("", empty).UMK(ctx); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("an empty path: %v; want ErrInvalid", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	path := keyPath(t, nil)
	if _, err := Open(path, empty).UMK(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
}
