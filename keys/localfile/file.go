package localfile

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/fsutil"
)

const keySize = 32 // bytes

// A keyFile is a file of 32 secret bytes.
type keyFile struct {
	path string
	kind *keyKind
	step func(name string)     // set by tests only: called after each step on the file
	disk func(*os.File) string // set by tests only: replaces networkDisk
}

// A keyKind has the words of messages about one kind of key.
type keyKind struct {
	name    string // for example "a key"
	restore string // the hint for a file that does not contain a key
}

// A FileError reports what is wrong with a key file. It unwraps to blue.ErrSealed,
// and also to fs.ErrNotExist if the file is missing.
type FileError struct {
	Path   string
	Reason string // the message, with the path
	Hint   string // what the user can do, one line or ""
	// NoKey reports that the file cannot contain a key in any encoding: it is a
	// folder, all zeros, or of another size. A file that is refused because of its
	// mode, owner or place can contain a key.
	NoKey bool

	isMissing bool
}

// Error returns Reason.
func (e *FileError) Error() string { return e.Reason }

// Unwrap returns blue.ErrSealed, and fs.ErrNotExist if the file is missing.
func (e *FileError) Unwrap() []error {
	if e.isMissing {
		return []error{blue.ErrSealed, fs.ErrNotExist}
	}
	return []error{blue.ErrSealed}
}

// newError returns a FileError whose reason begins with the path.
func (f *keyFile) newError(hint, format string, args ...any) *FileError {
	return &FileError{Path: f.path, Reason: f.path + " " + fmt.Sprintf(format, args...), Hint: hint}
}

// newNoKeyError returns a FileError with NoKey.
func (f *keyFile) newNoKeyError(hint, format string, args ...any) *FileError {
	e := f.newError(hint, format, args...)
	e.NoKey = true
	return e
}

