//go:build !unix

package fsutil

// SyncFolder does nothing: a folder cannot be flushed here.
func SyncFolder(string) error { return nil }
