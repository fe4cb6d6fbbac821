//go:build unix

package anchor

import "os"

// syncFolder puts the names in a folder on disk.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
