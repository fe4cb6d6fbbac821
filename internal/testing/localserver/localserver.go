// Package localserver finds or starts a local server for tests and development.
// It has the search and its error, a child process that ends with its parent,
// a server in the background that several processes share, a cache folder that
// is filled once, and a check that an endpoint is not one of AWS.
//
// It knows no particular server: those are in internal/testing/dynamolocal and
// internal/testing/kmslocal. The rule for skipping tests is in
// internal/testing/testrule.
package localserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Folder is the name of this project's folder in the user's cache folder.
const Folder = "blue-encrypted-store"

// pause is the time between two attempts to reach a server or to take a lock.
const pause = 50 * time.Millisecond

var userCache, errUserCache = os.UserCacheDir()

// Cache returns the path of this project's folder in the user's cache folder,
// by the environment at the start of this process. A test may change its own.
func Cache() (string, error) { return filepath.Join(userCache, Folder), errUserCache }

// FillOnce calls fill to make a folder, unless its file mark has the given
// text already. It writes mark last, so a folder with that text is complete.
// Processes that call FillOnce at the same time wait for the first of them.
func FillOnce(ctx context.Context, folder, mark, text string, fill func() error) error {
	isComplete := func() bool {
		found, err := os.ReadFile(filepath.Join(folder, mark))
		return err == nil && string(found) == text
	}
	if isComplete() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return err
	}
	unlock, err := Lock(ctx, folder+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if isComplete() {
		return nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return errors.Join(err, os.RemoveAll(folder))
	}
	return os.WriteFile(filepath.Join(folder, mark), []byte(text), 0o600)
}

// Tail returns the last 4 KB of a log.
func Tail(log *os.File) string {
	size, err := log.Seek(0, 2)
	if err != nil {
		return err.Error()
	}
	text := make([]byte, min(size, 4096))
	if _, err := log.ReadAt(text, size-int64(len(text))); err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text))
}

// Output runs a program to its end and returns both of its output streams.
func Output(ctx context.Context, within time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	// A program killed at its deadline may leave children that hold the pipe.
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return string(text), fmt.Errorf("no answer within %s", within)
	}
	return string(text), err
}

// LastLines returns the last n lines of a text.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
