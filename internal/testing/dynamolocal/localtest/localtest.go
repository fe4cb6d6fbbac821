// Package localtest gives tests a DynamoDB Local. A test fails if there is none
// and BLUE_TEST_SKIP does not name it.
package localtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

var endpoint = testrule.Endpoint(dynamolocal.Kind, func(ctx context.Context, cache string) (*localserver.Server, error) {
	compose := filepath.Join(checkout.Root(), "docker-compose.yml")
	return dynamolocal.Find(ctx, dynamolocal.Options{Endpoint: os.Getenv("DYNAMODB_ENDPOINT"), Compose: compose, Cache: cache})
})

// Endpoint returns the URL of a DynamoDB Local. The first call finds or starts
// it: DYNAMODB_ENDPOINT, a container engine, or the jar (see package
// dynamolocal). Other test binaries use the server at the same time. If
// BLUE_TEST_SKIP has "dynamodb", the test is skipped, and with CI=true it fails.
func Endpoint(t testing.TB) string {
	t.Helper()
	return endpoint(t)
}

// Main runs the tests of a package and exits. A TestMain calls it. Six tests run
// at the same time, because they wait for the server most of the time.
func Main(m *testing.M) {
	campaigntest.Prepare(6)
	os.Exit(m.Run())
}

// Jar returns the cache folder of the jar for the tests of starting and
// stopping it. Without Java they are skipped, and with CI=true they fail.
func Jar(t testing.TB) string {
	t.Helper()
	testrule.Need(t, dynamolocal.Kind.Skip)
	cache, err := localserver.Cache()
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
