package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// caller returns the ARN of the caller in AWS for the audit log.
func (c config) caller(ctx context.Context) (string, error) {
	loaded, err := loadAWS(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: reading the AWS configuration: %w", blue.ErrAudit, err)
	}
	key, _ := arn.Parse(c.kms.arn) // without an ARN, the region is empty
	loaded.Region = cmp.Or(loaded.Region, c.dynamo.region, key.Region)
	return callerIdentity(ctx, sts.NewFromConfig(loaded, func(o *sts.Options) { o.HTTPClient = awsclient.HTTPClient(o.HTTPClient) }))
}

// userOf returns the user name in the name of a principal. The name also
// contains the caller's ARN if the user is known to AWS.
func userOf(principal string) string {
	user, _, _ := strings.Cut(principal, " ")
	return user
}

// isOnAWS reports whether the run uses real AWS credentials, not the dummies for
// a local server.
func (c config) isOnAWS() bool {
	return c.kind == kindDynamoDB && !c.dynamo.IsLocal() && !c.dynamo.IsExposed() || c.kms.isOnAWS()
}

// callerIdentity returns the caller's ARN from AWS STS.
func callerIdentity(ctx context.Context, client *sts.Client) (string, error) {
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", withHint(fmt.Errorf("%w: requesting the identity of the caller from AWS: %w", blue.ErrAudit, err), "aws sts get-caller-identity")
	}
	return aws.ToString(out.Arn), nil
}

// loadAWS reads the environment and the AWS configuration files. The SDK must not
// log to standard error, because its errors contain the details.
func loadAWS(ctx context.Context) (aws.Config, error) {
	c, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if c.Credentials != nil {
		c.Credentials = awsclient.Checked(c.Credentials)
	}
	return c, err
}
