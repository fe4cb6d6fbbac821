package main

import (
	"cmp"
	"context"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
)

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
