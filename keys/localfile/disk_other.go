//go:build !linux

package localfile

import "os"

// networkDisk returns "", because it is implemented on Linux only.
func networkDisk(*os.File) string { return "" }
