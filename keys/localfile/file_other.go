//go:build !unix

package localfile

import (
	"io/fs"
	"os"
)

// modesMatter is false, because this system has other permissions. The folder of a
// user's profile is not readable by others by default.
const modesMatter = false

func openKey(path string) (*os.File, error) { return os.Open(path) }

func foreignOwner(fs.FileInfo) (owner, me int, isForeign bool) { return 0, 0, false }
