// Package localtest gives tests a DynamoDB Local, and keeps the rule that none
// of them is left out unseen: where there is none, tests fail and say how to
// get one and how to go without.
package localtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testrule"
)

// within bounds the search: the first one may fetch 50 MB.
const within = 10 * time.Minute

// find looks once in the life of a test binary. The server is shared by its
// tests, so they name their tables apart; it ends with the process.
var find = sync.OnceValues(func() (*dynamolocal.Server, error) {
	cache, err := cacheFolder()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	server, err := dynamolocal.Find(ctx, dynamolocal.Options{
		Endpoint: os.Getenv("DYNAMODB_ENDPOINT"),
		Compose:  compose(),
		Cache:    cache,
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "DynamoDB Local for these tests: %s, %s\n", server.How, server.Endpoint)
	return server, nil
})

// Endpoint returns the URL of the DynamoDB Local of this test binary, and finds
// or starts it at the first call: DYNAMODB_ENDPOINT, a container engine, the
// jar (see package dynamolocal). BLUE_TEST_SKIP, a list with commas, skips the
// test if it has "dynamodb"; where CI=true that is a failure.
func Endpoint(t testing.TB) string {
	t.Helper()
	testrule.Wanted(t, "dynamodb")
	server, err := find()
	if err != nil {
		t.Fatalf("%v\nfix: start a container engine, or install Java 17 and Maven, or set DYNAMODB_ENDPOINT\ngo without: BLUE_TEST_SKIP=dynamodb", err)
	}
	return server.Endpoint
}

// Jar returns the cache folder of the jar, for the few tests of starting and
// stopping it. Where Java is missing they skip and say so; where CI=true they
// fail.
func Jar(t testing.TB) string {
	t.Helper()
	testrule.Wanted(t, "dynamodb")
	cache, err := cacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err = dynamolocal.CheckJar(ctx, cache)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	return cache
}

func cacheFolder() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, localserver.Folder), err
}

// compose is the path of the repository's compose file.
func compose() string {
	_, here, _, _ := runtime.Caller(0)
	elem := append([]string{filepath.Dir(here)}, slices.Repeat([]string{".."}, 3)...)
	return filepath.Join(append(elem, "docker-compose.yml")...)
}
