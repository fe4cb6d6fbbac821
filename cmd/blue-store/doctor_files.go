package main

import (
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

// privateFile is a file or folder that other users must not access. If they
// can, the error is of the given class.
type privateFile struct {
	path  string
	class error
}

func (h *healthCheck) privateFiles() []privateFile {
	c := h.config
	list := []privateFile{{filepath.Dir(c.umk), blue.ErrSealed}, {c.umk, blue.ErrSealed}}
	if c.kind == kindSQLite {
		for _, suffix := range []string{"", "-wal", "-shm", ".keys", ".keys-wal", ".keys-shm"} {
			list = append(list, privateFile{c.database + suffix, blue.ErrUnavailable})
		}
	}
	list = append(list, privateFile{c.heads, blue.ErrUnavailable})
	records, _ := os.ReadDir(c.heads) // checkFreshness reports the error
	for _, f := range records {
		list = append(list, privateFile{filepath.Join(c.heads, f.Name()), blue.ErrUnavailable})
	}
	return list
}

// checkModes checks that other users have no access. With --fix it revokes their
// access.
func (h *healthCheck) checkModes() {
	if runtime.GOOS == "windows" { // file modes have no meaning there
		return
	}
	failed := false
	for _, f := range h.privateFiles() {
		info, err := os.Lstat(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = h.checkMode(f.path, info)
		}
		if err != nil {
			failed = true
			h.fail("modes", withHint(fmt.Errorf("%w: %w", f.class, err), "blue-store doctor --fix"))
		}
	}
	if !failed {
		h.ok("modes", "only you can access keys, data and freshness records")
	}
}

// checkMode returns an error if other users have access, unless it can fix that.
// It never adds a permission. It does not follow a symbolic link, because the
// target can belong to another user.
func (h *healthCheck) checkMode(path string, info fs.FileInfo) error {
	const others = 0o077
	mode := info.Mode()
	if mode&fs.ModeSymlink != 0 || mode.Perm()&others == 0 {
		return nil
	}
	if !h.fix {
		return fmt.Errorf("%s is open to others (%04o)", path, mode.Perm())
	}
	if err := os.Chmod(path, mode.Perm()&^others); err != nil {
		return fmt.Errorf("%s is open to others (%04o): %w", path, mode.Perm(), err)
	}
	h.ok("fixed", "%s: %04o is now %04o", path, mode.Perm(), mode.Perm()&^others)
	return nil
}

// checkFreshness reads the freshness records of this client.
func (h *healthCheck) checkFreshness() {
	files, err := os.ReadDir(h.config.heads)
	if errors.Is(err, fs.ErrNotExist) {
		h.ok("heads", "%s", printedPath(h.config.heads))
		return
	}
	if err != nil {
		h.fail("heads", fmt.Errorf("%w: %w", blue.ErrUnavailable, err))
		return
	}
	valid := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		_, err := freshness.Read(filepath.Join(h.config.heads, f.Name()))
		switch {
		case err == nil:
			valid++
		case errors.Is(err, blue.ErrTampered):
			h.fail("heads", withHint(err, "if you trust the store as it is, run the next command with --accept-rollback"))
		default:
			h.fail("heads", err)
		}
	}
	h.ok("heads", "%d in %s", valid, h.config.heads)
}
