// Package localserver is what the rooms that find or start a local server for
// tests and development have in common: a child process that never outlives
// this one, its log, free ports, and endpoints that are surely not AWS's.
//
// What belongs here: nothing that knows which server it is. What does not: the
// servers (internal/dynamolocal, internal/kmslocal) and the rules of tests
// about leaving them out (internal/testrule).
package localserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Folder is the folder of this project in the user's cache folder.
const Folder = "blue-encrypted-store"

// pause lies between two questions whether a server answers.
const pause = 50 * time.Millisecond

// Process is a running server.
type Process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process is gone
	reason error         // how it ended, once ended is closed
}

// StartDetached starts a command that outlives us and our terminal.
func StartDetached(cmd *exec.Cmd, log *os.File) (*Process, error) {
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go p.wait()
	return p, nil
}

// PID returns the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends a detached process and waits for its end.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

func (p *Process) wait() {
	p.reason = p.cmd.Wait()
	close(p.ended)
}

// Gone reports whether the process has ended.
func (p *Process) Gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Ready asks until the answer is nil or final, the process ends or the time is
// over. name and at say in errors who does not answer, and where.
func (p *Process) Ready(ctx context.Context, name, at string, within time.Duration, ask func(context.Context) (final bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		final, err := ask(ctx)
		if final {
			return err
		}
		if err == nil && !p.Gone() {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended at once: %v", name, p.reason)
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s within %s: %w", at, within, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// FreePort returns a port that is free now at an address like "127.0.0.1:0";
// port 0 is any.
func FreePort(address string) (int, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return 0, fmt.Errorf("port of %s is taken: %w", address, err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

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