// read returns the key in the file, or fs.ErrNotExist. It checks the file before it
// opens it, because opening a pipe or a device can block or have an effect. It
// checks it again after that, because the file can be replaced in between.
func (f *keyFile) read(ctx context.Context) (*envelope.Secret, error) {
	if f.path == "" {
		return nil, fmt.Errorf("%w: keys/localfile: the path is empty", blue.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	before, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, f.newError("", "cannot be reached: %v", withoutKeyPath(err))
	}
	if err := f.checkInfo(before); err != nil {
		return nil, err
	}
	f.callStep("stat")
	const replaced, replacedHint = "changed while it was being opened", "find out what replaces the file, then run the command again"
	open, err := openKey(f.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, f.newError("chmod 600 "+f.path, "cannot be read: %v", withoutKeyPath(err))
	case err != nil:
		return nil, f.newError(replacedHint, replaced+": %v", withoutKeyPath(err))
	}
	defer open.Close()
	after, err := open.Stat()
	if err != nil {
		return nil, f.newError("", "cannot be examined: %v", withoutKeyPath(err))
	}
	if !os.SameFile(before, after) {
		return nil, f.newError(replacedHint, replaced)
	}
	if err := f.checkInfo(after); err != nil {
		return nil, err
	}
	if err := f.checkDisk(open, "is on"); err != nil {
		return nil, err
	}
	return f.parse(open, after.Size())
}

// checkInfo refuses a file that is not a plain file of this user, or that other users
// can read or write.
func (f *keyFile) checkInfo(info fs.FileInfo) error {
	const hint = "put the key file itself there"
	switch kind := describeType(info.Mode()); {
	case info.Mode()&fs.ModeSymlink != 0: // it can lead to a key
		return f.newError(hint, "is %s, not a plain file", kind)
	case kind != "":
		return f.newNoKeyError(hint, "is %s, not a plain file", kind)
	}
	if owner, me, isForeign := foreignOwner(info); isForeign {
		return f.newError(fmt.Sprintf("chown %d %s, if the key is yours", me, f.path), "belongs to user id %d, not to you (user id %d)", owner, me)
	}
	perm, problem := info.Mode().Perm(), ""
	switch {
	case !modesMatter:
	case perm&0o044 != 0:
		problem = "is readable by others"
	case perm&0o022 != 0:
		problem = "is writable by others"
	case perm&^0o600 != 0:
		problem = "has a mode wider than 0600"
	}
	if problem != "" {
		return f.newError("chmod 600 "+f.path, "%s (mode %04o)", problem, perm)
	}
	return nil
}

// checkDisk refuses a file on a network file system, because other machines can read
// it. The message has the prefix between the path and the name of the file system.
func (f *keyFile) checkDisk(open *os.File, prefix string) error {
	probe := networkDisk
	if f.disk != nil {
		probe = f.disk
	}
	if name := probe(open); name != "" {
		return f.newError("keep the key on a local disk", "%s a network file system (%s)", prefix, name)
	}
	return nil
}

// describeType returns the type of a file in words, or "" for a plain file.
func describeType(mode fs.FileMode) string {
	for _, t := range []struct {
		bit  fs.FileMode
		name string
	}{{fs.ModeDir, "a folder"}, {fs.ModeSymlink, "a symbolic link"}, {fs.ModeNamedPipe, "a named pipe"}, {fs.ModeSocket, "a socket"}, {fs.ModeDevice, "a device"}} {
		if mode&t.bit != 0 {
			return t.name
		}
	}
	if !mode.IsRegular() {
		return "a special file"
	}
	return ""
}

// parse reads the key. It recognizes keys that are written as text and refuses them.
// If it decoded them, a wrong guess would encrypt data under another key.
func (f *keyFile) parse(open *os.File, size int64) (*envelope.Secret, error) {
	var buf [96]byte // longer than any text that is recognized
	defer clear(buf[:])
	n, err := io.ReadFull(open, buf[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, f.newError("", "cannot be read: %v", withoutKeyPath(err))
	}
	key := buf[:n]
	text := bytes.TrimRight(key, "\r\n")
	rawHint := "if this is your key, write it as 32 raw bytes; otherwise " + f.kind.restore
	switch {
	case n == keySize && len(bytes.Trim(key, "\x00")) == 0:
		return nil, f.newNoKeyError(f.kind.restore, "holds 32 zero bytes, which cannot be a key")
	case n == keySize:
		return envelope.NewSecret(key)
	case n == 0:
		return nil, f.newNoKeyError(f.kind.restore, "is empty; %s is 32 bytes", f.kind.name)
	case len(key) > keySize && len(key) <= keySize+2 && len(bytes.Trim(key[keySize:], "\r\n")) == 0: // the last byte of the key can be a newline too
		return nil, f.newError("remove the bytes after the first 32, if those are your key", "has %d bytes: 32 and a trailing newline", n)
	case isHex(text):
		return nil, f.newError(rawHint, "holds 64 hexadecimal characters; %s is 32 raw bytes", f.kind.name)
	case isBase64(text):
		return nil, f.newError(rawHint, "holds %d base64 characters; %s is 32 raw bytes", len(text), f.kind.name)
	}
	return nil, f.newNoKeyError(f.kind.restore, "has %d bytes; %s is exactly 32", max(size, int64(n)), f.kind.name)
}

func isHex(text []byte) bool {
	b, err := hex.DecodeString(string(text))
	return err == nil && len(b) == keySize
}

func isBase64(text []byte) bool {
	text = bytes.TrimSuffix(text, []byte("="))
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(string(text)); err == nil && len(b) == keySize {
			return true
		}
	}
	return false
}

// create creates the file with a random key, unless it exists. created is true if
// this call created it. No process can read a part of a key, and a crash leaves at
// most a temporary file that is never read. When create returns, the name is on disk.
// It returns *FileError if the key must not be stored there, and
// blue.ErrUnavailable for any other error.
func (f *keyFile) create() (created bool, err error) {
	err = fsutil.MakeFolder(filepath.Dir(f.path))
	if err == nil {
		f.callStep("folder")
		err = fsutil.WriteFile(f.path, fsutil.WriteOptions{Mode: fsutil.Create, Temp: filepath.Base(f.path) + ".*.tmp", Step: f.callStep}, f.fill)
	}
	_, isRefused := errors.AsType[*FileError](err)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil && !isRefused:
		return false, fmt.Errorf("%w: creating the key file %s: %w", blue.ErrUnavailable, f.path, err)
	}
	return err == nil, err
}

// fill writes a new random key to the temporary file.
func (f *keyFile) fill(temp *os.File) error {
	if err := f.checkDisk(temp, "was not created: its folder is on"); err != nil {
		return err
	}
	secret := envelope.GenerateSecret()
	defer secret.Destroy()
	key := secret.InsecureBytes()
	defer clear(key)
	_, err := temp.Write(key)
	f.callStep("written")
	return err
}

// withoutKeyPath removes the path from an error of package os, because the message
// begins with it.
func withoutKeyPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

func (f *keyFile) callStep(name string) {
	if f.step != nil {
		f.step(name)
	}
}
