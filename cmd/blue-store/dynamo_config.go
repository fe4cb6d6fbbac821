package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// dynamoAt is the address of the DynamoDB tables from flags and environment.
type dynamoAt struct {
	awsclient.Endpoint
	region     string
	regionFrom string
	prefix     string
	prefixFrom string
	account    string // AWS_ACCOUNT_ID, or AWS_PROFILE: separates the freshness records of two accounts
}

// dynamoAt reads the settings of DynamoDB. It sends nothing.
func (a *app) dynamoAt() (d dynamoAt, err error) {
	d.Endpoint, err = a.findEndpoint(awsclient.DynamoDB, awsclient.EndpointFlags{Endpoint: a.flags.endpoint, Given: a.flags.endpointGiven})
	if err != nil {
		return d, err
	}
	d.region, d.regionFrom = a.envOr("AWS_DEFAULT_REGION", "", "the AWS profile")
	d.region, d.regionFrom = a.envOr("AWS_REGION", d.region, d.regionFrom)
	if d.Loopback && d.region == "" {
		d.region, d.regionFrom = "local", "default of a local endpoint"
	}
	d.prefix, d.prefixFrom = a.envOr("BLUE_TABLE_PREFIX", "", "default")
	d.account, _ = a.envOr("AWS_ACCOUNT_ID", a.env("AWS_PROFILE"), "")
	return d, nil
}

// findEndpoint returns the endpoint of an AWS service. A setting that cannot be
// used is a usageError.
func (a *app) findEndpoint(service awsclient.Service, flags awsclient.EndpointFlags) (awsclient.Endpoint, error) {
	flags.Insecure = a.flags.insecureEndpoint
	at, err := service.Find(flags, a.env)
	if wrong, ok := errors.AsType[*awsclient.EndpointError](err); ok {
		err = &usageError{wrong.Error(), wrong.Hint()}
	}
	return at, err
}

// where returns the address of the tables for messages.
func (d dynamoAt) where() string {
	at := cmp.Or(d.URL, "AWS "+d.region)
	if d.prefix != "" {
		at += ", prefix " + d.prefix
	}
	return at
}

// identity returns the text from which the folder name of the freshness records
// is computed. A local server has one set of tables for all regions and accounts.
func (d dynamoAt) identity() string {
	parts := []string{"dynamodb", d.URL, d.prefix}
	if !d.Loopback {
		parts = append(parts, d.region, d.account)
	}
	return strings.Join(parts, "\n")
}

// credentials describes the credentials and names their source. It never
// returns a secret. The order is the one of dynamo.Config.
func (a *app) credentials(d awsclient.Endpoint) (what, from string) {
	const dummies = "dummies (local/local)"
	switch {
	case d.IsExposed():
		return dummies, "required for an insecure endpoint"
	case a.env("AWS_ACCESS_KEY_ID") != "":
		return "an access key", "AWS_ACCESS_KEY_ID"
	case d.IsLocal():
		return dummies, "default of a local endpoint"
	case a.env("AWS_PROFILE") != "":
		return "profile " + a.env("AWS_PROFILE"), "AWS_PROFILE"
	}
	return "found by the AWS SDK", "the AWS default chain"
}

// dynamoConfig returns the configuration of the DynamoDB store and its tables.
// It sends nothing. The error is ErrUnavailable if the region or the credentials
// are missing, and a usageError if a setting is malformed.
func (a *app) dynamoConfig(ctx context.Context) (dynamo.Config, error) {
	d, err := a.dynamoAt()
	if err != nil {
		return dynamo.Config{}, err
	}
	c := dynamo.Config{Endpoint: d.URL, EndpointFrom: d.From, Insecure: d.IsExposed(), Region: d.region, Prefix: d.prefix}
	if c.Credentials, c.AWS, err = a.awsAccess(ctx, d.IsLocal(), blue.ErrUnavailable); err != nil || c.AWS == nil {
		return c, err
	}
	if c.Region = cmp.Or(c.Region, c.AWS.Region); c.Region == "" {
		return c, withHint(fmt.Errorf("%w: no AWS region is set", blue.ErrUnavailable),
			"set AWS_REGION, for example AWS_REGION=eu-central-1, or an endpoint on this machine: DYNAMODB_ENDPOINT=http://localhost:8000")
	}
	return c, nil
}

// awsAccess returns the access key of the environment, nil if there is none, and
// the AWS configuration. The configuration is nil for a local server, which needs
// no configuration files. Errors are of the given class.
func (a *app) awsAccess(ctx context.Context, isLocal bool, class error) (key aws.CredentialsProvider, loaded *aws.Config, err error) {
	id, secret := a.env("AWS_ACCESS_KEY_ID"), a.env("AWS_SECRET_ACCESS_KEY")
	if (id == "") != (secret == "") {
		return nil, nil, withHint(fmt.Errorf("%w: there are no AWS credentials: of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, only one is set", class), "set both, or neither")
	}
	if id != "" {
		key = credentials.NewStaticCredentialsProvider(id, secret, a.env("AWS_SESSION_TOKEN"))
	}
	if isLocal {
		return key, nil, nil
	}
	found, err := loadAWS(ctx)
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("%w: reading the AWS configuration: %w", class, err), "check AWS_PROFILE, ~/.aws/config and ~/.aws/credentials")
	}
	return key, &found, nil
}
