package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
)

// TestMain runs the child too, because the measurement starts its own program.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestMeasure checks that the search finds keys: copies that a child keeps on
// purpose, and the keys of an open store. In a guarded build no key must remain
// after the close.
func TestMeasure(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: " + errNotLinux.Error())
	}
	planted, err := measure(context.Background(), 2, true)
	if err != nil {
		t.Fatal(err)
	}
	if umk := planted.Keys[0]; umk.Key != "UMK" || umk.RunsClosed != 2 || umk.TotalClosed < 2*len(kept) {
		t.Errorf("a planted master key: %+v; want it found in 2 runs, %d copies each", umk, len(kept))
	}
	f, err := measure(context.Background(), 2, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Keys) != 8 || f.Runs != 2 || f.Build != build() {
		t.Errorf("figures %+v", f)
	}
	for _, r := range f.Keys {
		t.Logf("%+v", r)
		held := r.Key == "KEK" || r.Key == "R" // by the ring
		if held && r.RunsOpen != 2 {
			t.Errorf("%s was found in %d open stores of 2, so the search does not work", r.Key, r.RunsOpen)
		}
		if envelope.IsGuarded() && r.RunsClosed+r.RunsMaskedClosed > 0 {
			t.Errorf("%s remains in a guarded build", r.Key)
		}
	}
}

// TestSearchRegion searches copies at any offset, across pages and blocks, and
// next to pages of zeros.
func TestSearchRegion(t *testing.T) {
	k := key{"K", []byte("0123456789abcdefghijklmnopqrstuv")}
	block := 256 * page
	for _, at := range []int{0, 1, page - 16, block - 31, block, 2*block - 32} {
		region := make([]byte, 2*block)
		copy(region[at:], k.bytes)
		found := make([]count, 1)
		if _, err := searchRegion(bytes.NewReader(region), []key{k}, found); err != nil || found[0] != (count{raw: 1}) {
			t.Errorf("at %d: %+v, %v", at, found, err)
		}
		copy(region[at:], masked(k.bytes, 0x5c))
		found = make([]count, 1)
		if _, err := searchRegion(bytes.NewReader(region), []key{k}, found); err != nil || found[0] != (count{masked: 1}) {
			t.Errorf("masked at %d: %+v, %v", at, found, err)
		}
	}
}

// TestKeep checks that the figures of one build do not replace the figures that
// another build wrote.
func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memory.json")
	for _, f := range []figures{{Build: "a", Runs: 1}, {Build: "b", Runs: 2}, {Build: "a", Runs: 3}} {
		if err := keep(path, f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	var all map[string]figures
	if err != nil || json.Unmarshal(text, &all) != nil || all["a"].Runs != 3 || all["b"].Runs != 2 {
		t.Errorf("%s, %v", text, err)
	}
}
