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

// The kinds of stores.
const (
	kindSQLite   = "sqlite"
	kindDynamoDB = "dynamodb"
)

// config is what the environment and the flags say, resolved.
type config struct {
	home     string // BLUE_HOME, default ~/.blue
	user     string // BLUE_USER, default the operating system's user name
	kind     string
	database string   // of SQLite: path of the file; its keys lie beside it in PATH.keys
	dynamo   dynamoAt // of DynamoDB
	umk      string   // path of the user master key, unless kms names one
	kms      kmsAt
	heads    string // folder of this store's head files
	audit    auditConfig

	from map[string]string // setting → where it came from, for config explain
}

// name is how a message calls the store.
func (c config) name() string {
	if c.kind == kindDynamoDB {
		return "dynamodb " + c.dynamo.where()
	}
	return c.database
}

// config reads the environment. Nothing else in the module does.
func (a *app) config() (config, error) {
	store, from := a.flags.store, "--store"
	if store == "" {
		store, from = a.env("BLUE_STORE"), "BLUE_STORE"
	}
	if store == "" {
		from = "default"
	}
	c, err := a.configOf(store)
	if err != nil {
		return c, err
	}
	c.from["store"] = from
	if c.kind != kindDynamoDB && a.flags.endpointGiven {
		return c, usage("--endpoint is for DynamoDB, and the store is %s; add --store dynamodb", c.name())
	}
	return c, nil
}

// configOf resolves one store by its name: sqlite:PATH, dynamodb, demo, or ""
// for the default.
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
		return c, usage("unknown store %q; use --store sqlite:PATH or --store dynamodb", clipped(store))
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
	if home := a.env("BLUE_HOME"); home != "" {
		path, err = filepath.Abs(home)
		return path, "BLUE_HOME", err
	}
	home := a.env("HOME")
	if home == "" {
		if home, err = os.UserHomeDir(); err != nil {
			return "", "", usage("neither BLUE_HOME nor HOME is set; set BLUE_HOME to the folder for keys and data")
		}
	}
	return filepath.Join(home, ".blue"), "default", nil
}

// maxUser is a user name's greatest length in bytes.
const maxUser = 128

func (a *app) user() (name, from string, err error) {
	name, from = a.env("BLUE_USER"), "BLUE_USER"
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return "", "", usage("the operating system names no user; set BLUE_USER")
		}
		name, from = u.Username, "the operating system"
	}
	if len(name) > maxUser || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return "", "", usage("BLUE_USER must be printable, without spaces, at most %d bytes", maxUser)
	}
	return name, from, nil
}
