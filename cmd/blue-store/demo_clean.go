package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// cleanAnswer is the answer of demo --clean, schema blue-store/demo-clean@1.
type cleanAnswer struct {
	Schema  string   `json:"schema"`
	Removed []string `json:"removed"` // files, then folders
	Left    []string `json:"left"`    // paths that demo did not create
}

// demoClean removes the files of the demo, then the folders that are empty.
func (a *app) demoClean() error {
	c, err := a.config()
	if err != nil {
		return err
	}
	answer := &cleanAnswer{Schema: "blue-store/demo-clean@1", Removed: []string{}, Left: []string{}}
	info, err := os.Lstat(c.home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%w: reading the folder of the demo: %w", blue.ErrUnavailable, err)
	case !info.IsDir():
		return usage("%s is not a folder, so demo did not create it; nothing was removed", c.home)
	default:
		if err := answer.removeAll(c); err != nil {
			return fmt.Errorf("%w: removing the demo: %w", blue.ErrUnavailable, err)
		}
	}
	return a.answerText(answer, answer.text())
}

// removeAll removes the files of the demo, then its empty folders from the inside
// out. It removes BLUE_HOME too if the mark shows that demo created it.
func (r *cleanAnswer) removeAll(c config) error {
	mark := filepath.Join(c.home, homeMark)
	createdHome := !isMissing(mark)
	var folders []string
	err := filepath.WalkDir(c.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.home, path)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil || path == mark: // the mark is removed last, so that a second run finds it
			return err
		case e.IsDir() && demoFolders.MatchString(rel):
			folders = append(folders, path)
			return nil
		case !e.IsDir() && demoFiles.MatchString(rel):
			return r.remove(path)
		}
		r.Left = append(r.Left, path)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return err
	}
	blueHome := filepath.Dir(c.home)
	if createdHome && len(r.Left) == 0 {
		if err := r.remove(mark); err != nil {
			return err
		}
		folders = slices.Insert(folders, 0, blueHome)
	}
	for _, folder := range slices.Backward(folders) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if err := r.remove(folder); err != nil {
				return err
			}
		} else if folder == blueHome { // the entries of other folders are in Left already
			for _, e := range entries {
				r.Left = append(r.Left, filepath.Join(folder, e.Name()))
			}
		}
	}
	return nil
}

// remove removes a file or an empty folder.
func (r *cleanAnswer) remove(path string) error {
	r.Removed = append(r.Removed, path)
	return os.Remove(path)
}

// demoFiles and demoFolders match the paths that demo creates, relative to its
// home: keys, databases with their logs, freshness records and checkpoints. A
// crash can leave the temporary files.
var (
	demoFiles = regexp.MustCompile(`^(keys/(umk|audit)\.key(\.\d+\.tmp)?` +
		`|db/(blue\.db(\.keys)?(-wal|-shm|-journal)?|\.blue-\d+\.new)` +
		`|heads/[0-9a-f]{16}/([0-9a-f]{64}\.json|head-\d+\.tmp)` +
		`|anchors/[0-9a-f]{16}/[0-9a-f]{2}/([0-9a-f]{32}|\.[0-9a-f]{32}\.\d+\.tmp))$`)
	demoFolders = regexp.MustCompile(`^(\.|keys|db|heads(/[0-9a-f]{16})?|anchors(/[0-9a-f]{16}(/[0-9a-f]{2})?)?)$`)
)

func (r *cleanAnswer) text() string {
	text := "there is no demo to remove\n"
	if len(r.Removed) > 0 {
		text = fmt.Sprintf("removed: %d files and folders of the demo\n", len(r.Removed))
	}
	for _, path := range r.Left {
		text += "left, because demo did not create it: " + path + "\n"
	}
	return text
}
