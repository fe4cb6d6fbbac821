package localfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/fsutil"
)

// create makes the key if the store is empty and returns the one that is then
// in the file. Another process may have made the key, and sealed data with
// it, since it was found missing: so whatever MayCreate says, the file is
// looked at again.
func (p *Provider) create(ctx context.Context) (*envelope.Secret, error) {
	may := false
	if p.opts.MayCreate != nil {
		var err error
		if may, err = p.opts.MayCreate(ctx); err != nil {
			return nil, fmt.Errorf("%s is missing; asking whether the store is empty: %w", p.path, err)
		}
	}
	if may {
		if _, err := p.write(); err != nil {
			return nil, err
		}
	}
	secret, err := p.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.missing(ctx)
	}
	return secret, err
}

// missing is the error of a file that is not there and was not made.
func (p *Provider) missing(ctx context.Context) error {
	key := "a key"
	if p.opts.SealedWith != nil {
		if print := p.opts.SealedWith(ctx); print != "" {
			key = "key " + print
		}
	}
	return &FileError{
		Path:   p.path,
		Reason: fmt.Sprintf("this store was sealed with %s, but %s is missing. No new key was made (it could not open your data)", key, p.path),
		Hint:   p.says.restore,
		gone:   true,
	}
}

// write creates the file with a random key, unless it exists. It reports whether
// this call created it. No process can read a part of a key, and a crash leaves
// at most a temporary file that is never read. When write returns, the name is
// on disk. It returns *FileError if the key must not be stored there, and
// blue.ErrUnavailable for any other error.
func (f *file) write() (created bool, err error) {
	err = fsutil.MakeFolder(filepath.Dir(f.path))
	if err == nil {
		f.at("folder")
		err = fsutil.WriteFile(f.path, fsutil.WriteOptions{Mode: fsutil.Create, Temp: filepath.Base(f.path) + ".*.tmp", Step: f.at}, f.fill)
	}
	_, refused := errors.AsType[*FileError](err)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil && !refused:
		return false, fmt.Errorf("%w: creating the key file %s: %w", blue.ErrUnavailable, f.path, err)
	}
	return err == nil, err
}

// fill writes a new random key to the temporary file.
func (f *file) fill(temp *os.File) error {
	if err := f.checkDisk(temp, "is not made: its folder is on"); err != nil {
		return err
	}
	secret := envelope.GenerateSecret()
	defer secret.Destroy()
	key := secret.InsecureBytes()
	defer clear(key)
	_, err := temp.Write(key)
	f.at("written")
	return err
}
