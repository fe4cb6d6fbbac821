//go:build !unix

package anchor

// syncFolder does nothing: a folder cannot be flushed here.
func syncFolder(string) error { return nil }
