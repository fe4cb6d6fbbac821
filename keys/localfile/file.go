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

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

const keySize = 32 // bytes

// file is one file of 32 secret bytes: how it is read and made is the same
// whatever the key is for.
type file struct {
	path string
	says *words
	step func(name string)     // set by tests alone: called after each step on the file
	disk func(*os.File) string // set by tests alone: in place of networkDisk
}

// words are what is said about one kind of key.
type words struct {
	one     string // "a key"
	restore string // the hint for a file that holds none
}

var masterKeyWords = &words{"a key", "restore the file from a copy of it; a key that is lost cannot be made again"}

// FileError says what is wrong with a key file. It is blue.ErrSealed; and
// fs.ErrNotExist where no file is there.
type FileError struct {
	Path   string
	Reason string // the whole sentence, which names the path: what Error returns
	Hint   string // what to do about it, one line; may be empty
	// NoKey says that what lies there can be no key, whoever owns it and
	// however it is spelled: a folder, zeros, bytes of another number. A file
	// that is only refused, for its mode, owner or place, may well be one.
	NoKey bool

	gone bool
}

func (e *FileError) Error() string { return e.Reason }

func (e *FileError) Unwrap() []error {
	if e.gone {
		return []error{blue.ErrSealed, fs.ErrNotExist}
	}
	return []error{blue.ErrSealed}
}

// fault is a FileError whose reason follows the path.
func (f *file) fault(hint, format string, args ...any) error {
	return &FileError{Path: f.path, Reason: f.path + " " + fmt.Sprintf(format, args...), Hint: hint}
}

// noKey is the fault of what can be no key.
func (f *file) noKey(hint, format string, args ...any) error {
	return &FileError{Path: f.path, Reason: f.path + " " + fmt.Sprintf(format, args...), Hint: hint, NoKey: true}
}

// read returns the key in the file; fs.ErrNotExist if there is none. Anything
// but a plain file of our own is refused before it is opened, since opening a
// pipe or a device can block or act, and again after, since it may have been
// replaced in between.
func (f *file) read(ctx context.Context) (*envelope.Secret, error) {
	if f.path == "" {
		return nil, fmt.Errorf("%w: keys/localfile: an empty path", blue.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	before, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, f.fault("", "cannot be reached: %v", cause(err))
	}
	if err := f.checkInfo(before); err != nil {
		return nil, err
	}
	f.at("stat")
	open, err := openKey(f.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, f.fault("chmod 600 "+f.path, "cannot be read: %v", cause(err))
	case err != nil:
		return nil, f.replaced(err)
	}
	defer open.Close()
	after, err := open.Stat()
	if err != nil {
		return nil, f.fault("", "cannot be examined: %v", cause(err))
	}
	if !os.SameFile(before, after) {
		return nil, f.replaced(nil)
	}
	if err := f.checkInfo(after); err != nil {
		return nil, err
	}
	if err := f.checkDisk(open, "is on"); err != nil {
		return nil, err
	}
	return f.parse(open, after.Size())
}

func (f *file) replaced(err error) error {
	why := ""
	if err != nil {
		why = ": " + cause(err).Error()
	}
	return f.fault("find out what replaces the file, then run the command again", "changed while it was being opened%s", why)
}

// checkInfo refuses what is not a plain file of ours that nobody else can use.
func (f *file) checkInfo(info fs.FileInfo) error {
	const itself = "put the key file itself there"
	switch kind := kindOf(info.Mode()); {
	case info.Mode()&fs.ModeSymlink != 0: // it may lead to a key
		return f.fault(itself, "is %s, not a plain file", kind)
	case kind != "":
		return f.noKey(itself, "is %s, not a plain file", kind)
	}
	if owner, me, foreign := foreignOwner(info); foreign {
		return f.fault(fmt.Sprintf("chown %d %s, if the key is yours", me, f.path), "belongs to user id %d, not to you (user id %d)", owner, me)
	}
	return f.checkMode(info.Mode().Perm())
}

func (f *file) checkMode(perm fs.FileMode) error {
	if !modesMatter || perm&^0o600 == 0 {
		return nil
	}
	what := "has a mode wider than 0600"
	switch {
	case perm&0o044 != 0:
		what = "is readable by others"
	case perm&0o022 != 0:
		what = "is writable by others"
	}
	return f.fault("chmod 600 "+f.path, "%s (mode %04o)", what, perm)
}

// checkDisk refuses a file on a disk that others may read without us. What is
// said of it stands between its path and the kind of disk.
func (f *file) checkDisk(open *os.File, says string) error {
	probe := f.disk
	if probe == nil {
		probe = networkDisk
	}
	if name := probe(open); name != "" {
		return f.fault("keep the key on a local disk", "%s a network file system (%s)", says, name)
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	default:
		return "something else"
	}
}

// parse reads the key. A key written as text is named and refused: a guess
// that is wrong once would seal data under a key that nobody has.
func (f *file) parse(open *os.File, size int64) (*envelope.Secret, error) {
	var buf [96]byte // longer than any spelling of a key that is told apart
	defer clear(buf[:])
	n, err := io.ReadFull(open, buf[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, f.fault("", "cannot be read: %v", cause(err))
	}
	key := buf[:n]
	text := bytes.TrimRight(key, "\r\n")
	raw := "if this is your key, write it as 32 raw bytes; otherwise " + f.says.restore
	switch {
	case n == keySize && len(bytes.Trim(key, "\x00")) == 0:
		return nil, f.noKey(f.says.restore, "holds 32 zero bytes, which is no key")
	case n == keySize:
		return envelope.NewSecret(key)
	case n == 0:
		return nil, f.noKey(f.says.restore, "is empty; %s is 32 bytes", f.says.one)
	case len(key) > keySize && len(key) <= keySize+2 && len(bytes.Trim(key[keySize:], "\r\n")) == 0: // the key's own last byte may be one too
		return nil, f.fault("remove what follows the first 32 bytes, if they are your key", "has %d bytes: 32 and a trailing newline", n)
	case isHex(text):
		return nil, f.fault(raw, "holds 64 hexadecimal characters; %s is 32 raw bytes", f.says.one)
	case isBase64(text):
		return nil, f.fault(raw, "holds %d base64 characters; %s is 32 raw bytes", len(text), f.says.one)
	default:
		return nil, f.noKey(f.says.restore, "has %d bytes; %s is exactly 32", max(size, int64(n)), f.says.one)
	}
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

// cause strips the path from an error of package os; the sentence has it.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (f *file) at(step string) {
	if f.step != nil {
		f.step(step)
	}
}
