//go:build !unix

package dynamolocal

import (
	"context"
	"os"
	"os/exec"
)

// startWatched starts a command. Here it does not end with this process: that
// is Stop's work.
func startWatched(command *exec.Cmd, log *os.File) (*process, error) {
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: command, ended: make(chan struct{})}
	go p.wait()
	return p, nil
}

func (p *process) stop() {
	p.cmd.Process.Kill()
	<-p.ended
}

func detach(*exec.Cmd) {}

func terminate(pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}

// lock locks nothing here: the rename alone keeps two downloads apart, and two
// of them cost time, not correctness.
func lock(context.Context, string) (unlock func(), err error) {
	return func() {}, nil
}
