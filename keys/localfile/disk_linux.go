package localfile

import (
	"os"
	"syscall"
)

// networkDisk names the network file system that a file is on, or returns "".
func networkDisk(f *os.File) string {
	var stat syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &stat); err != nil {
		return "" // no reason to refuse a key
	}
	return networkDiskOf(uint32(stat.Type))
}

// networkDiskOf knows the magic numbers of statfs(2).
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
