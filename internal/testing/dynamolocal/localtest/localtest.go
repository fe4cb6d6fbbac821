// Package localtest gives tests a DynamoDB Local, and keeps the rule that none
// of them is left out unseen: where there is none, tests fail and say how to
// get one and how to go without.
package localtest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

var endpoint = testrule.Endpoint(dynamolocal.Kind, func(ctx context.Context, cache string) (*localserver.Server, error) {
	return dynamolocal.Find(ctx, dynamolocal.Options{Endpoint: os.Getenv("DYNAMODB_ENDPOINT"), Compose: compose(), Cache: cache})
})

// Endpoint returns the URL of the DynamoDB Local of this test binary, and finds
// or starts it at the first call: DYNAMODB_ENDPOINT, a container engine, the
// jar (see package dynamolocal). BLUE_TEST_SKIP, a list with commas, skips the
// test if it has "dynamodb"; where CI=true that is a failure.
func Endpoint(t testing.TB) string {
	t.Helper()
	return endpoint(t)
}

// Main runs the tests of a package, for its TestMain, and does not return. More
// run at once than there are cores, for a server or a disk is mostly waited for;
// -parallel decides if it is given.
func Main(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic("localtest: " + err.Error())
	}
	os.Exit(m.Run())
}

// Minutes is said by a TestMain whose package keeps its server busy for minutes:
// then Java's second compiler, which is off elsewhere, pays. Requests of the
// histories of internal/testing/cloudcampaign take half as long with it.
func Minutes() {
	if os.Getenv("_JAVA_OPTIONS") == "" {
		os.Setenv("_JAVA_OPTIONS", "-XX:TieredStopAtLevel=4")
	}
}

// Jar returns the cache folder of the jar, for the few tests of starting and
// stopping it. Where Java is missing they skip and say so; where CI=true they
// fail.
func Jar(t testing.TB) string {
	t.Helper()
	testrule.Wanted(t, "dynamodb")
	cache, err := testrule.Cache()
	if err != nil {
		t.Fatal(err)
	}
	err = dynamolocal.CheckJar(t.Context(), cache)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	return cache
}

// compose is the path of the repository's compose file.
func compose() string {
	_, here, _, _ := runtime.Caller(0)
	elem := append([]string{filepath.Dir(here)}, slices.Repeat([]string{".."}, 4)...)
	return filepath.Join(append(elem, "docker-compose.yml")...)
}
