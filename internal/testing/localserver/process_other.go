//go:build !unix

package localserver

import (
	"context"
	"os"
	"os/exec"
)

// leash does nothing: here a command does not end with this process; that is
// Stop's work.
func leash(cmd *exec.Cmd) (*exec.Cmd, error) { return cmd, nil }

func detach(cmd *exec.Cmd) (*exec.Cmd, error) { return cmd, nil }

func kill(p *os.Process) { p.Kill() }

// Terminate ends a process.
func Terminate(pid int) error {
	found, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return found.Kill()
}

// Lock locks nothing here: the rename alone keeps two downloads apart, and two
// of them cost time, not correctness.
func Lock(context.Context, string) (unlock func(), err error) {
	return func() {}, nil
}
