// Package kmstest gives tests a KMS with a key in it, and keeps the rule that
// none of them is left out unseen.
//
// What belongs here: keys and clients for one test at a time. What does not:
// finding or starting the server (internal/kmslocal), and refusals
// (internal/kmsfault).
package kmstest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/superviber/blue-encrypted-store/internal/kmslocal"
	"github.com/superviber/blue-encrypted-store/internal/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testrule"
)

// Region is the region of the keys.
const Region = "eu-central-1"

// within bounds the search: the first one may fetch 100 MB.
const within = 10 * time.Minute

// find looks once in the life of a test binary. The server is shared by its
// tests, which make their own keys; it ends with the process.
var find = sync.OnceValues(func() (*kmslocal.Server, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	server, err := kmslocal.Find(ctx, kmslocal.Options{
		Endpoint: first(os.Getenv("BLUE_TEST_KMS_ENDPOINT"), os.Getenv("AWS_ENDPOINT_URL_KMS")),
		Cache:    filepath.Join(cache, localserver.Folder),
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "KMS for these tests: %s, %s\n", server.How, server.Endpoint)
	return server, nil
})

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Endpoint returns the URL of the KMS of this test binary, and finds or starts
// it at the first call: BLUE_TEST_KMS_ENDPOINT, AWS_ENDPOINT_URL_KMS, moto (see
// package kmslocal), which serves S3 and STS there as well. BLUE_TEST_SKIP, a
// list with commas, skips the test if it has "kms"; where CI=true that is a
// failure.
func Endpoint(t testing.TB) string {
	t.Helper()
	testrule.Wanted(t, "kms")
	server, err := find()
	if err != nil {
		t.Fatalf("%v\nfix: install python3 and python3-venv, or pip install 'moto[server]==%s', or set BLUE_TEST_KMS_ENDPOINT\ngo without: BLUE_TEST_SKIP=kms", err, kmslocal.Version)
	}
	return server.Endpoint
}

// Credentials signs as a principal, whose access key id is letters and digits.
// The secret is as long as FIPS 140-3 asks.
func Credentials(principal string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: principal, SecretAccessKey: "not-a-secret-of-anyone"}, nil
	})
}

// Client returns a client of the KMS at an endpoint for a principal.
func Client(endpoint, principal string) *kms.Client {
	return kms.New(kms.Options{
		Region: Region, BaseEndpoint: aws.String(endpoint), Credentials: Credentials(principal), Retryer: aws.NopRetryer{},
	})
}

// Key makes a key and returns its ARN.
func Key(t testing.TB) string {
	t.Helper()
	out, err := Client(Endpoint(t), "admin").CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	return aws.ToString(out.KeyMetadata.Arn)
}
