// Package shareddata finds the recorded dialogues and rule tables that some
// tests compare with. They are in a folder "shared" next to the checkout.
//
// The files serve extra tests and can be absent. A test that needs an absent
// file skips and names the file. With CI=true it fails. The project's own data
// (internal/testing/fixtures) cover the same behavior in tests that always run.
//
// BLUE_TEST_SKIP is a list with commas. If it names "shared", the extra tests
// skip although the folder is present. With CI=true they fail. A run in a clone
// with nothing next to it has no recorded data on purpose. It sets
// BLUE_TEST_WITHOUT_SHARED=1, and the extra tests skip also with CI=true.
//
// The package must not import package blue, because the tests of package blue
// use it.
package shareddata

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
)

// Without is the environment variable that a run without recorded data sets to 1.
const Without = "BLUE_TEST_WITHOUT_SHARED"

// Path returns the path of a file or folder below ../shared, relative to the
// root of the checkout. It skips or fails the test if there is none.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	return below(t, filepath.Join(filepath.Dir(checkout.Root()), "shared"), elem...)
}

func below(t testing.TB, root string, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{root}, elem...)...)
	reason := missing(path, filepath.Join(append([]string{"..", "shared"}, elem...)...))
	switch {
	case reason == "":
		return path
	case os.Getenv("CI") == "true" && os.Getenv(Without) != "1":
		t.Fatalf("%s, and CI=true runs every test; a run without recorded data sets %s=1", reason, Without)
	}
	t.Skipf("skipped: %s", reason)
	return ""
}

// missing returns why a file of the recorded data cannot be used, or "".
func missing(path, name string) string {
	isSkip := func(s string) bool { return strings.TrimSpace(s) == "shared" }
	if os.Getenv(Without) == "1" {
		return Without + "=1"
	}
	if slices.ContainsFunc(strings.Split(os.Getenv("BLUE_TEST_SKIP"), ","), isSkip) {
		return "BLUE_TEST_SKIP has shared"
	}
	if _, err := os.Stat(path); err != nil {
		return "the recorded data " + name + " are not on this machine"
	}
	return ""
}
