// Package localserver is what the rooms that find or start a local server for
// tests and development have in common: the search and its error, a child
// process that never outlives this one, its log, a folder of the cache that is
// filled once, and endpoints that are surely not AWS's.
//
// What belongs here: nothing that knows which server it is. What does not: the
// servers (internal/testing/dynamolocal, internal/testing/kmslocal) and the rules of tests
// about leaving them out (internal/testing/testrule).
package localserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Folder is the folder of this project in the user's cache folder.
const Folder = "blue-encrypted-store"

// pause lies between two questions whether a server answers.
const pause = 50 * time.Millisecond

// Tail returns the end of a log, at most 4 KB of it.
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

// Output runs a program to its end and returns what it printed, both streams.
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
