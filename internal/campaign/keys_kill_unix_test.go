//go:build unix

package campaign

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/campaigntest"
)

// Marks in a scrub of the store's files, before each of its statements:
// checkpoint, VACUUM, checkpoint, for one file and then the other.
const (
	atScrub     = "sqlite/scrub"
	insideScrub = "sqlite/inside-scrub" // the process goes on, so it dies in that statement or soon after
)

// TestKeysKill kills every command on keys before and after each of its
// commits, and those that erase also in their scrubs of the files.
func TestKeysKill(t *testing.T) {
	t.Parallel()
	k := &campaigntest.KeysKill{
		Figures: "keys-kill-sqlite", Step: campaigntest.Length(12, 4, 1),
		Ways: func(command string) []string {
			if strings.HasPrefix(command, "erase") {
				return []string{beforeCommit, afterCommit, atScrub, insideScrub}
			}
			return []string{beforeCommit, afterCommit}
		},
		Machine: func(t *testing.T) campaigntest.KeysMachine { return keysMachine{newWorld(t)} },
	}
	k.Run(t)
}

type keysMachine struct{ *world }

func (m keysMachine) Command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	return m.command(strings.NewReader(stdin), env, args...)
}

// Writer is at work once it is about to commit something.
func (m keysMachine) Writer(stdin string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer, <-chan struct{}) {
	reached, begun := filepath.Join(m.t.TempDir(), "reached"), make(chan struct{})
	c, _, stderr := m.Command(stdin, slices.Concat(env, marked(beforeCommit, 0, reached), []string{"BLUE_FAILPOINT_WAIT=0s"}), args...)
	over := make(chan error, 1)
	m.t.Cleanup(func() { over <- nil })
	go func() {
		select {
		case <-appears(reached, over):
			close(begun)
		case err := <-over:
			over <- err
		}
	}()
	return c, stderr, begun
}

// marked is the environment of a process that is to stop at a mark which it has
// passed n times.
func marked(mark string, n int, reached string) []string {
	return []string{"BLUE_FAILPOINT=" + mark, "BLUE_FAILPOINT_SKIP=" + fmt.Sprint(n), "BLUE_FAILPOINT_REACHED=" + reached}
}

func (m keysMachine) Kill(way string, n int, ready func(), env []string, args ...string) (*os.ProcessState, string) {
	reached := filepath.Join(m.dir, "reached")
	stops := marked(way, n, reached)
	if way == insideScrub {
		stops = append(marked(atScrub, n, reached), "BLUE_FAILPOINT_WAIT=0s")
	}
	c, _, stderr := m.Command("", slices.Concat(env, stops), args...)
	check(m.t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-appears(reached, ended):
		ready()
		_ = c.Process.Kill()
		<-ended
	case err := <-ended:
		ended <- err
	}
	return c.ProcessState, stderr.String()
}
