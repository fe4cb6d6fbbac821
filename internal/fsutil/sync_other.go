//go:build !unix

package fsutil

// syncFolder does nothing, because this system cannot flush a folder.
func syncFolder(string) error { return nil }
