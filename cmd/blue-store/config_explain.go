package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

func configCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:     "config",
		Short:   "Show the settings and the source of each",
		Example: "  blue-store config explain",
	}, []func(*app) *cobra.Command{configExplainCommand})
}

func configExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain",
		Short: "Print every setting and its source",
		Long: "Prints every setting and its source: a flag, an environment variable or a default. It opens,\n" +
			"creates and sends nothing, and prints no secret. Settings that the current store does not use\n" +
			"are marked.",
		Example: "  blue-store config explain\n  blue-store config explain --store dynamodb --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.configExplain(c.Context()) },
	}
}

// configAnswer is the answer of config explain, schema blue-store/config@1.
type configAnswer struct {
	Schema   string    `json:"schema"`
	Settings []setting `json:"settings"`
}

// setting is one setting with its source. If a setting is malformed, the command
// fails before it prints any.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
	Used  bool   `json:"used"` // by the current store
}

func (a *app) configExplain(ctx context.Context) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	d := c.dynamo
	if c.kind != kindDynamoDB {
		if d, err = a.dynamoAt(); err != nil {
			return err
		}
	} else if d.region == "" {
		at, err := a.dynamoConfig(ctx)
		if err != nil {
			return err
		}
		d.region = at.Region
	}
	answer := configAnswer{"blue-store/config@1", a.settings(c, d)}
	return a.answer(answer, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range answer.Settings {
			unused := ""
			if !s.Used {
				unused = " (not used)"
			}
			fmt.Fprintf(t, "%s\t%s\t%s%s\n", s.Name, oneLine(s.Value), oneLine(s.From), unused)
		}
		t.Flush()
	})
}

// keySource names the source of the master key.
func (c config) keySource() string {
	if c.kms.isSet() {
		return "KMS"
	}
	return "key file"
}

// sourceOf returns the source of an optional setting: its variable if the
// setting has a value.
func sourceOf(value, variable string) string {
	if value == "" {
		return "default"
	}
	return variable
}

// settings lists every setting. Of credentials, it lists the source only.
func (a *app) settings(c config, d dynamoAt) []setting {
	local, remote, kms := c.kind == kindSQLite, c.kind == kindDynamoDB, c.kms.isSet()
	insecure, insecureFrom := "no", "default"
	if a.flags.insecureEndpoint {
		insecure, insecureFrom = "yes", "--insecure-endpoint"
	}
	list := []setting{
		{"store", c.kind, c.from["store"], true},
		{"home", c.home, c.from["home"], true},
		{"user", c.user, c.from["user"], true},
		{"key source", c.keySource(), sourceOf(c.kms.arn, "BLUE_KMS_KEY_ARN"), true},
		{"key file", c.umk, "home", !kms},
		{"heads", c.heads, "home and store", true},
		{"audit key", c.audit.key, c.audit.keyFrom, true},
		{"audit trust", cmp.Or(c.audit.trust, "none"), sourceOf(c.audit.trust, "BLUE_AUDIT_TRUST"), true},
		{"audit anchors", c.audit.anchors, "home and store", true},
		{"audit S3", c.audit.where(), sourceOf(c.audit.bucket, "BLUE_AUDIT_S3"), true},
	}
	if local {
		list = append(list,
			setting{"database", c.database, c.from["store"], true},
			setting{"keys database", c.database + ".keys", "database", true})
	}
	kmsCredentials, kmsCredentialsFrom := a.credentials(c.kms.Endpoint)
	credentials, credentialsFrom := a.credentials(d.Endpoint)
	list = append(list,
		setting{"KMS key", cmp.Or(c.kms.arn, "none"), sourceOf(c.kms.arn, "BLUE_KMS_KEY_ARN"), kms},
		setting{"KMS endpoint", c.kms.where(), cmp.Or(c.kms.From, "default: AWS"), kms},
		setting{"KMS credentials", kmsCredentials, kmsCredentialsFrom, kms},
		setting{"KMS tables", c.kms.tables, c.kms.tablesFrom, kms},
		setting{"key cache", keys.DefaultTTL.String(), "fixed", true},
		setting{"endpoint", cmp.Or(d.URL, "AWS"), d.From, remote},
		setting{"insecure endpoint", insecure, insecureFrom, remote || kms},
		setting{"region", d.region, d.regionFrom, remote},
		setting{"credentials", credentials, credentialsFrom, remote},
		setting{"table prefix", d.prefix, d.prefixFrom, remote})
	for _, t := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		list = append(list, setting{"table", d.prefix + string(t), "table prefix", remote})
	}
	return list
}
