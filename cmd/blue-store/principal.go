package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// caller is the identity that AWS knows this run by, for the audit log.
func (c config) caller(ctx context.Context) (string, error) {
	loaded, err := loadAWS(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: the AWS configuration: %w", blue.ErrAudit, err)
	}
	if loaded.Region == "" {
		loaded.Region = cmp.Or(c.dynamo.region, c.kms.region())
	}
	return callerIdentity(ctx, sts.NewFromConfig(loaded))
}

// userOf is the user in a principal.
func userOf(principal string) string {
	user, _, _ := strings.Cut(principal, " ")
	return user
}

// asksAWS reports whether credentials of AWS are used, and not the dummies of
// a server on this machine.
func (c config) asksAWS() bool {
	return c.kind == kindDynamoDB && !c.dynamo.IsLocal() && !c.dynamo.IsExposed() || c.kms.inAWS()
}

// callerIdentity returns the ARN that AWS knows the caller by.
func callerIdentity(ctx context.Context, client *sts.Client) (string, error) {
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", withHint(fmt.Errorf("%w: AWS does not say who is calling: %w", blue.ErrAudit, err), "aws sts get-caller-identity")
	}
	return aws.ToString(out.Arn), nil
}

// loadAWS reads the environment and AWS's own files. The SDK says nothing on
// standard error itself: what matters is in its errors.
func loadAWS(ctx context.Context) (aws.Config, error) {
	c, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if c.Credentials != nil {
		c.Credentials = awsclient.Checked(c.Credentials)
	}
	return c, err
}
