// Package testrule has the rule for tests that need a local server or a program
// of the machine. BLUE_TEST_SKIP, a list with commas, names what to go without:
// dynamodb, kms, python, or a program such as just. A test of a server that is
// missing and not named fails and states how to get the server and how to go
// without it. A test of a program that is missing is skipped with the reason.
// With CI=true both fail.
//
// The package knows no particular server: internal/testing/localserver finds
// servers, and localtest and kmstest pass them to tests.
package testrule

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/pythonenv"
)

// searchTimeout limits a search. The first search may download 300 MB and wait
// for another process that does.
const searchTimeout = 20 * time.Minute

// Endpoint returns a function that gives a test the URL of a server. The first
// test calls find with the cache folder. The tests of a binary share the server
// with other binaries, so they make names of their own there. If
// BLUE_TEST_SKIP names the server, the test is skipped. If no server is found,
// the test fails.
func Endpoint(k localserver.Kind, find func(ctx context.Context, cache string) (*localserver.Server, error)) func(testing.TB) string {
	once := sync.OnceValues(func() (*localserver.Server, error) {
		cache, err := localserver.Cache()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), searchTimeout)
		defer cancel()
		server, err := find(ctx, cache)
		if err == nil {
			fmt.Fprintf(os.Stderr, "%s for these tests: %s, %s\n", k.Name, server.How, server.Endpoint)
		}
		return server, err
	})
	return func(t testing.TB) string {
		t.Helper()
		Need(t, k.Skip)
		server, err := once()
		if err != nil {
			t.Fatalf("%v\nfix: %s\ngo without: BLUE_TEST_SKIP=%s", err, k.Fix, k.Skip)
		}
		return server.Endpoint
	}
}

// Need ends the test if BLUE_TEST_SKIP names what it needs. The test is skipped,
// and with CI=true it fails.
func Need(t testing.TB, name string) {
	t.Helper()
	if !isSkipped(os.Getenv("BLUE_TEST_SKIP"), name) {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("BLUE_TEST_SKIP has %s, but CI=true runs every test: unset it", name)
	}
	t.Skipf("skipped: BLUE_TEST_SKIP has %s", name)
}

// isSkipped reports whether the list of BLUE_TEST_SKIP has a name.
func isSkipped(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(item) == name {
			return true
		}
	}
	return false
}

// Program returns the path of a program in PATH or in the virtual
// environment in the cache. If there is none, the test is skipped, and with
// CI=true it fails.
func Program(t testing.TB, name string) string {
	t.Helper()
	Need(t, name)
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if cache, cacheErr := localserver.Cache(); cacheErr == nil {
		if own, ownErr := exec.LookPath(pythonenv.Path(cache, name)); ownErr == nil {
			return own
		}
	}
	missing(t, fmt.Errorf("%s is not installed", name))
	return ""
}

var pythons sync.Map // func() (string, error), by module

// Python returns the path of a Python 3 that has a module. If there is none,
// the test is skipped, and with CI=true it fails.
func Python(t testing.TB, module string) string {
	t.Helper()
	Need(t, "python")
	find, _ := pythons.LoadOrStore(module, sync.OnceValues(func() (string, error) {
		cache, err := localserver.Cache()
		if err != nil {
			return "", err
		}
		return pythonenv.Find(context.Background(), cache, "import "+module)
	}))
	path, err := find.(func() (string, error))()
	if err != nil {
		missing(t, err)
	}
	return path
}

// missing skips a test, and with CI=true it fails.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v, and CI=true runs every test: scripts/test --install", err)
	}
	t.Skipf("skipped: %v (scripts/test --install)", err)
}
