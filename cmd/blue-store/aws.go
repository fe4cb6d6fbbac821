package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
)

// dynamoAddress is the address of the DynamoDB tables from flags and environment.
type dynamoAddress struct {
	awsclient.Endpoint
	region     string
	regionFrom string
	prefix     string
	prefixFrom string
	account    string // AWS_ACCOUNT_ID, or AWS_PROFILE: separates the freshness records of two accounts
}

// dynamoSettings reads the settings of DynamoDB. It sends nothing.
func (a *app) dynamoSettings() (d dynamoAddress, err error) {
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
func (d dynamoAddress) where() string {
	at := cmp.Or(d.URL, "AWS "+d.region)
	if d.prefix != "" {
		at += ", prefix " + d.prefix
	}
	return at
}

// identity returns the text from which the folder name of the freshness records
// is computed. A local server has one set of tables for all regions and accounts.
func (d dynamoAddress) identity() string {
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
	d, err := a.dynamoSettings()
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

// kmsAt is the address of the master key in KMS. Without an ARN, the master key
// is the key file.
type kmsAt struct {
	awsclient.Endpoint
	arn        string
	tables     string // name of the set of tables in the encryption context
	tablesFrom string
}

// isSet reports whether keys come from KMS. Then the key file is never read.
func (k kmsAt) isSet() bool { return k.arn != "" }

// isOnAWS reports whether keys come from AWS itself, with real credentials.
func (k kmsAt) isOnAWS() bool { return k.isSet() && !k.IsLocal() && !k.IsExposed() }

// where returns the address of the server for messages.
func (k kmsAt) where() string { return cmp.Or(k.URL, "AWS") }

// kmsAt reads the settings of KMS. It sends nothing.
func (a *app) kmsAt(prefix string) (kmsAt, error) {
	k := kmsAt{arn: a.env("BLUE_KMS_KEY_ARN")}
	k.tables, k.tablesFrom = a.envOr("BLUE_KMS_TABLES", prefix+"blue", "table prefix")
	if err := keys.CheckUser(k.tables); err != nil { // the rules are the same
		return k, usage("BLUE_KMS_TABLES must be printable, without spaces, at most %d bytes", maxUser)
	}
	if !k.isSet() {
		return k, nil
	}
	var err error
	if k.Endpoint, err = a.findEndpoint(awsclient.KMS, awsclient.EndpointFlags{}); err != nil {
		return k, err
	}
	_, err = awskms.Connect(k.arn, awskms.Config{Endpoint: k.Endpoint, Insecure: k.IsExposed()})
	return k, err
}

// provider returns the source of keys: KMS if an ARN is set, otherwise the key
// file. There is no fallback between them. It sends nothing.
func (a *app) provider(ctx context.Context, c config, records backend) (keys.Provider, error) {
	if !c.kms.isSet() {
		return localfile.Open(c.umk, &localfile.Options{MayCreate: records.IsEmpty, SealedWith: records.SealedWith}), nil
	}
	return a.kmsProvider(ctx, c.kms, records)
}

// kmsProvider returns the provider of the key in KMS. It sends nothing.
func (a *app) kmsProvider(ctx context.Context, k kmsAt, records backend) (*awskms.Provider, error) {
	at := awskms.Config{Endpoint: k.Endpoint, Insecure: k.IsExposed()}
	var err error
	if at.Credentials, at.AWS, err = a.awsAccess(ctx, k.IsLocal() || k.IsExposed(), blue.ErrSealed); err != nil {
		return nil, err
	}
	client, err := awskms.Connect(k.arn, at)
	if err != nil {
		return nil, err
	}
	return awskms.New(k.arn, client, records, &awskms.Options{Tables: k.tables})
}

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
