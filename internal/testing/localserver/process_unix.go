//go:build unix

package localserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// canShare says that several processes can share a server in the background.
const canShare = true

// watchScript runs a command and kills it when standard input ends. Only this
// process holds the other end of that pipe, so the command ends when this
// process does, even after kill -9. (PR_SET_PDEATHSIG exists on Linux only and
// follows the thread instead of the process.)
const watchScript = `exec 3<&0
"$@" 3<&- &
child=$!
{ cat >/dev/null; kill -9 $child; } <&3 3<&- 2>/dev/null &
watcher=$!
exec 3<&-
wait $child
code=$?
kill $watcher 2>/dev/null
exit $code`

// leash returns a command in its own process group that ends with this process.
func leash(command *exec.Cmd) (*exec.Cmd, error) {
	args := append([]string{"-c", watchScript, "local-server"}, command.Args...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = command.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := cmd.StdinPipe()
	return cmd, err
}

// detach lets a command outlive this process and its terminal.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// kill kills the group of a process.
func kill(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }

// terminate asks a process to end.
func terminate(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }

// Lock takes the exclusive lock of a file and waits for it. The system
// releases it when the process ends.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	return lock(ctx, path, syscall.LOCK_EX)
}

// lockShared takes a lock that other processes can share.
func lockShared(ctx context.Context, path string) (unlock func(), err error) {
	return lock(ctx, path, syscall.LOCK_SH)
}

func lock(ctx context.Context, path string, how int) (unlock func(), err error) {
	for {
		unlock, err = tryFlock(path, how)
		if unlock != nil || err != nil {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another process at %s: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// tryLock takes the exclusive lock of a file if it is free. If it is not,
// unlock is nil.
func tryLock(path string) (unlock func(), err error) { return tryFlock(path, syscall.LOCK_EX) }

func tryFlock(path string, how int) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); err {
	case nil:
		return func() { file.Close() }, nil
	case syscall.EWOULDBLOCK, syscall.EINTR:
		return nil, file.Close()
	default:
		file.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
}
