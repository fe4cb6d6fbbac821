//go:build unix

package fsutil

import "os"

// syncFolder flushes the names in a folder to disk, so that they exist after a
// power cut.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
