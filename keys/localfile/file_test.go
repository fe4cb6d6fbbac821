package localfile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

// wantFault checks a FileError. In want, PATH is replaced by the path.
func wantFault(t *testing.T, err error, path, want string) {
	t.Helper()
	var fault *FileError
	if !errors.As(err, &fault) || !errors.Is(err, blue.ErrSealed) {
		t.Fatalf("got %v; want a FileError that is ErrSealed", err)
	}
	if want = strings.ReplaceAll(want, "PATH", path); fault.Error() != want {
		t.Errorf("got  %s\nwant %s", fault, want)
	}
	if fault.Path != path {
		t.Errorf("the error has the path %s; want %s", fault.Path, path)
	}
	if fault.Hint == "" || strings.Contains(fault.Hint, "\n") {
		t.Errorf("the hint is %q; want one line", fault.Hint)
	}
}

// wantRefused checks that both methods refuse the file and do not change it.
func wantRefused(t *testing.T, path, want string) {
	t.Helper()
	_, err := Open(path, empty).UMK(ctx)
	wantFault(t, err, path, want)
	_, err = Open(path, empty).Fingerprint(ctx)
	wantFault(t, err, path, want)
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder now contains %v", names)
	}
}

func TestContent(t *testing.T) {
	key := testKey()
	key[0] = 0xff // so that the two forms of base64 differ: /w… and _w…
	spelled := func(b64 *base64.Encoding) string { return b64.EncodeToString(key) }
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", []byte{}, "PATH is empty; a key is 32 bytes"},
		{"31", key[:31], "PATH has 31 bytes; a key is exactly 32"},
		{"33", append(bytes.Clone(key), 7), "PATH has 33 bytes; a key is exactly 32"},
		{"33 with a newline", append(bytes.Clone(key), '\n'), "PATH has 33 bytes: 32 and a trailing newline"},
		{"33, the key's last byte a newline too", append(append(bytes.Clone(key[:31]), '\n'), '\n'), "PATH has 33 bytes: 32 and a trailing newline"},
		{"34 with CRLF, the key's last byte a return too", append(append(bytes.Clone(key[:31]), '\r'), "\r\n"...), "PATH has 34 bytes: 32 and a trailing newline"},
		{"34 with CRLF", append(bytes.Clone(key), "\r\n"...), "PATH has 34 bytes: 32 and a trailing newline"},
		{"34 with two newlines", append(bytes.Clone(key), "\n\n"...), "PATH has 34 bytes: 32 and a trailing newline"},
		{"35 with three", append(bytes.Clone(key), "\n\n\n"...), "PATH has 35 bytes; a key is exactly 32"},
		{"64 hex", []byte(hex.EncodeToString(key)), "PATH holds 64 hexadecimal characters; a key is 32 raw bytes"},
		{"64 upper-case hex and newline", []byte(strings.ToUpper(hex.EncodeToString(key)) + "\n"), "PATH holds 64 hexadecimal characters; a key is 32 raw bytes"},
		{"64 other bytes", bytes.Repeat([]byte("z"), 64), "PATH has 64 bytes; a key is exactly 32"},
		{"44 base64", []byte(spelled(base64.StdEncoding)), "PATH holds 44 base64 characters; a key is 32 raw bytes"},
		{"44 base64 and newline", []byte(spelled(base64.StdEncoding) + "\n"), "PATH holds 44 base64 characters; a key is 32 raw bytes"},
		{"43 base64url", []byte(spelled(base64.RawURLEncoding)), "PATH holds 43 base64 characters; a key is 32 raw bytes"},
		{"44 other bytes", bytes.Repeat([]byte("!"), 44), "PATH has 44 bytes; a key is exactly 32"},
		{"zeros", make([]byte, 32), "PATH holds 32 zero bytes, which cannot be a key"},
		{"large", make([]byte, 1<<20), "PATH has 1048576 bytes; a key is exactly 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := keyPath(t, c.content)
			wantRefused(t, path, c.want)
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.content) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestContentAccepted: a key can end in a newline or be 32 characters of text.
func TestContentAccepted(t *testing.T) {
	for _, content := range [][]byte{append(testKey()[:31:31], '\n'), []byte(strings.Repeat("0a", 16)), append(make([]byte, 31), 1)} {
		if _, err := Open(keyPath(t, content), nil).UMK(ctx); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestDirectory(t *testing.T) {
	path := keyPath(t, nil)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, "PATH is a folder, not a plain file")
}

// TestNetworkDisk: a key is not read from a network file system, and not created on
// one. The temporary file there is deleted.
func TestNetworkDisk(t *testing.T) {
	nfs := func(*os.File) string { return "NFS" }
	there := keyPath(t, testKey())
	for _, ask := range []func(*Provider) error{
		func(p *Provider) error { _, err := p.UMK(ctx); return err },
		func(p *Provider) error { _, err := p.Fingerprint(ctx); return err },
	} {
		p := Open(there, empty)
		p.disk = nfs
		wantFault(t, ask(p), there, "PATH is on a network file system (NFS)")
	}
	p := Open(keyPath(t, nil), empty)
	p.disk = nfs
	_, err := p.UMK(ctx)
	wantFault(t, err, p.path, "PATH was not created: its folder is on a network file system (NFS)")
	k := OpenAuditKey(p.path)
	k.disk = nfs
	_, _, err = k.LoadOrCreate(ctx)
	wantFault(t, err, p.path, "PATH was not created: its folder is on a network file system (NFS)")
	if names := list(t, filepath.Dir(p.path)); len(names) != 0 {
		t.Errorf("the folder now contains %v", names)
	}
}

// TestNoKey: NoKey is true for a file that cannot contain a key, and false for one that
// is refused for another reason.
func TestNoKey(t *testing.T) {
	for content, want := range map[string]bool{
		"":                             true,
		strings.Repeat("\x00", 32):     true,
		strings.Repeat("k", 31):        true,
		strings.Repeat("k", 33):        true,
		strings.Repeat("k", 32) + "\n": false,
		strings.Repeat("0a", 32):       false,
		strings.Repeat("A", 43) + "=":  false,
	} {
		if fault := faultOf(t, keyPath(t, []byte(content))); fault.NoKey != want {
			t.Errorf("%s: %v; want %v", fault, fault.NoKey, want)
		}
	}
	folder := keyPath(t, nil)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if fault := faultOf(t, folder); !fault.NoKey {
		t.Errorf("%s: it can be a key", fault)
	}
	if fault := faultOf(t, keyPath(t, nil)); fault.NoKey {
		t.Errorf("%s: the file exists", fault)
	}
}

func faultOf(t *testing.T, path string) *FileError {
	t.Helper()
	_, err := Open(path, nil).UMK(ctx)
	var fault *FileError
	if !errors.As(err, &fault) {
		t.Fatalf("got %v; want a FileError", err)
	}
	return fault
}

func TestReplacedWhileOpened(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace func(path string) error
		want    string
	}{
		{"by another file", func(path string) error {
			other := path + ".new"
			if err := os.WriteFile(other, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
				return err
			}
			return os.Rename(other, path)
		}, "PATH changed while it was being opened"},
		{"by nothing", os.Remove, "PATH changed while it was being opened: no such file or directory"},
		{"by a link to itself", func(path string) error {
			if err := os.Rename(path, path+".real"); err != nil {
				return err
			}
			return os.Symlink(path+".real", path)
		}, "PATH changed while it was being opened: too many levels of symbolic links"},
		{"by its mode", func(path string) error { return os.Chmod(path, 0o644) }, "PATH is readable by others (mode 0644)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !modesMatter {
				t.Skip("skipped: open files cannot be replaced on this system")
			}
			path := keyPath(t, testKey())
			p := Open(path, empty)
			p.step = func(step string) {
				if step == "stat" {
					if err := c.replace(path); err != nil {
						t.Error(err)
					}
				}
			}
			_, err := p.UMK(ctx)
			wantFault(t, err, path, c.want)
		})
	}
}
