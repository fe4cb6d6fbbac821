package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/freshness"
)

// private is a file or folder that is nobody else's business. Kind is what it
// means when others have access.
type private struct {
	path string
	kind error
}

func (x *examination) private() []private {
	c := x.config
	list := []private{{filepath.Dir(c.umk), blue.ErrSealed}, {c.umk, blue.ErrSealed}}
	suffixes := []string{"", "-wal", "-shm", ".keys", ".keys-wal", ".keys-shm"}
	if c.kind != kindSQLite {
		suffixes = nil
	}
	for _, suffix := range suffixes {
		list = append(list, private{c.database + suffix, blue.ErrUnavailable})
	}
	list = append(list, private{c.heads, blue.ErrUnavailable})
	heads, _ := os.ReadDir(c.heads) // one that cannot be read is a finding of its own
	for _, f := range heads {
		list = append(list, private{filepath.Join(c.heads, f.Name()), blue.ErrUnavailable})
	}
	return list
}

// modes checks that others have no access, and with --fix takes it away.
func (x *examination) modes() {
	if runtime.GOOS == "windows" { // there a mode says nothing
		return
	}
	found := 0
	for _, p := range x.private() {
		info, err := os.Lstat(p.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = x.mode(p.path, info)
		}
		if err != nil {
			found++
			x.wrong("modes", withHint(fmt.Errorf("%w: %w", p.kind, err), "blue-store doctor --fix"))
		}
	}
	if found == 0 {
		x.fine("modes", "keys, data and memory are yours alone")
	}
}

// mode narrows a mode, and never widens one. A link is left alone: what it
// leads to may be somebody else's.
func (x *examination) mode(path string, info fs.FileInfo) error {
	const others = 0o077
	mode := info.Mode()
	if mode&fs.ModeSymlink != 0 || mode.Perm()&others == 0 {
		return nil
	}
	if !x.fix {
		return fmt.Errorf("%s is open to others (%04o)", path, mode.Perm())
	}
	if err := os.Chmod(path, mode.Perm()&^others); err != nil {
		return fmt.Errorf("%s is open to others (%04o): %w", path, mode.Perm(), err)
	}
	x.fine("fixed", "%s: %04o is now %04o", path, mode.Perm(), mode.Perm()&^others)
	return nil
}

// heads reads what this client remembers of each dialogue.
func (x *examination) heads() {
	files, err := os.ReadDir(x.config.heads)
	if errors.Is(err, fs.ErrNotExist) {
		x.fine("heads", "%s (not there yet)", x.config.heads)
		return
	}
	if err != nil {
		x.wrong("heads", fmt.Errorf("%w: %w", blue.ErrUnavailable, err))
		return
	}
	read := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		if err := checkHead(filepath.Join(x.config.heads, f.Name())); err != nil {
			x.wrong("heads", err)
			continue
		}
		read++
	}
	x.fine("heads", "%d in %s", read, x.config.heads)
}

// checkHead reads one head file; its name is the hash of the dialogue's id.
func checkHead(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", blue.ErrUnavailable, err)
	}
	var h freshness.Record
	err = json.Unmarshal(text, &h)
	sum := sha256.Sum256([]byte(h.Dialogue))
	if err == nil && filepath.Base(path) == hex.EncodeToString(sum[:])+".json" {
		return nil
	}
	return withHint(fmt.Errorf("%w: the head file %s cannot be read", blue.ErrTampered, path),
		"if you trust the store as it is, run the next command with --accept-rollback")
}
