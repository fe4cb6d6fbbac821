package main

import (
	"errors"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
)

// TestCallerIdentity requests the caller's identity from an STS. If STS does not
// answer, the audit log is unavailable. There is no anonymous caller.
func TestCallerIdentity(t *testing.T) {
	client := func(endpoint string) *sts.Client {
		return sts.New(sts.Options{
			Region: kmstest.Region, BaseEndpoint: aws.String(endpoint), Credentials: kmstest.Credentials("ada"), Retryer: aws.NopRetryer{},
		})
	}
	arn, err := callerIdentity(t.Context(), client(kmstest.Endpoint(t)))
	if err != nil || !regexp.MustCompile(`^arn:aws:(iam|sts)::\d{12}:.+$`).MatchString(arn) {
		t.Errorf("%q, %v", arn, err)
	}
	if got := userOf("ada " + arn); got != "ada" {
		t.Errorf("the user of that principal is %q", got)
	}
	arn, err = callerIdentity(t.Context(), client("http://127.0.0.1:1"))
	if !errors.Is(err, blue.ErrAudit) || arn != "" {
		t.Errorf("without an answer: %q, %v", arn, err)
	}
}
