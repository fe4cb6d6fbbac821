//go:build unix

package localfile

import (
	"io/fs"
	"os"
	"syscall"
)

const modesMatter = true

// openKey opens a file for reading. It does not follow a link and does not wait for a
// pipe.
func openKey(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
}

// foreignOwner returns the owner of a file and this user, and whether they differ.
func foreignOwner(info fs.FileInfo) (owner, me int, isForeign bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	owner, me = int(stat.Uid), os.Geteuid()
	return owner, me, owner != me
}
