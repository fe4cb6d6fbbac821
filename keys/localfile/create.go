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

// write puts a random key at the path unless something is there, which is no
// error, and reports whether it did. ErrUnavailable where none can be made,
// *FileError where none may be.
func (f *file) write() (made bool, err error) {
	made, err = f.link()
	if _, refused := errors.AsType[*FileError](err); refused {
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("%w: making the key file %s: %w", blue.ErrUnavailable, f.path, err)
	}
	return made, nil
}

// link makes a temporary file and gives it the key's name by link(2), which
// never replaces, once all of it is on disk: no process can see half a key or
// two, and a crash leaves at most a temporary file that nobody reads. When link
// returns, the name is on disk, whoever gave it.
func (f *file) link() (made bool, err error) {
	folder := filepath.Dir(f.path)
	if err := fsutil.MakeFolder(folder); err != nil {
		return false, err
	}
	f.at("folder")
	temp, err := os.CreateTemp(folder, filepath.Base(f.path)+".*.tmp") // mode 0600 at most
	if err != nil {
		return false, err
	}
	defer os.Remove(temp.Name())
	f.at("temp")
	err = f.fill(temp)
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return false, err
	}
	f.at("synced")
	err = os.Link(temp.Name(), f.path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	made = err == nil
	f.at("linked")
	if err := fsutil.SyncFolder(folder); err != nil {
		return false, err
	}
	f.at("done")
	return made, nil
}

// fill writes a new key to the temporary file and to the disk.
func (f *file) fill(temp *os.File) error {
	if err := f.checkDisk(temp, "is not made: its folder is on"); err != nil {
		return err
	}
	if err := temp.Chmod(0o600); err != nil { // whatever the umask took away
		return err
	}
	secret := envelope.GenerateSecret()
	defer secret.Destroy()
	key := secret.InsecureBytes()
	defer clear(key)
	if _, err := temp.Write(key); err != nil {
		return err
	}
	f.at("written")
	return temp.Sync()
}
