package localfile

import "testing"

// TestNetworkDiskOf has the magic numbers of statfs(2).
func TestNetworkDiskOf(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0x5346414f: "AFS", 0x00c36400: "Ceph",
		0xef53: "", 0x58465342: "", 0x9123683e: "", 0x01021994: "", 0x794c7630: "", 0x2fc12fc1: "",
	} {
		if got := networkDiskOf(magic); got != want {
			t.Errorf("%#x: %q; want %q", magic, got, want)
		}
	}
}
