package localserver

import (
	"context"
	"os"
	"path/filepath"
)

// FillOnce makes a folder of a cache, unless the file mark is in it. fill makes
// it at a path beside its place that is free, and it takes its place by one
// rename, so it is complete if it is there; processes that start at once wait
// for one of them. Whatever fill needs, a full folder needs none of it.
func FillOnce(ctx context.Context, folder, mark string, fill func(made string) error) error {
	complete := func() bool {
		_, err := os.Stat(filepath.Join(folder, mark))
		return err == nil
	}
	if complete() {
		return nil
	}
	home := filepath.Dir(folder)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	unlock, err := Lock(ctx, filepath.Join(home, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if complete() {
		return nil
	}
	temp, err := os.MkdirTemp(home, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	made := filepath.Join(temp, "made")
	if err := fill(made); err != nil {
		return err
	}
	// A folder that is not complete was left by nobody here; make way.
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.Rename(made, folder)
}
