package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
)

// kmsAt is where the master key is, as the environment says. Without an ARN it
// is the key file.
type kmsAt struct {
	awsclient.Endpoint
	arn        string
	tables     string // name of the set of tables in the encryption context
	tablesFrom string
}

// used reports whether keys come from KMS. If they do, the key file is never
// read.
func (k kmsAt) used() bool { return k.arn != "" }

// inAWS reports whether AWS itself is asked with somebody's credentials.
func (k kmsAt) inAWS() bool { return k.used() && !k.IsLocal() && !k.IsExposed() }

// kmsAt reads the settings of KMS. Nothing is looked up or sent. An error of
// awskms for what is no key's ARN.
func (a *app) kmsAt(prefix string) (kmsAt, error) {
	k := kmsAt{arn: a.env("BLUE_KMS_KEY_ARN"), tables: prefix + "blue", tablesFrom: "table prefix"}
	if v := a.env("BLUE_KMS_TABLES"); v != "" {
		k.tables, k.tablesFrom = v, "BLUE_KMS_TABLES"
	}
	if err := keys.CheckUser(k.tables); err != nil { // the same form
		return k, usage("BLUE_KMS_TABLES must be printable, without spaces, at most %d bytes", maxUser)
	}
	if !k.used() {
		return k, nil
	}
	var err error
	k.Endpoint, err = awsclient.KMS.Find(awsclient.EndpointFlags{Insecure: a.flags.insecureEndpoint}, a.env)
	if wrong, ok := errors.AsType[*awsclient.EndpointError](err); ok {
		return k, &usageError{wrong.Error(), wrong.Hint()}
	}
	_, err = awskms.Connect(k.arn, awskms.Config{Endpoint: k.Endpoint, Insecure: k.IsExposed()})
	return k, err
}

// region is the one in the ARN, "" without one.
func (k kmsAt) region() string {
	if parts := strings.Split(k.arn, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}

// where names the server in messages.
func (k kmsAt) where() string {
	if k.URL != "" {
		return k.URL
	}
	return "AWS"
}

// provider returns the source of keys: KMS if a key in it is named, else the
// key file. Neither takes the other's place. Nothing is sent yet.
func (a *app) provider(ctx context.Context, c config, records backend) (keys.Provider, error) {
	if !c.kms.used() {
		return localfile.Open(c.umk, &localfile.Options{MayCreate: records.IsEmpty, SealedWith: records.SealedWith}), nil
	}
	return a.kmsProvider(ctx, c.kms, records)
}

func (a *app) kmsProvider(ctx context.Context, k kmsAt, records backend) (*awskms.Provider, error) {
	at, err := a.kmsConfig(ctx, k)
	if err != nil {
		return nil, err
	}
	client, err := awskms.Connect(k.arn, at)
	if err != nil {
		return nil, err
	}
	return awskms.New(k.arn, client, records, &awskms.Options{Tables: k.tables})
}

// kmsConfig says who asks. It reads AWS's own files where the environment does
// not say enough, and sends nothing.
func (a *app) kmsConfig(ctx context.Context, k kmsAt) (awskms.Config, error) {
	at := awskms.Config{Endpoint: k.Endpoint, Insecure: k.IsExposed()}
	var err error
	if at.Credentials, err = a.accessKey(); err != nil {
		return at, withHint(fmt.Errorf("%w: %w", blue.ErrSealed, err), "set both, or neither")
	}
	if k.IsLocal() || k.IsExposed() {
		return at, nil
	}
	loaded, err := loadAWS(ctx)
	if err != nil {
		return at, withHint(fmt.Errorf("%w: the AWS configuration cannot be read: %w", blue.ErrSealed, err), "check AWS_PROFILE, ~/.aws/config and ~/.aws/credentials")
	}
	at.AWS = &loaded
	return at, nil
}

// accessKey returns what AWS_ACCESS_KEY_ID and its secret say, nil if neither is
// set.
func (a *app) accessKey() (aws.CredentialsProvider, error) {
	id, secret := a.env("AWS_ACCESS_KEY_ID"), a.env("AWS_SECRET_ACCESS_KEY")
	switch {
	case (id == "") != (secret == ""):
		return nil, errors.New("there are no AWS credentials: of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set")
	case id == "":
		return nil, nil
	}
	return credentials.NewStaticCredentialsProvider(id, secret, a.env("AWS_SESSION_TOKEN")), nil
}
