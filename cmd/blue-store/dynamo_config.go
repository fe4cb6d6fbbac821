package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
)

// dynamoAt is where the tables of DynamoDB are, as flags and environment say.
type dynamoAt struct {
	endpoint     string // without a trailing slash; "" for AWS
	endpointFrom string
	loopback     bool // the endpoint is on this machine
	plain        bool // and is spoken to by plain http
	insecure     bool // plain http to another host, by --insecure-endpoint
	region       string
	regionFrom   string
	prefix       string
	prefixFrom   string
	account      string // AWS_ACCOUNT_ID, else AWS_PROFILE: tells the heads of two accounts apart
}

// endpointNames are the variables that may set the endpoint, the first one
// that does wins. --endpoint stands above them.
var endpointNames = []string{"DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"}

// dynamoAt reads the settings of DynamoDB. Nothing is looked up or sent.
func (a *app) dynamoAt() (dynamoAt, error) {
	d := dynamoAt{endpointFrom: "default: AWS", regionFrom: "the AWS profile", prefixFrom: "default"}
	text, from := a.flags.endpoint, "--endpoint"
	if a.flags.endpointGiven && text == "" {
		return d, usage("--endpoint is empty; leave it out to use AWS, or: --endpoint http://localhost:8000")
	}
	for _, name := range endpointNames {
		if text == "" {
			text, from = a.env(name), name
		}
	}
	if text != "" {
		if err := d.setEndpoint(text, from, a.flags.insecureEndpoint); err != nil {
			return d, err
		}
	}
	for _, name := range []string{"AWS_DEFAULT_REGION", "AWS_REGION"} {
		if v := a.env(name); v != "" {
			d.region, d.regionFrom = v, name
		}
	}
	if d.loopback && d.region == "" {
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

// setEndpoint checks an endpoint and writes it one way. A message shows the
// text only where no password can be in it.
func (d *dynamoAt) setEndpoint(text, from string, insecure bool) error {
	d.endpointFrom = from
	bad := func(why string) error {
		return &usageError{"the endpoint from " + from + " " + why, "for example http://localhost:8000; config explain shows what is set where"}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("is not a URL")
	case u.User != nil:
		return bad("holds a user or a password; credentials go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("does not begin with http:// or https://")
	case u.Hostname() == "":
		return bad("names no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("must end after the host and the port")
	}
	host := strings.ToLower(u.Host)
	d.endpoint, d.plain = u.Scheme+"://"+host, u.Scheme == "http"
	d.loopback = isLoopback(strings.ToLower(u.Hostname()))
	if !d.plain || d.loopback {
		return nil
	}
	if !insecure {
		return &usageError{
			fmt.Sprintf("the endpoint %s (from %s) is plain http to another host: it would show who asks for what; nothing was sent", d.endpoint, from),
			"use https, a tunnel that ends on localhost, or --insecure-endpoint",
		}
	}
	d.insecure = true
	return nil
}

// isLoopback asks no resolver: a name other than localhost may lead anywhere.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// where names the server in messages.
func (d dynamoAt) where() string {
	if d.endpoint != "" {
		return d.endpoint + d.prefixText()
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
	parts := []string{"dynamodb", d.endpoint, d.prefix}
	if !d.loopback {
		parts = append(parts, d.region, d.account)
	}
	return strings.Join(parts, "\n")
}

// credentials says where they come from, and never what they are.
func (a *app) credentials(d dynamoAt) (what, from string) {
	switch {
	case a.env("AWS_ACCESS_KEY_ID") != "":
		return "an access key", "AWS_ACCESS_KEY_ID"
	case d.loopback && d.plain:
		return "dummies (local/local)", "default of a local endpoint"
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
	c := dynamo.Config{Endpoint: d.endpoint, EndpointFrom: d.endpointFrom, Insecure: d.insecure, Region: d.region, Prefix: d.prefix}
	if d.endpoint == "" {
		c.EndpointFrom = ""
	}
	id, secret := a.env("AWS_ACCESS_KEY_ID"), a.env("AWS_SECRET_ACCESS_KEY")
	if (id == "") != (secret == "") {
		return c, withHint(fmt.Errorf("%w: there are no AWS credentials: of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set", blue.ErrUnavailable), "set both, or neither")
	}
	if id != "" {
		c.Credentials = credentials.NewStaticCredentialsProvider(id, secret, a.env("AWS_SESSION_TOKEN"))
	}
	if d.loopback && d.plain { // no file and no role is asked for a server on this machine
		return c, nil
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx)
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
