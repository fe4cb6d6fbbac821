package awskms_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/memory"
)

func TestARN(t *testing.T) {
	for _, good := range []string{
		someARN,
		"arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
	} {
		if _, err := awskms.New(good, nil, memory.New(), nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"": "it is empty",
		"arn:aws:kms:eu-central-1:111122223333:alias/blue": "it is an alias",
		"alias/blue":                           "it is an alias",
		"1234abcd-12ab-34cd-56ef-1234567890ab": "it is not an ARN",
		"arn:aws:kms::111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab":     "not of the form",
		"arn:aws:kms:eu-central-1:1111:key/1234abcd-12ab-34cd-56ef-1234567890ab": "not of the form",
		"arn:aws:s3:eu-central-1:111122223333:key/x":                             "not of the form",
		someARN + "\n": "not of the form",
		someARN + " ":  "not of the form",
		"arn:aws:kms:eu-central-1@evil.example/:111122223333:key/1234abcd-12ab-34cd-56": "not of the form",
	} {
		_, err := awskms.New(bad, nil, memory.New(), nil)
		e, ok := errors.AsType[*awskms.Error](err)
		if !ok || e.Reason != awskms.BadARN || !errors.Is(err, blue.ErrSealed) || !strings.Contains(err.Error(), want) || !strings.Contains(e.Hint(), "BLUE_KMS_KEY_ARN") {
			t.Errorf("%q: %v; want %q", bad, err, want)
		}
		if _, err := awskms.Connect(bad, awskms.Config{}); !errors.Is(err, blue.ErrSealed) {
			t.Errorf("Connect accepts %q: %v", bad, err)
		}
	}
}

func at(t *testing.T, url string) awsclient.Endpoint {
	t.Helper()
	if url == "" {
		return awsclient.Endpoint{}
	}
	e, err := awsclient.ParseEndpoint(url, "AWS_ENDPOINT_URL_KMS")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestConnect checks the credentials and the endpoint of a client. Credentials are
// never sent to another host by plain http.
func TestConnect(t *testing.T) {
	chain := &aws.Config{Region: "us-east-1", Credentials: kmstest.Credentials("AKIACHAIN"), BaseEndpoint: aws.String("https://other.example")}
	own := kmstest.Credentials("AKIAOWN")
	for _, c := range []struct {
		url      string
		insecure bool
		own      aws.CredentialsProvider
		chain    *aws.Config
		key      string
	}{
		{"", false, nil, chain, "AKIACHAIN"},
		{"", false, own, chain, "AKIAOWN"},
		{"https://kms.example", false, nil, chain, "AKIACHAIN"},
		{"http://127.0.0.1:5000", false, nil, chain, "local"},
		{"http://127.0.0.1:5000", false, own, chain, "AKIAOWN"},
		{"http://moto.example:5000", true, own, chain, "local"},
		{"http://moto.example:5000", true, nil, chain, "local"},
	} {
		client, err := awskms.Connect(someARN, awskms.Config{Endpoint: at(t, c.url), Insecure: c.insecure, Credentials: c.own, AWS: c.chain})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		o := client.Options()
		found, err := o.Credentials.Retrieve(ctx)
		if err != nil || found.AccessKeyID != c.key || len(found.SecretAccessKey) < 14 || aws.ToString(o.BaseEndpoint) != c.url || o.Region != "eu-central-1" {
			t.Errorf("%s: credentials %s, endpoint %q, region %s, %v", c.url, found.AccessKeyID, aws.ToString(o.BaseEndpoint), o.Region, err)
		}
	}
	if _, err := awskms.Connect(someARN, awskms.Config{Endpoint: at(t, "http://moto.example:5000")}); !errors.Is(err, blue.ErrInvalid) || !strings.Contains(err.Error(), "nothing was sent") {
		t.Errorf("plain http to another host: %v", err)
	}
	if aws.ToString(chain.BaseEndpoint) == "" || chain.Region != "us-east-1" {
		t.Error("the caller's configuration was changed")
	}
}

// TestNoCredentials: missing credentials, or a failing source of credentials, are
// reported, and nothing is sent.
func TestNoCredentials(t *testing.T) {
	asked := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	broken := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("the profile is not there")
	})
	for _, given := range []aws.CredentialsProvider{nil, broken} {
		client, err := awskms.Connect(someARN, awskms.Config{Endpoint: at(t, server.URL), Credentials: given, HTTPClient: server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		err = derive(t, offline(t, client), "ada")
		if e, ok := errors.AsType[*awskms.Error](err); !ok || e.Reason != awskms.Credentials || e.Tries != 1 {
			t.Errorf("%v", err)
		}
	}
	if asked {
		t.Error("a request was sent")
	}
}
