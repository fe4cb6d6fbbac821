// Package anchor keeps copies of the checkpoints of audit chains outside the
// store. A writer of the store cannot change these copies, so a verifier detects
// a log that was cut or replaced. [Dir] keeps them in files of another folder or
// disk, [S3] in objects of a bucket, with an object lock if one is configured.
// Both implement audit.Anchor.
//
// The package stores notes durably. Other packages do the rest: audit/checkpoint
// defines and signs a note, audit decides when one is made, and audit/auditor
// compares it with a log. This package checks no signature. It does not keep or
// return a note of another chain or size than requested.
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
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/fsutil"
)

// maxNote is the number of bytes that are read of a note. It is larger than any
// note that audit/checkpoint accepts.
const maxNote = 64 << 10

// checkChain returns ErrInvalid for a text that is not a chain's id, because it
// could lead to another path or key.
func checkChain(chain string) error {
	if !checkpoint.IsChain(chain) {
		return fmt.Errorf("%w: anchor: %.80q is not the id of a chain", blue.ErrInvalid, chain)
	}
	return nil
}

// checkNote returns the checkpoint of a note to publish. It returns ErrInvalid
// for a note of another chain or size.
func checkNote(chain string, size uint64, note string) (checkpoint.Checkpoint, error) {
	if err := checkChain(chain); err != nil {
		return checkpoint.Checkpoint{}, err
	}
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("%w: anchor: chain %s: %v", blue.ErrInvalid, chain, err)
	}
	if c.Origin != checkpoint.Origin(chain) || c.Size != size {
		return c, fmt.Errorf("%w: anchor: the note is for %s, size %d, not for chain %s, size %d", blue.ErrInvalid, c.Origin, c.Size, chain, size)
	}
	return c, nil
}

// parseNote returns the checkpoint of a note that was read from a place, a path
// or URL. It returns ErrTampered for a malformed note or one of another chain.
func parseNote(place, chain, note string) (checkpoint.Checkpoint, error) {
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("anchor: %s: %w", place, err)
	}
	if c.Origin != checkpoint.Origin(chain) {
		return c, anchorTampered(place, "has a note of %s", c.Origin)
	}
	return c, nil
}

// foreign describes a file or object that the anchor did not write.
const foreign = "does not belong to this anchor"

// anchorTampered returns the ErrTampered of a place with unexpected content.
func anchorTampered(place, format string, args ...any) error {
	return fmt.Errorf("%w: anchor: %s %s", blue.ErrTampered, place, fmt.Sprintf(format, args...))
}

// anchorUnavailable returns the ErrUnavailable of an error of the file system.
func anchorUnavailable(err error) error {
	return fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err)
}

// An object is one object of a bucket, or the common prefix of several objects,
// which ends in "/".
type object struct {
	key     string
	version *string // nil without a lock
}

// Chains lists every chain that was ever published to the anchor, in ascending
// order. It requests pages of at most 1,000 objects. An object that the anchor
// did not write yields ErrTampered, and the list continues. ErrUnavailable ends
// the list.
func (a *S3) Chains(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range a.listNotes(ctx, a.opts.Prefix, aws.String("/")) {
			if err != nil {
				yield("", err)
				return
			}
			chain, isFolder := strings.CutSuffix(strings.TrimPrefix(o.key, a.opts.Prefix), "/")
			if !isFolder || !checkpoint.IsChain(chain) {
				chain, err = "", anchorTampered(a.place(o.key), foreign)
			}
			if !yield(chain, err) {
				return
			}
		}
	}
}

// listNotes yields the objects below a prefix in ascending order of keys. With a
// lock it yields the oldest version of each, deleted objects included. With a
// delimiter it yields common prefixes. An error is the last value.
func (a *S3) listNotes(ctx context.Context, prefix string, delimiter *string) iter.Seq2[object, error] {
	pages := a.currentPages
	if a.opts.LockDays > 0 {
		pages = a.versionPages
	}
	return func(yield func(object, error) bool) {
		for page, err := range pages(ctx, prefix, delimiter) {
			if err != nil {
				yield(object{}, a.classify(prefix, err))
				return
			}
			slices.SortFunc(page, func(x, y object) int { return strings.Compare(x.key, y.key) })
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// currentPages yields pages of the current objects.
func (a *S3) currentPages(ctx context.Context, prefix string, delimiter *string) iter.Seq2[[]object, error] {
	return func(yield func([]object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(a.objects, &s3.ListObjectsV2Input{Bucket: &a.bucket, Prefix: &prefix, Delimiter: delimiter, MaxKeys: a.page})
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			page := folders(out.CommonPrefixes)
			for _, o := range out.Contents {
				page = append(page, object{key: aws.ToString(o.Key)})
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// versionPages yields pages of the oldest version of each object. S3 lists the
// versions of a key newest first, and a page can end between them.
func (a *S3) versionPages(ctx context.Context, prefix string, delimiter *string) iter.Seq2[[]object, error] {
	return func(yield func([]object, error) bool) {
		pages := s3.NewListObjectVersionsPaginator(a.objects, &s3.ListObjectVersionsInput{Bucket: &a.bucket, Prefix: &prefix, Delimiter: delimiter, MaxKeys: a.page})
		var oldest object // the oldest version so far of the last key
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			page := folders(out.CommonPrefixes)
			for _, v := range out.Versions {
				o := object{aws.ToString(v.Key), v.VersionId}
				if oldest.key != "" && oldest.key != o.key {
					page = append(page, oldest)
				}
				oldest = o
			}
			if !pages.HasMorePages() && oldest.key != "" {
				page = append(page, oldest)
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

func folders(prefixes []types.CommonPrefix) (page []object) {
	for _, p := range prefixes {
		page = append(page, object{key: aws.ToString(p.Prefix)})
	}
	return page
}

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
		return anchorUnavailable(err)
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
			yield("", anchorUnavailable(err))
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
				name, err = "", anchorTampered(filepath.Join(path, name), foreign)
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
		return fail(anchorUnavailable(err))
	case !info.Mode().IsRegular():
		return fail(anchorTampered(path, "is not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(anchorUnavailable(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return fail(anchorUnavailable(err))
	}
	c, err := parseNote(path, chain, string(b))
	if err != nil {
		return fail(err)
	}
	return string(b), c, nil
}
