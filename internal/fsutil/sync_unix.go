//go:build unix

package fsutil

import "os"

// SyncFolder puts the names in a folder on disk.
func SyncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
