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

// watch runs a command and kills it when standard input ends: the other end of
// that pipe is ours alone, so the command ends when we do, even by kill -9.
// (Linux alone could do it by PR_SET_PDEATHSIG, which looks at the thread and
// not at the process.)
const watch = `exec 3<&0
"$@" 3<&- &
child=$!
{ cat >/dev/null; kill -9 $child; } <&3 3<&- 2>/dev/null &
watcher=$!
exec 3<&-
wait $child
code=$?
kill $watcher 2>/dev/null
exit $code`

// leash returns a command, in a process group of its own, that ends with this
// process.
func leash(command *exec.Cmd) (*exec.Cmd, error) {
	args := append([]string{"-c", watch, "local-server"}, command.Args...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = command.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := cmd.StdinPipe()
	return cmd, err
}

// detach lets a command outlive us and our terminal; its group is its own too.
func detach(cmd *exec.Cmd) (*exec.Cmd, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// kill kills the group of a process.
func kill(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }

// Terminate asks a process to end, and kills it if it does not within 10 s.
func Terminate(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	for range 100 {
		if syscall.Kill(pid, 0) != nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// Lock takes a file's lock, which the system gives back when the process ends.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("waiting for another process at %s: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}
