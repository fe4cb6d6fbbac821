package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/record"
)

func configCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Say which settings are in force, and where each comes from",
		Example: "  blue-store config explain",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "explain",
		Short: "Print every setting and where it comes from",
		Long: "Prints every setting and where it comes from: a flag, a variable of the environment, or a\n" +
			"default. Nothing is opened, made or sent, and no secret is printed. Settings of the store\n" +
			"that is not in use are marked.",
		Example: "  blue-store config explain\n  blue-store config explain --store dynamodb --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.configExplain(c.Context()) },
	})
	return c
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

// settings lists every setting. Credentials are named by where they come from.
func (a *app) settings(c config, d dynamoAt) []setting {
	local, remote := c.kind == kindSQLite, c.kind == kindDynamoDB
	endpoint := d.endpoint
	if endpoint == "" {
		endpoint = "AWS"
	}
	insecure, insecureFrom := "no", "default"
	if a.flags.insecureEndpoint {
		insecure, insecureFrom = "yes", "--insecure-endpoint"
	}
	credentials, credentialsFrom := a.credentials(d)
	list := []setting{
		{"store", c.kind, c.from["store"], true},
		{"home", c.home, c.from["home"], true},
		{"user", c.user, c.from["user"], true},
		{"key file", c.umk, "home", true},
		{"heads", c.heads, "home and store", true},
	}
	if local {
		list = append(list,
			setting{"database", c.database, c.from["store"], true},
			setting{"keys database", c.database + ".keys", "database", true})
	}
	list = append(list,
		setting{"endpoint", endpoint, d.endpointFrom, remote},
		setting{"insecure endpoint", insecure, insecureFrom, remote},
		setting{"region", d.region, d.regionFrom, remote},
		setting{"credentials", credentials, credentialsFrom, remote},
		setting{"table prefix", d.prefix, d.prefixFrom, remote})
	for _, t := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		list = append(list, setting{"table", d.prefix + string(t), "table prefix", remote})
	}
	return list
}
