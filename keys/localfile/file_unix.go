//go:build unix

package localfile

import (
	"io/fs"
	"os"
	"syscall"
)

const modesMatter = true

// openKey opens for reading without following a link or waiting for a pipe.
func openKey(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
}

func foreignOwner(info fs.FileInfo) (owner, me int, foreign bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	owner, me = int(stat.Uid), os.Geteuid()
	return owner, me, owner != me
}
