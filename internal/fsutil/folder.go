// Package fsutil creates folders and writes files that survive a crash.
//
// A folder that MakeFolder created still exists after a power cut. WriteFile
// writes a file so that its path names the old content or the new content, and
// never a part of it.
//
// The package does not read files. The callers decide what a file contains.
package fsutil

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MakeFolder creates a folder of mode 0700 and its missing parents, and flushes
// each new name to disk. A folder that exists, or a link to one, is left as it
// is. Its name is flushed too, because the process that created it may have
// crashed before it did so. MakeFolder may be called concurrently.
func MakeFolder(folder string) error {
	err := os.Mkdir(folder, 0o700)
	above := filepath.Dir(folder)
	if errors.Is(err, fs.ErrNotExist) && above != folder {
		if err := MakeFolder(above); err != nil {
			return err
		}
		err = os.Mkdir(folder, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return flushExisting(folder, above)
	}
	if err != nil {
		return err
	}
	return syncFolder(above)
}

// flushExisting flushes the name of an existing folder. It ignores a parent that
// this process must not read, such as /home with mode 0711, because such a
// process did not create the name.
func flushExisting(folder, above string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: folder, Err: syscall.ENOTDIR}
	}
	err = syncFolder(above)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
