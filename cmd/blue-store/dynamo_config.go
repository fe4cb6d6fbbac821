package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// dynamoAt is where the tables of DynamoDB are, as flags and environment say.
type dynamoAt struct {
	awsclient.Endpoint
	region     string
	regionFrom string
	prefix     string
	prefixFrom string
	account    string // AWS_ACCOUNT_ID, else AWS_PROFILE: tells the heads of two accounts apart
}

// dynamoAt reads the settings of DynamoDB. Nothing is looked up or sent.
func (a *app) dynamoAt() (dynamoAt, error) {
	d := dynamoAt{regionFrom: "the AWS profile", prefixFrom: "default"}
	var err error
	d.Endpoint, err = awsclient.DynamoDB.Find(awsclient.EndpointFlags{Endpoint: a.flags.endpoint, Given: a.flags.endpointGiven, Insecure: a.flags.insecureEndpoint}, a.env)
	if wrong, ok := errors.AsType[*awsclient.EndpointError](err); ok {
		return d, &usageError{wrong.Error(), wrong.Hint()}
	}
	for _, name := range []string{"AWS_DEFAULT_REGION", "AWS_REGION"} {
		if v := a.env(name); v != "" {
			d.region, d.regionFrom = v, name
		}
	}
	if d.Loopback && d.region == "" {
		d.region, d.regionFrom = "local", "default of a local endpoint"
	}
	if v := a.env("BLUE_TABLE_PREFIX"); v != "" {
		d.prefix, d.prefixFrom = v, "BLUE_TABLE_PREFIX"
	}
	if d.account = a.env("AWS_ACCOUNT_ID"); d.account == "" {
		d.account = a.env("AWS_PROFILE")
	}
	return d, nil
}

// where names the server in messages.
func (d dynamoAt) where() string {
	if d.URL != "" {
		return d.URL + d.prefixText()
	}
	return "AWS " + d.region + d.prefixText()
}

func (d dynamoAt) prefixText() string {
	if d.prefix == "" {
		return ""
	}
	return ", prefix " + d.prefix
}

// identity tells this store from others in the name of the heads' folder. A
// local server has one set of tables for all regions and accounts.
func (d dynamoAt) identity() string {
	parts := []string{"dynamodb", d.URL, d.prefix}
	if !d.Loopback {
		parts = append(parts, d.region, d.account)
	}
	return strings.Join(parts, "\n")
}

// credentials says where they come from, and never what they are: the order of
// dynamo.Config.
func (a *app) credentials(d awsclient.Endpoint) (what, from string) {
	const dummies = "dummies (local/local)"
	switch {
	case d.IsExposed():
		return dummies, "all that an insecure endpoint gets"
	case a.env("AWS_ACCESS_KEY_ID") != "":
		return "an access key", "AWS_ACCESS_KEY_ID"
	case d.IsLocal():
		return dummies, "default of a local endpoint"
	case a.env("AWS_PROFILE") != "":
		return "profile " + a.env("AWS_PROFILE"), "AWS_PROFILE"
	}
	return "what the AWS SDK finds", "the AWS default chain"
}

// dynamoConfig returns the configuration of the DynamoDB store and its tables.
// It reads AWS's own files where the environment does not say enough, and
// sends nothing. A usage error where a setting is malformed; ErrUnavailable
// where region or credentials are missing.
func (a *app) dynamoConfig(ctx context.Context) (dynamo.Config, error) {
	d, err := a.dynamoAt()
	if err != nil {
		return dynamo.Config{}, err
	}
	c := dynamo.Config{Endpoint: d.URL, EndpointFrom: d.From, Insecure: d.IsExposed(), Region: d.region, Prefix: d.prefix}
	if c.Credentials, err = a.accessKey(); err != nil {
		return c, withHint(fmt.Errorf("%w: %w", blue.ErrUnavailable, err), "set both, or neither")
	}
	if d.IsLocal() { // no file and no role is asked for a server on this machine
		return c, nil
	}
	loaded, err := loadAWS(ctx)
	if err != nil {
		return c, withHint(fmt.Errorf("%w: the AWS configuration cannot be read: %w", blue.ErrUnavailable, err), "check AWS_PROFILE, ~/.aws/config and ~/.aws/credentials")
	}
	c.AWS = &loaded
	if c.Region == "" {
		c.Region = loaded.Region
	}
	if c.Region == "" {
		return c, withHint(fmt.Errorf("%w: no AWS region is set", blue.ErrUnavailable),
			"set AWS_REGION, for example AWS_REGION=eu-central-1, or an endpoint on this machine: DYNAMODB_ENDPOINT=http://localhost:8000")
	}
	return c, nil
}
