//go:build !linux

package localfile

import "os"

// networkDisk is known on Linux alone.
func networkDisk(*os.File) string { return "" }
