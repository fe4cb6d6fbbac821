//go:build unix

package campaign

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/campaigntest"
)

// TestKeysKill kills every command on keys before and after each of its
// commits.
func TestKeysKill(t *testing.T) {
	t.Parallel()
	k := &campaigntest.KeysKill{
		Figures: "keys-kill-sqlite", Ways: []string{beforeCommit, afterCommit}, Step: campaigntest.Length(5, 1, 1),
		Machine: func(t *testing.T) campaigntest.KeysMachine { return keysMachine{newWorld(t)} },
	}
	k.Run(t)
}

type keysMachine struct{ *world }

func (m keysMachine) Command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	return m.command(strings.NewReader(stdin), env, args...)
}

func (m keysMachine) Kill(mark string, n int, env []string, args ...string) (*os.ProcessState, string) {
	reached := filepath.Join(m.dir, "reached")
	c, _, stderr := m.Command("", append(env, "BLUE_FAILPOINT="+mark, "BLUE_FAILPOINT_SKIP="+fmt.Sprint(n), "BLUE_FAILPOINT_REACHED="+reached), args...)
	check(m.t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-appears(reached, ended):
		_ = c.Process.Kill()
		<-ended
	case err := <-ended:
		ended <- err
	}
	return c.ProcessState, stderr.String()
}
