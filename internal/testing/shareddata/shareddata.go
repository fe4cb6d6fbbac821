// Package shareddata finds the recorded dialogues and rule tables that tests
// compare with. They lie in a folder "shared" beside the checkout and may be
// absent: a test then skips and says why, but fails where CI=true.
package shareddata

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Path returns the path of a file or folder below ../shared, seen from the
// root of the checkout.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "shared")
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the recorded data %s is missing", filepath.Join(append([]string{"shared"}, elem...)...))
		}
		t.Skipf("skipped: the recorded data %s is not on this machine", filepath.Join(append([]string{"shared"}, elem...)...))
	}
	return path
}
