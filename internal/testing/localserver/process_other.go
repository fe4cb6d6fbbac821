//go:build !unix

package localserver

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// canShare is false because file locks are missing here: each process starts
// its own server.
const canShare = false

// leash returns the command unchanged. Here only Stop ends it.
func leash(cmd *exec.Cmd) (*exec.Cmd, error) { return cmd, nil }

func detach(*exec.Cmd) {}

func kill(p *os.Process) { p.Kill() }

func terminate(int) error { return errors.ErrUnsupported }

// Lock locks nothing here. Two processes that fill one cache folder at the
// same time may disturb each other.
func Lock(context.Context, string) (unlock func(), err error) { return func() {}, nil }

func lockShared(context.Context, string) (unlock func(), err error) { return func() {}, nil }

func tryLock(string) (unlock func(), err error) { return func() {}, nil }
