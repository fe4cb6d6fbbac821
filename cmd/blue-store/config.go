package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// The storage engines.
const (
	kindSQLite   = "sqlite"
	kindDynamoDB = "dynamodb"
)

// config contains the settings from the environment and the flags.
type config struct {
	home     string // BLUE_HOME, default ~/.blue
	user     string // BLUE_USER, default the operating system's user name
	kind     string
	database string        // path of the SQLite file; its keys are in PATH.keys
	dynamo   dynamoAddress // only for DynamoDB
	umk      string        // path of the key file, used if kms has no ARN
	kms      kmsAt
	heads    string // folder of the freshness records of this store
	audit    auditConfig

	from map[string]string // the source of each setting, for config explain
}

// name returns the name of the store for messages.
func (c config) name() string {
	if c.kind == kindDynamoDB {
		return "dynamodb " + c.dynamo.where()
	}
	return c.database
}

// envOr returns the value of an environment variable with the variable's name, or
// the fallback with its source if the variable is empty.
func (a *app) envOr(name, fallback, from string) (value, source string) {
	if v := a.env(name); v != "" {
		return v, name
	}
	return fallback, from
}

// config returns the settings from the flags and the environment.
func (a *app) config() (config, error) {
	store, from := a.flags.store, "--store"
	if store == "" {
		store, from = a.envOr("BLUE_STORE", "", "default")
	}
	c, err := a.configOf(store)
	if err != nil {
		return c, err
	}
	c.from["store"] = from
	if c.kind != kindDynamoDB && a.flags.endpointGiven {
		return c, usage("--endpoint is for DynamoDB, but the store is %s; add --store dynamodb", c.name())
	}
	return c, nil
}

// configOf returns the settings of one store by its name: sqlite:PATH, dynamodb,
// demo, or "" for the default.
func (a *app) configOf(store string) (config, error) {
	c := config{kind: kindSQLite, from: map[string]string{}}
	var err error
	if c.home, c.from["home"], err = a.home(); err != nil {
		return c, err
	}
	if c.user, c.from["user"], err = a.user(); err != nil {
		return c, err
	}
	switch path, isSQLite := strings.CutPrefix(store, "sqlite:"); {
	case store == "":
		c.database = filepath.Join(c.home, "db", "blue.db")
	case store == "demo":
		c.home = filepath.Join(c.home, "demo")
		c.database = filepath.Join(c.home, "db", "blue.db")
	case isSQLite && path != "":
		c.database = path
	case store == "dynamodb":
		c.kind = kindDynamoDB
		if c.dynamo, err = a.dynamoSettings(); err != nil {
			return c, err
		}
	default:
		return c, usage("unknown store %q; use --store sqlite:PATH or --store dynamodb", clipArgument(store))
	}
	c.umk = filepath.Join(c.home, "keys", "umk.key")
	if c.kms, err = a.kmsAt(c.dynamo.prefix); err != nil {
		return c, err
	}
	identity := c.dynamo.identity()
	if c.kind == kindSQLite {
		if c.database, err = filepath.Abs(c.database); err != nil {
			return c, fmt.Errorf("%w: %w", blue.ErrUnavailable, err)
		}
		identity = c.database
	}
	sum := sha256.Sum256([]byte(identity))
	c.heads = filepath.Join(c.home, "heads", hex.EncodeToString(sum[:8]))
	c.audit, err = a.auditConfig(c.home, hex.EncodeToString(sum[:8]))
	return c, err
}

func (a *app) home() (path, from string, err error) {
	if path, from = a.envOr("BLUE_HOME", a.env("HOME"), "default"); from == "BLUE_HOME" {
		path, err = filepath.Abs(path)
		return path, from, err
	}
	if path == "" {
		if path, err = os.UserHomeDir(); err != nil {
			return "", "", usage("neither BLUE_HOME nor HOME is set; set BLUE_HOME to the folder for keys and data")
		}
	}
	return filepath.Join(path, ".blue"), from, nil
}

// maxUser is the maximum length of a user name in bytes, which keys.CheckUser
// enforces.
const maxUser = 128

func (a *app) user() (name, from string, err error) {
	name, from = a.env("BLUE_USER"), "BLUE_USER"
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return "", "", usage("the operating system returns no user name; set BLUE_USER")
		}
		name, from = u.Username, "the operating system"
	}
	if keys.CheckUser(name) != nil {
		return "", "", usage("BLUE_USER must be printable, without spaces, at most %d bytes", maxUser)
	}
	return name, from, nil
}

func configCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:     "config",
		Short:   "Show the settings and the source of each",
		Example: "  blue-store config explain",
	}, configExplainCommand)
}

func configExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain",
		Short: "Print every setting and its source",
		Long: "Prints every setting and its source: a flag, an environment variable or a default. It opens,\n" +
			"creates and sends nothing, and prints no secret. Settings that the current store does not use\n" +
			"are marked.",
		Example: "  blue-store config explain\n  blue-store config explain --store dynamodb --json",
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
		if d, err = a.dynamoSettings(); err != nil {
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
			fmt.Fprintf(t, "%s\t%s\t%s%s\n", s.Name, display.OneLine(s.Value), display.OneLine(s.From), unused)
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
func (a *app) settings(c config, d dynamoAddress) []setting {
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
