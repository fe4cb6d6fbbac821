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

// Dir keeps the newest note of each chain in a file:
//
//	{path}/{first two digits of chain}/{chain}    mode 0600, folders 0700
//
// A note takes its name by rename(2) once all of it is on disk, so no reader
// sees half of one, and a crash leaves the old note or the new one, and at most
// a temporary file ".{chain}.*.tmp" that nobody reads.
//
// It protects as far as the folder is out of reach of whoever can write the
// store: another disk, another machine, another user. All methods may be called
// concurrently. A chain is written by one process, its owner.
type Dir struct {
	path string
	mu   sync.Mutex // one Publish at a time looks and then replaces
}

// NewDir returns the anchor of a folder. Nothing is read or made before the
// first call of a method; Publish makes the folder.
func NewDir(path string) *Dir { return &Dir{path: path} }

// Publish keeps the note as the chain's newest; it is on disk when Publish
// returns. Once more with the same checkpoint is no error. Errors, with
// nothing replaced: ErrConflict if the chain has a note of a greater size, or
// of this size and another root; ErrTampered if what lies there is no note;
// ErrInvalid for a note of another chain or size; ErrUnavailable.
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
	old, err := d.read(chain)
	switch {
	case errors.Is(err, blue.ErrNotFound):
	case err != nil:
		return err
	default:
		if err := follows(d.file(chain), old, c); err != nil {
			return err
		}
	}
	if err := d.write(chain, note); err != nil {
		return fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err)
	}
	return nil
}

// follows refuses a checkpoint that would take the chain back or aside.
func follows(place, old string, c checkpoint.Checkpoint) error {
	kept, err := checkpoint.Peek(old)
	switch {
	case err != nil:
		return fmt.Errorf("anchor: %s: %w", place, err)
	case kept.Size > c.Size:
		return fmt.Errorf("%w: anchor: %s holds the checkpoint of size %d; that of size %d would go back", blue.ErrConflict, place, kept.Size, c.Size)
	case kept.Size == c.Size && kept.Root != c.Root:
		return fmt.Errorf("%w: anchor: %s holds another checkpoint of size %d", blue.ErrConflict, place, kept.Size)
	default:
		return nil
	}
}

// Latest returns the chain's newest note. ErrNotFound if there is none,
// ErrTampered if what lies there is not a note of the chain, ErrUnavailable.
func (d *Dir) Latest(ctx context.Context, chain string) (string, error) {
	if err := checkChain(chain); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return d.read(chain)
}

// Chains lists every chain that was ever published here, ascending. It reads
// one of the 256 folders at a time. What lies in between and is not of this
// anchor is an ErrTampered, after which the list goes on. A folder that is not
// there is ErrNotFound: nothing was ever published, or it was taken away.
func (d *Dir) Chains(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for folder, err := range d.entries(ctx, d.path) {
			name := ""
			if err == nil {
				name = folder.Name()
				err = d.checkFolder(folder)
			}
			if err != nil {
				if !yield("", err) {
					return
				}
				continue
			}
			for file, err := range d.entries(ctx, filepath.Join(d.path, name)) {
				chain := ""
				if err == nil && isTemporary(file) {
					continue
				}
				if err == nil {
					chain, err = d.checkFile(name, file)
				}
				if !yield(chain, err) {
					return
				}
			}
		}
	}
}

// entries lists a folder in the order of names. An error is its only entry.
func (d *Dir) entries(ctx context.Context, path string) iter.Seq2[fs.DirEntry, error] {
	return func(yield func(fs.DirEntry, error) bool) {
		entries, err := os.ReadDir(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			yield(nil, fmt.Errorf("%w: anchor: the folder %s", blue.ErrNotFound, path))
			return
		case err != nil:
			yield(nil, fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err))
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (d *Dir) checkFolder(e fs.DirEntry) error {
	name := e.Name()
	if !e.IsDir() || len(name) != 2 || strings.Trim(name, "0123456789abcdef") != "" {
		return odd(filepath.Join(d.path, name), "is no folder of this anchor")
	}
	return nil
}

func (d *Dir) checkFile(folder string, e fs.DirEntry) (string, error) {
	name := e.Name()
	if !e.Type().IsRegular() || !checkpoint.IsChain(name) || !strings.HasPrefix(name, folder) {
		return "", odd(filepath.Join(d.path, folder, name), "is no file of this anchor")
	}
	return name, nil
}

// isTemporary knows what a Publish under way, or a crash, leaves.
func isTemporary(e fs.DirEntry) bool {
	name, dot := strings.CutPrefix(e.Name(), ".")
	chain, rest, _ := strings.Cut(name, ".")
	return dot && e.Type().IsRegular() && checkpoint.IsChain(chain) && strings.HasSuffix(rest, ".tmp")
}

func (d *Dir) file(chain string) string { return filepath.Join(d.path, chain[:2], chain) }

// read returns a chain's note.
func (d *Dir) read(chain string) (string, error) {
	path := d.file(chain)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: anchor: no checkpoint of chain %s in %s", blue.ErrNotFound, chain, d.path)
	case err != nil:
		return "", fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err)
	case !info.Mode().IsRegular():
		return "", odd(path, "is not a plain file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return "", fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err)
	}
	if _, err := readNote(path, chain, string(b)); err != nil {
		return "", err
	}
	return string(b), nil
}

// write replaces a chain's note, and returns when note and name are on disk.
func (d *Dir) write(chain, note string) error {
	path := d.file(chain)
	folder := filepath.Dir(path)
	if err := fsutil.MakeFolder(folder); err != nil {
		return err
	}
	temp, err := os.CreateTemp(folder, "."+chain+".*.tmp") // mode 0600 at most
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	err = fill(temp, note)
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return fsutil.SyncFolder(folder)
}

func fill(temp *os.File, note string) error {
	if err := temp.Chmod(0o600); err != nil { // whatever the umask took away
		return err
	}
	if _, err := io.WriteString(temp, note); err != nil {
		return err
	}
	return temp.Sync()
}
