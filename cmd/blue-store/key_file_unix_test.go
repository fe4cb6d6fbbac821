//go:build unix

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestBadKeyFile puts something else in the place of the key file: exit 6 with
// the exact reason for every command that needs a key, and nothing is made,
// converted or asked. Owner and network file system: keys/localfile.
func TestBadKeyFile(t *testing.T) {
	write := func(b []byte) func(string, []byte) error {
		return func(path string, _ []byte) error { return os.WriteFile(path, b, 0o600) }
	}
	of := func(make func(key []byte) []byte) func(string, []byte) error {
		return func(path string, key []byte) error { return os.WriteFile(path, make(key), 0o600) }
	}
	for _, c := range []struct {
		name string
		put  func(path string, key []byte) error
		says string
	}{
		{"missing", func(string, []byte) error { return nil }, "but PATH is missing. No new key was made"},
		{"empty", write(nil), "PATH is empty; a key is 32 bytes"},
		{"31 bytes", of(func(key []byte) []byte { return key[:31] }), "PATH has 31 bytes; a key is exactly 32"},
		{"33 bytes with a newline", of(func(key []byte) []byte { return append(key, '\n') }), "PATH has 33 bytes: 32 and a trailing newline"},
		{"64 hexadecimal characters", of(func(key []byte) []byte { return []byte(hex.EncodeToString(key)) }), "PATH holds 64 hexadecimal characters; a key is 32 raw bytes"},
		{"44 base64 characters", of(func(key []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(key)) }), "PATH holds 44 base64 characters; a key is 32 raw bytes"},
		{"all zero", write(make([]byte, 32)), "PATH holds 32 zero bytes, which is no key"},
		{"another key", write(bytes.Repeat([]byte{7}, 32)), "wrapped by umk:"},
		{"mode 0644", func(path string, key []byte) error {
			if err := os.WriteFile(path, key, 0o600); err != nil {
				return err
			}
			return os.Chmod(path, 0o644)
		}, "PATH is readable by others (mode 0644)"},
		{"a directory", func(path string, _ []byte) error { return os.Mkdir(path, 0o700) }, "PATH is a folder, not a plain file"},
		{"a named pipe", func(path string, _ []byte) error { return syscall.Mkfifo(path, 0o600) }, "PATH is a named pipe"},
		{"a link to the key", func(path string, key []byte) error {
			if err := os.WriteFile(path+".real", key, 0o600); err != nil {
				return err
			}
			return os.Symlink(path+".real", path)
		}, "PATH is a symbolic link"},
		{"a link to a device", func(path string, _ []byte) error { return os.Symlink("/dev/zero", path) }, "PATH is a symbolic link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.must("dialogue", "create", "Which cache?", "-q")
			path := filepath.Join(m.home, ".blue", "keys", "umk.key")
			key, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := c.put(path, key); err != nil {
				t.Fatal(err)
			}
			before := shape(path)
			says := strings.ReplaceAll(c.says, "PATH", path)
			for _, args := range [][]string{
				{"show", "which-cache"}, {"verify"}, {"export", "which-cache"}, {"keys", "rotate", "which-cache"}, {"keys", "grant", "which-cache", "ada"},
				{"dialogue", "round-register", "--dialogue-id", "which-cache", "--round", "0", "--data", `{"score":1}`},
			} {
				o := m.run(args...)
				if o.code != exitKey || !strings.Contains(unquoted(t, o.stderr), says) {
					t.Errorf("%q: exit code %d, %s; want %q", args, o.code, o.stderr, says)
				}
				if o.stdout != "" && args[0] != "verify" {
					t.Errorf("%q: %s", args, o.stdout)
				}
			}
			if o := m.run("keys", "status"); o.code != exitOK || c.name != "another key" && !strings.Contains(o.stdout, strings.Split(says, ". ")[0]) && c.name != "missing" {
				t.Errorf("keys status: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
			}
			if after := shape(path); after != before {
				t.Errorf("it was %q and is %q", before, after)
			}
		})
	}
}

// shape is what stands at a path, without following or opening what may block.
func shape(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return "nothing"
	}
	text := info.Mode().String()
	if info.Mode().Type() == 0 {
		b, _ := os.ReadFile(path)
		return text + string(b)
	}
	if info.Mode().Type() == fs.ModeSymlink {
		to, _ := os.Readlink(path)
		return text + to
	}
	return text
}
