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

// FileError says what is wrong with a key file. It unwraps to blue.ErrSealed.
type FileError struct {
	Path   string
	Reason string // the whole sentence, which names the path: what Error returns
	Hint   string // what to do about it, one line; may be empty
}

func (e *FileError) Error() string { return e.Reason }

func (e *FileError) Unwrap() error { return blue.ErrSealed }

// fault is a FileError whose reason follows the path.
func (p *Provider) fault(hint, format string, args ...any) error {
	return &FileError{Path: p.path, Reason: p.path + " " + fmt.Sprintf(format, args...), Hint: hint}
}

const hintRestore = "restore the file from a copy of it; a key that is lost cannot be made again"

// read returns the key in the file; fs.ErrNotExist if there is none. Anything
// but a plain file of our own is refused before it is opened, since opening a
// pipe or a device can block or act, and again after, since it may have been
// replaced in between.
func (p *Provider) read(ctx context.Context) (*envelope.Secret, error) {
	if p.path == "" {
		return nil, fmt.Errorf("%w: keys/localfile: an empty path", blue.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	before, err := os.Lstat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, p.fault("", "cannot be reached: %v", cause(err))
	}
	if err := p.checkInfo(before); err != nil {
		return nil, err
	}
	p.at("stat")
	f, err := openKey(p.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, p.fault("chmod 600 "+p.path, "cannot be read: %v", cause(err))
	case err != nil:
		return nil, p.replaced(err)
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil {
		return nil, p.fault("", "cannot be examined: %v", cause(err))
	}
	if !os.SameFile(before, after) {
		return nil, p.replaced(nil)
	}
	if err := p.checkInfo(after); err != nil {
		return nil, err
	}
	if err := p.checkDisk(f); err != nil {
		return nil, err
	}
	return p.parse(f, after.Size())
}

func (p *Provider) replaced(err error) error {
	why := ""
	if err != nil {
		why = ": " + cause(err).Error()
	}
	return p.fault("find out what replaces the file, then run the command again", "changed while it was being opened%s", why)
}

// checkInfo refuses what is not a plain file of ours that nobody else can use.
func (p *Provider) checkInfo(info fs.FileInfo) error {
	if kind := kindOf(info.Mode()); kind != "" {
		return p.fault("put the key file itself there", "is %s, not a plain file", kind)
	}
	if owner, me, foreign := foreignOwner(info); foreign {
		return p.fault(fmt.Sprintf("chown %d %s, if the key is yours", me, p.path), "belongs to user id %d, not to you (user id %d)", owner, me)
	}
	return p.checkMode(info.Mode().Perm())
}

func (p *Provider) checkMode(perm fs.FileMode) error {
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
	return p.fault("chmod 600 "+p.path, "%s (mode %04o)", what, perm)
}

func (p *Provider) checkDisk(f *os.File) error {
	if name := networkDisk(f); name != "" {
		return p.fault("keep the key on a local disk", "is on a network file system (%s)", name)
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
func (p *Provider) parse(f *os.File, size int64) (*envelope.Secret, error) {
	var buf [96]byte // longer than any spelling of a key that is told apart
	defer clear(buf[:])
	n, err := io.ReadFull(f, buf[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, p.fault("", "cannot be read: %v", cause(err))
	}
	key := buf[:n]
	text := bytes.TrimRight(key, "\r\n")
	raw := "if this is your key, write it as 32 raw bytes; otherwise " + hintRestore
	switch {
	case n == keySize && len(bytes.Trim(key, "\x00")) == 0:
		return nil, p.fault(hintRestore, "holds 32 zero bytes, which is no key")
	case n == keySize:
		return envelope.NewSecret(key)
	case n == 0:
		return nil, p.fault(hintRestore, "is empty; a key is 32 bytes")
	case len(key) > keySize && len(key) <= keySize+2 && len(text) == keySize:
		return nil, p.fault("remove what follows the first 32 bytes, if they are your key", "has %d bytes: 32 and a trailing newline", n)
	case isHex(text):
		return nil, p.fault(raw, "holds 64 hexadecimal characters; a key is 32 raw bytes")
	case isBase64(text):
		return nil, p.fault(raw, "holds %d base64 characters; a key is 32 raw bytes", len(text))
	default:
		return nil, p.fault(hintRestore, "has %d bytes; a key is exactly 32", max(size, int64(n)))
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

func (p *Provider) at(step string) {
	if p.step != nil {
		p.step(step)
	}
}
