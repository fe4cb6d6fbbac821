//go:build !unix

package fsutil

// SyncFolder does nothing, because this system cannot flush a folder.
func SyncFolder(string) error { return nil }
