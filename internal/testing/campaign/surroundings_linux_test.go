package campaign

import "syscall"

// mountSmall mounts an empty disk of the size in memory, or resizes the mounted
// one. It needs the rights of root.
func mountSmall(path, size string, again bool) error {
	var flags uintptr
	if again {
		flags = syscall.MS_REMOUNT
	}
	return syscall.Mount("tmpfs", path, "tmpfs", flags, "mode=0700,size="+size)
}

func unmount(path string) error { return syscall.Unmount(path, 0) }
