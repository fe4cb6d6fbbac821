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

// A Mode selects what WriteFile does with an existing file.
type Mode int

// The modes of WriteFile.
const (
	Replace Mode = iota // rename(2): the new file takes the place of the old one
	Create              // link(2): an existing file is left as it is, with the error fs.ErrExist
)

// A Sync selects what WriteFile flushes to disk.
type Sync int

// The levels of Sync.
const (
	SyncAll  Sync = iota // the file before it gets its name, and the folder after
	SyncFile             // the file only: after a power cut the path may still name the old file, or none
	SyncNone             // neither: after a power cut the file may be missing or incomplete
)

// WriteOptions are the options of WriteFile.
type WriteOptions struct {
	Mode Mode
	Sync Sync
	// Temp is the pattern of the temporary file's name, as in os.CreateTemp.
	// A crash can leave such a file in the folder of the path.
	Temp string
	// Step is nil, or a function of a test. WriteFile calls it after each
	// step: "temp", "synced", "linked", "done".
	Step func(name string)
}

// WriteFile writes a file of mode 0600 so that no process ever sees a part of
// it. It creates a temporary file in the folder of path, calls write with it,
// flushes it and then gives it the name path. The folder must exist.
//
// WriteFile returns the error of write as it is. In mode Create it returns
// fs.ErrExist if the path exists. It then flushes the folder too, so that the
// existing file keeps its name after a power cut. It returns any other
// error of the file system, wrapped in *fs.PathError or *os.LinkError.
// Processes may call it concurrently for one path.
func WriteFile(path string, o WriteOptions, write func(temp *os.File) error) error {
	step := o.Step
	if step == nil {
		step = func(string) {}
	}
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, o.Temp) // mode 0600, less the umask
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // after a rename there is none
	step("temp")
	err = temp.Chmod(0o600) // the bits that the umask removed
	if err == nil {
		err = write(temp)
	}
	if err == nil && o.Sync != SyncNone {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	step("synced")
	give := os.Rename
	if o.Mode == Create {
		give = os.Link
	}
	err = give(temp.Name(), path)
	if err != nil && !(o.Mode == Create && errors.Is(err, os.ErrExist)) {
		return err
	}
	step("linked")
	if o.Sync == SyncAll {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	step("done")
	return err
}

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
