// Package kmstest gives tests a KMS with a key in it, and keeps the rule that
// none of them is left out unseen.
//
// What belongs here: keys and clients for one test at a time. What does not:
// finding or starting the server (internal/testing/kmslocal), and refusals
// (internal/testing/kmsfault).
package kmstest

import (
	"cmp"
	"context"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/superviber/blue-encrypted-store/internal/testing/kmslocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// Region is the region of the keys.
const Region = "eu-central-1"

var endpoint = testrule.Endpoint(kmslocal.Kind, func(ctx context.Context, cache string) (*localserver.Server, error) {
	given := cmp.Or(os.Getenv("BLUE_TEST_KMS_ENDPOINT"), os.Getenv("AWS_ENDPOINT_URL_KMS"))
	return kmslocal.Find(ctx, kmslocal.Options{Endpoint: given, Cache: cache})
})

// Endpoint returns the URL of the KMS of this test binary, and finds or starts
// it at the first call: BLUE_TEST_KMS_ENDPOINT, AWS_ENDPOINT_URL_KMS, moto (see
// package kmslocal), which serves S3 and STS there as well. BLUE_TEST_SKIP, a
// list with commas, skips the test if it has "kms"; where CI=true that is a
// failure.
func Endpoint(t testing.TB) string {
	t.Helper()
	return endpoint(t)
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
