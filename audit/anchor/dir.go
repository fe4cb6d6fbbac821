package anchor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/fsutil"
)

// A Dir keeps the newest note of each chain in a file:
//
//	{path}/{first two digits of chain}/{chain}    mode 0600, folders 0700
//
// A note is written to a temporary file ".{chain}.*.tmp", flushed and renamed,
// so no reader sees a part of it. After a crash the file has the old or the new
// note. A temporary file can remain, and is ignored.
//
// It protects only if a writer of the store cannot write to the folder: use
// another disk, another machine or another user. All methods may be called
// concurrently. Only one process may publish a chain, its owner.
type Dir struct {
	path string
	mu   sync.Mutex // Publish reads and then replaces
}

// NewDir returns the anchor of a folder. It reads and creates nothing. Publish
// creates the folder.
func NewDir(path string) *Dir { return &Dir{path: path} }

// Publish keeps the note as the chain's newest. It is on disk when Publish
// returns. Publishing the same checkpoint again is not an error. On an error
// nothing is replaced:
//
//   - ErrConflict if the chain has a note of a larger size, or of this size with
//     another root
//   - ErrTampered if the chain's file is not a note of the chain
//   - ErrInvalid if the note is of another chain or size
//   - ErrUnavailable for an error of the file system
func (d *Dir) Publish(ctx context.Context, chain string, size uint64, note string) error {
	c, err := checkNote(chain, size, note)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	_, kept, err := d.read(chain)
	switch {
	case errors.Is(err, blue.ErrNotFound):
	case err != nil:
		return err
	case kept.Size > c.Size:
		return fmt.Errorf("%w: anchor: %s has a newer checkpoint, of size %d, not %d", blue.ErrConflict, d.file(chain), kept.Size, c.Size)
	case kept.Size == c.Size && kept.Root != c.Root:
		return fmt.Errorf("%w: anchor: %s has another checkpoint of size %d", blue.ErrConflict, d.file(chain), kept.Size)
	}
	path := d.file(chain)
	err = fsutil.MakeFolder(filepath.Dir(path))
	if err == nil {
		err = fsutil.WriteFile(path, fsutil.WriteOptions{Temp: "." + chain + ".*.tmp"}, func(temp *os.File) error {
			_, err := io.WriteString(temp, note)
			return err
		})
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// Latest returns the chain's newest note. It returns ErrNotFound if there is
// none, ErrTampered if the chain's file is not a note of the chain, ErrInvalid
// if chain is not a chain's id, and ErrUnavailable for an error of the file
// system.
func (d *Dir) Latest(ctx context.Context, chain string) (string, error) {
	if err := checkChain(chain); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	note, _, err := d.read(chain)
	return note, err
}

// Chains lists every chain that was ever published to the anchor, in ascending
// order. It reads one of the 256 folders at a time. An entry that the anchor did
// not write yields ErrTampered, and the list continues. A missing folder yields
// ErrNotFound: nothing was published, or the folder was deleted.
func (d *Dir) Chains(ctx context.Context) iter.Seq2[string, error] {
	isFolder := func(e fs.DirEntry) bool {
		return e.IsDir() && len(e.Name()) == 2 && strings.Trim(e.Name(), "0123456789abcdef") == ""
	}
	return func(yield func(string, error) bool) {
		for folder, err := range list(ctx, d.path, isFolder) {
			if err != nil {
				if !yield("", err) {
					return
				}
				continue
			}
			isNote := func(e fs.DirEntry) bool {
				return isTemporary(e) || e.Type().IsRegular() && checkpoint.IsChain(e.Name()) && strings.HasPrefix(e.Name(), folder)
			}
			for chain, err := range list(ctx, filepath.Join(d.path, folder), isNote) {
				if strings.HasPrefix(chain, ".") {
					continue // a temporary file
				}
				if !yield(chain, err) {
					return
				}
			}
		}
	}
}

// list yields the names in a folder in ascending order, and ErrTampered for an
// entry that isOwn does not accept. Any other error is the last value.
func list(ctx context.Context, path string, isOwn func(fs.DirEntry) bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := os.ReadDir(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			yield("", fmt.Errorf("%w: anchor: the folder %s", blue.ErrNotFound, path))
			return
		case err != nil:
			yield("", unavailable(err))
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			name := e.Name()
			var err error
			if !isOwn(e) {
				name, err = "", tampered(filepath.Join(path, name), foreign)
			}
			if !yield(name, err) {
				return
			}
		}
	}
}

// isTemporary reports whether an entry is a temporary file of Publish.
func isTemporary(e fs.DirEntry) bool {
	name, dot := strings.CutPrefix(e.Name(), ".")
	chain, rest, _ := strings.Cut(name, ".")
	return dot && e.Type().IsRegular() && checkpoint.IsChain(chain) && strings.HasSuffix(rest, ".tmp")
}

func (d *Dir) file(chain string) string { return filepath.Join(d.path, chain[:2], chain) }

// read returns a chain's note and its checkpoint.
func (d *Dir) read(chain string) (string, checkpoint.Checkpoint, error) {
	fail := func(err error) (string, checkpoint.Checkpoint, error) { return "", checkpoint.Checkpoint{}, err }
	path := d.file(chain)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(fmt.Errorf("%w: anchor: no checkpoint of chain %s in %s", blue.ErrNotFound, chain, d.path))
	case err != nil:
		return fail(unavailable(err))
	case !info.Mode().IsRegular():
		return fail(tampered(path, "is not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(unavailable(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return fail(unavailable(err))
	}
	c, err := parseNote(path, chain, string(b))
	if err != nil {
		return fail(err)
	}
	return string(b), c, nil
}
