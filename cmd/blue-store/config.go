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

// config is what the environment and the flags say, resolved.
type config struct {
	home     string // BLUE_HOME, default ~/.blue
	user     string // BLUE_USER, default the operating system's user name
	database string // path of the SQLite file; its keys lie beside it in PATH.keys
	umk      string // path of the user master key
	heads    string // folder of this store's head files
}

// config reads the environment. Nothing else in the module does.
func (a *app) config() (config, error) {
	var c config
	if a.env("BLUE_KMS_KEY_ARN") != "" {
		return c, usage("BLUE_KMS_KEY_ARN is set, and this version has no KMS provider; unset it to use the local key file")
	}
	home, err := a.home()
	if err != nil {
		return c, err
	}
	c.home = home
	if c.user, err = a.user(); err != nil {
		return c, err
	}
	store := a.flags.store
	if store == "" {
		store = a.env("BLUE_STORE")
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
		return c, usage("this version has no DynamoDB store; use --store sqlite:PATH")
	default:
		return c, usage("unknown store %q; use --store sqlite:PATH", store)
	}
	if c.database, err = filepath.Abs(c.database); err != nil {
		return c, fmt.Errorf("%w: %w", blue.ErrUnavailable, err)
	}
	c.umk = filepath.Join(c.home, "keys", "umk.key")
	sum := sha256.Sum256([]byte(c.database))
	c.heads = filepath.Join(c.home, "heads", hex.EncodeToString(sum[:8]))
	return c, nil
}

func (a *app) home() (string, error) {
	if home := a.env("BLUE_HOME"); home != "" {
		return filepath.Abs(home)
	}
	home := a.env("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", usage("neither BLUE_HOME nor HOME is set; set BLUE_HOME to the folder for keys and data")
		}
	}
	return filepath.Join(home, ".blue"), nil
}

// maxUser is a user name's greatest length in bytes.
const maxUser = 128

func (a *app) user() (string, error) {
	name := a.env("BLUE_USER")
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return "", usage("the operating system names no user; set BLUE_USER")
		}
		name = u.Username
	}
	if len(name) > maxUser || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return "", usage("BLUE_USER must be printable, without spaces, at most %d bytes", maxUser)
	}
	return name, nil
}
