package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"unicode"

	blue "github.com/superviber/blue-encrypted-store"
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
	database string   // path of the SQLite file; its keys are in PATH.keys
	dynamo   dynamoAt // only for DynamoDB
	umk      string   // path of the key file, used if kms has no ARN
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
		if c.dynamo, err = a.dynamoAt(); err != nil {
			return c, err
		}
	default:
		return c, usage("unknown store %q; use --store sqlite:PATH or --store dynamodb", clip(store))
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

// maxUser is the maximum length of a user name in bytes.
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
	if len(name) > maxUser || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return "", "", usage("BLUE_USER must be printable, without spaces, at most %d bytes", maxUser)
	}
	return name, from, nil
}
