package cloudcampaign

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/faultproxy"
)

// TestKeysKill kills every command on keys at its requests to DynamoDB: the
// server gets the request, or does not. The long form kills at each, the others
// at some.
func TestKeysKill(t *testing.T) {
	t.Parallel()
	k := &campaigntest.KeysKill{
		Figures: "keys-kill-dynamodb", Step: campaigntest.Length(40, 20, 1),
		Ways: func(string) []string { return []string{string(faultproxy.LostRequest), string(faultproxy.LostAnswer)} },
		Machine: func(t *testing.T) campaigntest.KeysMachine {
			w := newWorld(t)
			proxy, writers := faultproxy.New(w.endpoint), faultproxy.New(w.endpoint)
			t.Cleanup(proxy.Close)
			t.Cleanup(writers.Close)
			return &keysMachine{newMachine(t, at(w.endpoint, w.prefix)...), proxy, writers}
		},
	}
	k.Run(t)
}

type keysMachine struct {
	*machine
	proxy   *faultproxy.Proxy // before the command that is killed
	writers *faultproxy.Proxy // before those that only write
}

func (m *keysMachine) Command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	c = exec.Command(program.Path(m.t), args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = slices.Concat(m.env, env), m.home, strings.NewReader(stdin), stdout, stderr
	return c, stdout, stderr
}

// Writer is at work once the first of its requests is seen.
func (m *keysMachine) Writer(stdin string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer, <-chan struct{}) {
	c, _, stderr := m.Command(stdin, slices.Concat(env, []string{"DYNAMODB_ENDPOINT=" + m.writers.URL}), args...)
	begun := make(chan struct{})
	first := sync.OnceFunc(func() { close(begun) })
	m.writers.Play(func(faultproxy.Request) faultproxy.Fault {
		first()
		return faultproxy.Fault{}
	})
	return c, stderr, begun
}

// Kill kills the program when its request comes, before the server gets it.
func (m *keysMachine) Kill(kind string, n int, ready func(), env []string, args ...string) (*os.ProcessState, string) {
	c, _, stderr := m.Command("", slices.Concat(env, []string{"DYNAMODB_ENDPOINT=" + m.proxy.URL}), args...)
	started := make(chan struct{})
	m.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
		switch {
		case r.N <= n:
			return faultproxy.Fault{}
		case r.N > n+1: // of the dying process
			return faultproxy.Lose()
		}
		<-started
		ready()
		_ = c.Process.Kill()
		return faultproxy.Fault{Kind: faultproxy.Kind(kind)}
	})
	check(m.t, c.Start())
	close(started)
	_ = c.Wait()
	m.proxy.Settle()
	return c.ProcessState, stderr.String()
}
