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
		Short:   "Say which settings are in force, and where each comes from",
		Example: "  blue-store config explain",
	}, []func(*app) *cobra.Command{configExplainCommand})
}

func configExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain",
		Short: "Print every setting and where it comes from",
		Long: "Prints every setting and where it comes from: a flag, a variable of the environment, or a\n" +
			"default. Nothing is opened, made or sent, and no secret is printed. Settings of the store\n" +
			"that is not in use are marked.",
		Example: "  blue-store config explain\n  blue-store config explain --store dynamodb --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.configExplain(c.Context()) },
	}
}

// explained is what config explain says, schema blue-store/config@1.
type explained struct {
	Schema   string    `json:"schema"`
	Settings []setting `json:"settings"`
}

// setting is one value. A value that cannot be used ends the command before.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
	Used  bool   `json:"used"` // by the store that is chosen
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
	}
	if c.kind == kindDynamoDB && d.region == "" {
		at, err := a.dynamoConfig(ctx)
		if err != nil {
			return err
		}
		d.region = at.Region
	}
	answer := explained{"blue-store/config@1", a.settings(c, d)}
	return a.answer(answer, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range answer.Settings {
			unused := ""
			if !s.Used {
				unused = " (not used)"
			}
			fmt.Fprintf(t, "%s\t%s\t%s%s\n", s.Name, oneLine(s.Value), oneLine(s.From), unused)
		}
		return t.Flush()
	})
}

// keySource names the source of keys, for there is one only.
func (c config) keySource() string {
	if c.kms.used() {
		return "KMS"
	}
	return "key file"
}

// fromOr is where an optional setting comes from.
func fromOr(is bool, name string) string {
	if is {
		return name
	}
	return "default"
}

// settings lists every setting. Credentials are named by where they come from.
func (a *app) settings(c config, d dynamoAt) []setting {
	local, remote := c.kind == kindSQLite, c.kind == kindDynamoDB
	endpoint := d.URL
	if endpoint == "" {
		endpoint = "AWS"
	}
	insecure, insecureFrom := "no", "default"
	if a.flags.insecureEndpoint {
		insecure, insecureFrom = "yes", "--insecure-endpoint"
	}
	credentials, credentialsFrom := a.credentials(d.Endpoint)
	list := []setting{
		{"store", c.kind, c.from["store"], true},
		{"home", c.home, c.from["home"], true},
		{"user", c.user, c.from["user"], true},
		{"key source", c.keySource(), fromOr(c.kms.used(), "BLUE_KMS_KEY_ARN"), true},
		{"key file", c.umk, "home", !c.kms.used()},
		{"heads", c.heads, "home and store", true},
		{"audit key", c.audit.key, c.audit.keyFrom, true},
		{"audit trust", cmp.Or(c.audit.trust, "none"), fromOr(c.audit.trust != "", "BLUE_AUDIT_TRUST"), true},
		{"audit anchors", c.audit.anchors, "home and store", true},
		{"audit S3", c.audit.where(), fromOr(c.audit.bucket != "", "BLUE_AUDIT_S3"), true},
	}
	if local {
		list = append(list,
			setting{"database", c.database, c.from["store"], true},
			setting{"keys database", c.database + ".keys", "database", true})
	}
	kmsCredentials, kmsCredentialsFrom := a.credentials(c.kms.Endpoint)
	list = append(list,
		setting{"KMS key", cmp.Or(c.kms.arn, "none"), fromOr(c.kms.used(), "BLUE_KMS_KEY_ARN"), c.kms.used()},
		setting{"KMS endpoint", c.kms.where(), cmp.Or(c.kms.From, "default: AWS"), c.kms.used()},
		setting{"KMS credentials", kmsCredentials, kmsCredentialsFrom, c.kms.used()},
		setting{"KMS tables", c.kms.tables, c.kms.tablesFrom, c.kms.used()},
		setting{"key cache", keys.DefaultTTL.String(), "fixed", true},
		setting{"endpoint", endpoint, d.From, remote},
		setting{"insecure endpoint", insecure, insecureFrom, remote || c.kms.used()},
		setting{"region", d.region, d.regionFrom, remote},
		setting{"credentials", credentials, credentialsFrom, remote},
		setting{"table prefix", d.prefix, d.prefixFrom, remote})
	for _, t := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		list = append(list, setting{"table", d.prefix + string(t), "table prefix", remote})
	}
	return list
}
