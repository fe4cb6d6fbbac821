// Package testrule keeps the rule that no test of a local service is left out
// unseen: it runs, or it fails and says how to get the service and how to go
// without; and where CI=true it runs.
//
// What belongs here: nothing that knows which service it is. What does not:
// the search (internal/testing/localserver) and what a service gives to tests
// (internal/testing/dynamolocal/localtest, internal/testing/kmstest).
package testrule

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// within bounds a search: the first one may fetch 150 MB.
const within = 10 * time.Minute

// Endpoint returns what gives a test the URL of the one server of a kind that
// its test binary has. find, which is handed the folder of the cache, is called
// once, by the first test. The server is shared, so tests name apart what they
// make there; it ends with the process. Where it is not Wanted or not found,
// the test ends.
func Endpoint(k localserver.Kind, find func(ctx context.Context, cache string) (*localserver.Server, error)) func(testing.TB) string {
	once := sync.OnceValues(func() (*localserver.Server, error) {
		cache, err := Cache()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		server, err := find(ctx, cache)
		if err == nil {
			fmt.Fprintf(os.Stderr, "%s for these tests: %s, %s\n", k.Name, server.How, server.Endpoint)
		}
		return server, err
	})
	return func(t testing.TB) string {
		t.Helper()
		Wanted(t, k.Skip)
		server, err := once()
		if err != nil {
			t.Fatalf("%v\nfix: %s\ngo without: BLUE_TEST_SKIP=%s", err, k.Fix, k.Skip)
		}
		return server.Endpoint
	}
}

// Cache returns the folder of this project in the user's cache folder.
func Cache() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, localserver.Folder), err
}

// Wanted ends the test if BLUE_TEST_SKIP, a list with commas, names the
// service: it is skipped, and where CI=true it fails.
func Wanted(t testing.TB, service string) {
	t.Helper()
	reason := optOut(os.Getenv("BLUE_TEST_SKIP"), service)
	if reason == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, but CI=true runs every test: unset it", reason)
	}
	t.Skipf("skipped: %s", reason)
}

// optOut returns why the tests of a service are left out, "" if they are not.
func optOut(skip, service string) string {
	for name := range strings.SplitSeq(skip, ",") {
		if strings.TrimSpace(name) == service {
			return "BLUE_TEST_SKIP has " + service
		}
	}
	return ""
}
