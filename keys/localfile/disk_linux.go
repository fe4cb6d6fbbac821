package localfile

import (
	"os"
	"syscall"
)

// networkDisk returns the name of the network file system of a file, or "".
func networkDisk(f *os.File) string {
	var stat syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &stat); err != nil {
		return "" // unknown, so the key is accepted
	}
	return networkDiskOf(uint32(stat.Type))
}

// networkDiskOf returns the name of a network file system by its magic number (statfs(2)).
func networkDiskOf(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0xff534d42, 0xfe534d42, 0x517b:
		return "SMB"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	case 0x73757245:
		return "Coda"
	case 0x564c:
		return "NCP"
	case 0x00c36400:
		return "Ceph"
	default:
		return ""
	}
}
