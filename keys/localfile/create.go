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
		if err := p.write(); err != nil {
			return nil, fmt.Errorf("%w: making the key file %s: %w", blue.ErrUnavailable, p.path, err)
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
		Hint:   hintRestore,
	}
}

// write puts a random key at the path unless something is there, which is no
// error. The key gets its name by link(2), which never replaces, once all of
// it is on disk: no process can see half a key or two, and a crash leaves at
// most a temporary file that nobody reads. When write returns, the name is on
// disk, whoever gave it.
func (p *Provider) write() error {
	folder := filepath.Dir(p.path)
	if err := makeFolder(folder); err != nil {
		return err
	}
	p.at("folder")
	temp, err := os.CreateTemp(folder, filepath.Base(p.path)+".*.tmp") // mode 0600 at most
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	p.at("temp")
	err = p.fill(temp)
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	p.at("synced")
	if err := os.Link(temp.Name(), p.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	p.at("linked")
	if err := syncFolder(folder); err != nil {
		return err
	}
	p.at("done")
	return nil
}

// fill writes a new key to the temporary file and to the disk.
func (p *Provider) fill(temp *os.File) error {
	if name := networkDisk(temp); name != "" {
		return fmt.Errorf("the folder is on a network file system (%s)", name)
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
	p.at("written")
	return temp.Sync()
}

// makeFolder makes a folder of mode 0700 and what is missing above it, each
// name on disk. One that exists is left as it is.
func makeFolder(folder string) error {
	err := os.Mkdir(folder, 0o700)
	above := filepath.Dir(folder)
	if errors.Is(err, fs.ErrNotExist) && above != folder {
		if err := makeFolder(above); err != nil {
			return err
		}
		err = os.Mkdir(folder, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err != nil {
		return nil
	}
	return syncFolder(above)
}
