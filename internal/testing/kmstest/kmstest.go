// Package kmstest gives tests a local KMS, clients of it and keys in it. A test
// fails if there is no server and BLUE_TEST_SKIP does not name it.
//
// internal/testing/kmslocal finds or starts the server, and
// internal/testing/kmsfault makes it refuse.
package kmstest

import (
	"cmp"
	"context"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmslocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// Region is the region of the keys.
const Region = "eu-central-1"

var endpoint = testrule.Endpoint(kmslocal.Kind, func(ctx context.Context, cache string) (*localserver.Server, error) {
	given := cmp.Or(os.Getenv("BLUE_TEST_KMS_ENDPOINT"), os.Getenv("AWS_ENDPOINT_URL_KMS"))
	return kmslocal.Find(ctx, kmslocal.Options{Endpoint: given, Cache: cache, Root: checkout.Root()})
})

// Endpoint returns the URL of a local KMS. The first call finds or starts it:
// BLUE_TEST_KMS_ENDPOINT, AWS_ENDPOINT_URL_KMS, or moto (see package kmslocal),
// which also serves S3 and STS there. If BLUE_TEST_SKIP has "kms", the test is
// skipped, and with CI=true it fails.
func Endpoint(t testing.TB) string {
	t.Helper()
	return endpoint(t)
}

// Credentials returns the credentials of a principal, whose access key id has
// only letters and digits. The secret is as long as FIPS 140-3 requires.
func Credentials(principal string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: principal, SecretAccessKey: "not-a-secret-of-anyone"}, nil
	})
}

// Client returns a client of the KMS at an endpoint for a principal.
func Client(endpoint, principal string) *kms.Client {
	return kms.New(kms.Options{
		Region: Region, BaseEndpoint: aws.String(endpoint), Credentials: Credentials(principal), Retryer: aws.NopRetryer{},
		HTTPClient: awsclient.HTTPClient(nil),
	})
}

// Key creates a key and returns its ARN.
func Key(t testing.TB) string {
	t.Helper()
	out, err := Client(Endpoint(t), "admin").CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	return aws.ToString(out.KeyMetadata.Arn)
}
