//go:build !unix

package localserver

import (
	"context"
	"os"
	"os/exec"
)

// Start starts a command. Here it does not end with this process: that
// is Stop's work.
func Start(command *exec.Cmd, log *os.File) (*Process, error) {
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: command, ended: make(chan struct{})}
	go p.wait()
	return p, nil
}

// Stop kills the process and waits for its end.
func (p *Process) Stop() {
	p.cmd.Process.Kill()
	<-p.ended
}

func detach(*exec.Cmd) {}

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
