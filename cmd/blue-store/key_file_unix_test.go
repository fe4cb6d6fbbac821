//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/superviber/blue-encrypted-store/keys/localfile"
)

// TestBadKeyFile replaces the key file by something else. Every command that
// needs a key must exit with 6 and the exact reason. It must create, convert and
// store nothing, and must not ask a question. TestUnreadableKeyFile tests a file
// without read permission. TestNetworkDisk in keys/localfile tests a network
// file system, which a test cannot mount.
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
		{"all zero", write(make([]byte, 32)), "PATH holds 32 zero bytes, which cannot be a key"},
		{"another key", write(bytes.Repeat([]byte{7}, 32)), "wrapped by SEALED, you have HAVE"},
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
		{"a device", device, "PATH is a device, not a plain file"},
		{"another owner", func(path string, key []byte) error {
			if os.Geteuid() != 0 {
				return fmt.Errorf("%w: only root can give a file away", errors.ErrUnsupported)
			}
			if err := os.WriteFile(path, key, 0o600); err != nil {
				return err
			}
			return os.Chown(path, otherUser, otherUser)
		}, "PATH belongs to user id 65534, not to you (user id 0)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.must("dialogue", "create", "Which cache?", "-q")
			m.must("keys", "grant", "which-cache", "ada", "-q") // so that ada is in the directory of the log
			path := filepath.Join(m.home, ".blue", "keys", "umk.key")
			key, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sealed := fingerprint(path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			err = c.put(path, key)
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("skipped: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			before, rows := shape(path), m.rows()
			says := strings.NewReplacer("PATH", path, "SEALED", sealed, "HAVE", fingerprint(path)).Replace(c.says)
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
				if strings.Contains(o.stdout+o.stderr, "y/N") {
					t.Errorf("%q asks a question without a terminal", args)
				}
			}
			if o := m.run("keys", "status"); o.code != exitOK || c.name != "another key" && !strings.Contains(o.stdout, strings.Split(says, ". ")[0]) && c.name != "missing" {
				t.Errorf("keys status: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
			}
			if after := shape(path); after != before {
				t.Errorf("it was %q and is %q", before, after)
			}
			if m.rows() != rows {
				t.Error("dialogues or keys have changed")
			}
		})
	}
}

// userWithoutHome returns a user without a home.
const otherUser = 65534

// device creates a file that returns bytes without end.
func device(path string, _ []byte) error {
	if out, err := exec.Command("mknod", path, "c", "1", "5").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: no device can be made here: %s", errors.ErrUnsupported, bytes.TrimSpace(out))
	}
	return os.Chmod(path, 0o600)
}

// fingerprint returns the fingerprint of a key file, or "" for a malformed file.
func fingerprint(path string) string {
	print, _ := localfile.Open(path, nil).Fingerprint(context.Background())
	return print
}

// TestUnreadableKeyFile checks that a key file without read permission is exit 6
// with the reason, and does not change. Root can read every file, so the program
// runs as another user then.
func TestUnreadableKeyFile(t *testing.T) {
	home, err := os.MkdirTemp("", "unreadable") // a folder that other users can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	program := filepath.Join(home, "blue-store") // with this name, the test binary runs the program
	text, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.WriteFile(program, text, 0o755), os.Chmod(home, 0o755), os.Mkdir(filepath.Join(home, "h"), 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	who := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(home, "h"), otherUser, otherUser); err != nil {
			t.Fatal(err)
		}
		who.Credential = &syscall.Credential{Uid: otherUser, Gid: otherUser}
	}
	m := &machine{t: t, home: filepath.Join(home, "h")}
	run := func(args ...string) (code int, said string) {
		t.Helper()
		var out, errs bytes.Buffer
		c := exec.Command(program, args...)
		c.Env, c.Dir, c.Stdout, c.Stderr, c.SysProcAttr = []string{"HOME=" + m.home, "BLUE_USER=tester", "GOCOVERDIR=" + m.home}, m.home, &out, &errs, who
		if err := c.Run(); err != nil && c.ProcessState == nil {
			t.Fatal(err)
		}
		if c.ProcessState.ExitCode() != exitOK && out.Len() > 0 {
			t.Errorf("%q: %s", args, out.String())
		}
		return c.ProcessState.ExitCode(), errs.String()
	}
	if code, said := run("dialogue", "create", "Which cache?", "-q"); code != exitOK {
		t.Fatalf("exit code %d: %s", code, said)
	}
	path := filepath.Join(m.home, ".blue", "keys", "umk.key")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	rows := m.rows()
	for _, args := range [][]string{{"show", "which-cache"}, {"dialogue", "create", "Other"}, {"keys", "rotate", "which-cache"}, {"reset", "--confirm", "blue.db"}} {
		code, said := run(args...)
		if want := path + " cannot be read: permission denied"; code != exitKey || !strings.Contains(unquoted(t, said), want) {
			t.Errorf("%q: exit code %d, %s; want %q", args, code, said, want)
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0 || m.rows() != rows {
		t.Errorf("the key file is of mode %v, %v, or the store is not what it was", info.Mode(), err)
	}
}

// shape describes the file at a path. It does not follow links and does not open
// the file, because that could block.
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
