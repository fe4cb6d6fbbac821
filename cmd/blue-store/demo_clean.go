package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// cleanAnswer is what demo --clean says, schema blue-store/demo-clean@1.
type cleanAnswer struct {
	Schema  string   `json:"schema"`
	Removed []string `json:"removed"` // files, then folders
	Left    []string `json:"left"`    // what demo did not make
}

// demoClean removes the files a demo makes, then the folders that are empty.
func (a *app) demoClean() error {
	c, err := a.config()
	if err != nil {
		return err
	}
	answer := &cleanAnswer{Schema: "blue-store/demo-clean@1", Removed: []string{}, Left: []string{}}
	info, err := os.Lstat(c.home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.answer(answer, answer.text)
	case err != nil:
		return fmt.Errorf("%w: looking at the demo's folder: %w", blue.ErrUnavailable, err)
	case !info.IsDir():
		return usage("%s is not a folder, so demo did not make it; nothing was removed", c.home)
	}
	if err := answer.remove(c); err != nil {
		return fmt.Errorf("%w: removing the demo: %w", blue.ErrUnavailable, err)
	}
	return a.answer(answer, answer.text)
}

// remove takes the known files away, then the known folders that are empty,
// from the inside out. BLUE_HOME goes too if the mark says that demo made it.
func (r *cleanAnswer) remove(c config) error {
	mark := filepath.Join(c.home, homeMark)
	_, err := os.Lstat(mark)
	madeHome := err == nil
	var folders []string
	err = filepath.WalkDir(c.home, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == mark: // goes last, so that a second try knows as much
			return nil
		case e.IsDir() && folderOfDemo(c, path):
			folders = append(folders, path)
			return nil
		case e.IsDir():
			r.Left = append(r.Left, path)
			return fs.SkipDir
		case !fileOfDemo(c, path):
			r.Left = append(r.Left, path)
			return nil
		}
		return r.take(path)
	})
	if err != nil {
		return err
	}
	if madeHome && len(r.Left) == 0 {
		if err := r.take(mark); err != nil {
			return err
		}
		folders = slices.Insert(folders, 0, filepath.Dir(c.home))
	}
	for _, folder := range slices.Backward(folders) {
		left, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			r.leave(c, folder, left)
		} else if err := r.take(folder); err != nil {
			return err
		}
	}
	return nil
}

// take removes a file, or a folder that is empty.
func (r *cleanAnswer) take(path string) error {
	r.Removed = append(r.Removed, path)
	return os.Remove(path)
}

// leave names what keeps BLUE_HOME; what keeps a folder inside was named.
func (r *cleanAnswer) leave(c config, folder string, entries []fs.DirEntry) {
	if folder != filepath.Dir(c.home) {
		return
	}
	for _, e := range entries {
		r.Left = append(r.Left, filepath.Join(folder, e.Name()))
	}
}

// What the parts of a store name their files; the temporary ones are left by
// a crash alone.
var (
	headFolder = regexp.MustCompile(`^[0-9a-f]{16}$`)
	headFile   = regexp.MustCompile(`^([0-9a-f]{64}\.json|head-\d+\.tmp)$`)
	dataTemp   = regexp.MustCompile(`^\.blue-\d+\.new$`)
	keyTemp    = regexp.MustCompile(`^(umk|audit)\.key\.\d+\.tmp$`)
	noteFolder = regexp.MustCompile(`^[0-9a-f]{2}$`)
	noteFile   = regexp.MustCompile(`^([0-9a-f]{32}|\.[0-9a-f]{32}\.\d+\.tmp)$`)
)

// fileOfDemo reports whether demo makes a file of this name: the two keys, the
// two databases with their logs, heads, and checkpoints of the audit log.
func fileOfDemo(c config, path string) bool {
	dir, name := filepath.Dir(path), filepath.Base(path)
	switch dir {
	case filepath.Dir(c.umk):
		return path == c.umk || path == c.audit.key || keyTemp.MatchString(name)
	case filepath.Dir(c.database):
		rest, ok := strings.CutPrefix(path, c.database)
		rest = strings.TrimPrefix(rest, ".keys")
		return ok && slices.Contains([]string{"", "-wal", "-shm", "-journal"}, rest) || dataTemp.MatchString(name)
	}
	switch {
	case !folderOfDemo(c, dir):
		return false
	case filepath.Dir(dir) == c.audit.anchors:
		return noteFile.MatchString(name)
	}
	return filepath.Dir(dir) == filepath.Dir(c.heads) && headFile.MatchString(name)
}

func folderOfDemo(c config, path string) bool {
	heads, anchors := filepath.Dir(c.heads), filepath.Dir(c.audit.anchors)
	return slices.Contains([]string{c.home, filepath.Dir(c.umk), filepath.Dir(c.database), heads, anchors, c.audit.anchors}, path) ||
		filepath.Dir(path) == heads && headFolder.MatchString(filepath.Base(path)) ||
		filepath.Dir(path) == c.audit.anchors && noteFolder.MatchString(filepath.Base(path))
}

func (r *cleanAnswer) text(w io.Writer) error {
	var b strings.Builder
	if len(r.Removed) == 0 {
		b.WriteString("there is no demo to remove\n")
	} else {
		fmt.Fprintf(&b, "removed: %d files and folders of the demo\n", len(r.Removed))
	}
	for _, path := range r.Left {
		fmt.Fprintf(&b, "left, since demo did not make it: %s\n", path)
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}
