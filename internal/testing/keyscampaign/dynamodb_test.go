package keyscampaign

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// TestDynamoDB kills every command on keys at its requests to DynamoDB, before
// or after the server receives the request. The long form kills at each request,
// the ordinary one at some, and the short one at one for each command.
func TestDynamoDB(t *testing.T) {
	t.Parallel()
	localtest.Endpoint(t) // skips without a server
	k := &campaign{
		file: "keys-kill-dynamodb", step: campaigntest.Length(40, 20, 1), most: campaigntest.Length(1, 0, 0),
		ways: func(command string) []string {
			all := []string{string(faultproxy.LostRequest), string(faultproxy.LostAnswer)}
			if campaigntest.IsShort() {
				return all[len(command)%2:][:1]
			}
			return all
		},
		fresh: func(t *testing.T) machine {
			tables := dynamotest.Config(t)
			proxy, writers := faultproxy.New(tables.Endpoint), faultproxy.New(tables.Endpoint)
			t.Cleanup(proxy.Close)
			t.Cleanup(writers.Close)
			h := newHome(t, "BLUE_STORE=dynamodb", "AWS_EC2_METADATA_DISABLED=true", "DYNAMODB_ENDPOINT="+tables.Endpoint, "BLUE_TABLE_PREFIX="+tables.Prefix)
			return &dynamoMachine{h, proxy, writers}
		},
	}
	k.run(t)
}

type dynamoMachine struct {
	*home
	proxy   *faultproxy.Proxy // of the command that is killed
	writers *faultproxy.Proxy // of the processes that only write
}

// writer closes begun when the proxy receives the first request.
func (m *dynamoMachine) writer(stdin string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer, <-chan struct{}) {
	c, _, stderr := m.command(stdin, slices.Concat(env, []string{"DYNAMODB_ENDPOINT=" + m.writers.URL}), args...)
	begun := make(chan struct{})
	first := sync.OnceFunc(func() { close(begun) })
	m.writers.Play(func(faultproxy.Request) faultproxy.Fault {
		first()
		return faultproxy.Fault{}
	})
	return c, stderr, begun
}

// kill kills the program when its request n arrives, before the proxy forwards
// it.
func (m *dynamoMachine) kill(kind string, n int, ready func(), env []string, args ...string) (*os.ProcessState, string) {
	c, _, stderr := m.command("", slices.Concat(env, []string{"DYNAMODB_ENDPOINT=" + m.proxy.URL}), args...)
	started := make(chan struct{})
	m.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
		switch {
		case r.N <= n:
			return faultproxy.Fault{}
		case r.N > n+1: // a request of the dying process
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
