//go:build unix

package keyscampaign

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// Marks around a commit (package failpoint).
const (
	beforeCommit = "sqlite/before-commit"
	afterCommit  = "sqlite/after-commit"
)

// Marks in a scrub of the store's files, before each of its statements. They are
// checkpoint, VACUUM and checkpoint for each of the two files.
const (
	atScrub     = "sqlite/scrub"
	insideScrub = "sqlite/inside-scrub" // the process continues, so it dies in that statement or soon after
)

// TestSQLite kills every command on keys before and after each of its commits.
// It also kills the commands that erase during their scrubs of the files.
func TestSQLite(t *testing.T) {
	t.Parallel()
	k := &campaign{
		file: "keys-kill-sqlite", step: campaigntest.Length(12, 4, 1), most: campaigntest.Length(1, 0, 0),
		ways: func(command string) []string {
			if strings.HasPrefix(command, "erase") {
				return []string{beforeCommit, afterCommit, atScrub, insideScrub}
			}
			return []string{beforeCommit, afterCommit}
		},
		fresh: func(t *testing.T) machine { return sqliteMachine{newHome(t)} },
	}
	k.run(t)
}

type sqliteMachine struct{ *home }

// writer closes begun when the run is about to make its first commit.
func (m sqliteMachine) writer(stdin string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer, <-chan struct{}) {
	reached, begun := filepath.Join(m.t.TempDir(), "reached"), make(chan struct{})
	c, _, stderr := m.command(stdin, slices.Concat(env, marked(beforeCommit, 0, reached), []string{"BLUE_FAILPOINT_WAIT=0s"}), args...)
	over := make(chan error, 1)
	m.t.Cleanup(func() { over <- nil })
	go func() {
		select {
		case <-campaigntest.Appears(reached, over):
			close(begun)
		case err := <-over:
			over <- err
		}
	}()
	return c, stderr, begun
}

// marked returns the environment of a process that stops at a mark after it has
// passed it n times.
func marked(mark string, n int, reached string) []string {
	return []string{"BLUE_FAILPOINT=" + mark, "BLUE_FAILPOINT_SKIP=" + fmt.Sprint(n), "BLUE_FAILPOINT_REACHED=" + reached}
}

func (m sqliteMachine) kill(way string, n int, ready func(), env []string, args ...string) (*os.ProcessState, string) {
	reached := filepath.Join(m.dir, "reached")
	stops := marked(way, n, reached)
	if way == insideScrub {
		stops = append(marked(atScrub, n, reached), "BLUE_FAILPOINT_WAIT=0s")
	}
	c, _, stderr := m.command("", slices.Concat(env, stops), args...)
	check(m.t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-campaigntest.Appears(reached, ended):
		ready()
		_ = c.Process.Kill()
		<-ended
	case err := <-ended:
		ended <- err
	}
	return c.ProcessState, stderr.String()
}
