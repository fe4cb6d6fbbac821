// Package durable puts names on disk: a folder that was made, or a file that
// got its name, is still there after a power cut once these functions return.
//
// What belongs here: folders. What does not: how a file takes its name, by
// rename where the newest wins (audit/anchor), by link where the first does
// (keys/localfile).
package fsutil

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MakeFolder makes a folder of mode 0700 and what is missing above it, each
// name on disk. One that exists, or a link to one, is left as it is, and its
// name is flushed: whoever made it may have crashed before that. It may be
// called concurrently.
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
		return found(folder, above)
	}
	if err != nil {
		return err
	}
	return SyncFolder(above)
}

// found takes what is there already, if it is a folder. Where the one above
// may not be read, as with /home of mode 0711, the name is none of ours.
func found(folder, above string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: folder, Err: syscall.ENOTDIR}
	}
	err = SyncFolder(above)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
