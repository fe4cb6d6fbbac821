package main

import (
	"os"
	"syscall"
	"testing"
)

// watchOpened returns a function that reports whether any process has opened a
// file since the last call. The kernel reports that.
func watchOpened(t *testing.T, path string) func() bool {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Skipf("skipped: the kernel watches no files here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_OPEN); err != nil {
		t.Skipf("skipped: the kernel does not watch %s: %v", path, err)
	}
	opened := func() bool {
		n, err := syscall.Read(fd, make([]byte, 4096))
		return err == nil && n > 0
	}
	if _, err := os.ReadFile(path); err != nil || !opened() {
		t.Skipf("skipped: that a file is opened does not show on this disk: %v", err)
	}
	return opened
}
