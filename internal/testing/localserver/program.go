package localserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Program describes how to start a server and how to recognize its answer,
// because another server may listen on its port.
type Program struct {
	Name    string        // for errors
	How     string        // for people: "jar 2.6.1 by Java 17"
	Address string        // where it listens: "127.0.0.1:8000"; port 0 is any free port
	Command []string      // the command line; "{port}" is replaced by the port
	Dir     string        // its working directory
	Page    string        // a path that it answers: "/"
	Header  string        // a header of that answer; if it is "", the status must be 200
	Within  time.Duration // how long it may take to answer
}

// Start runs the program and returns when it answers. The server ends with
// this process (on Unix).
func (p *Program) Start(ctx context.Context) (*Server, error) {
	log, err := os.CreateTemp("", "local-server-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	defer os.Remove(log.Name())
	return p.start(ctx, log)
}

// start runs the program with its output in a log. A free port may be taken
// before the program takes it. Then another port is tried.
func (p *Program) start(ctx context.Context, log *os.File) (*Server, error) {
	for try := 0; ; try++ {
		server, err := p.run(ctx, log)
		if err == nil || try == 2 || ctx.Err() != nil {
			return server, err
		}
	}
}

func (p *Program) run(ctx context.Context, log *os.File) (*Server, error) {
	port, err := freePort(p.Address)
	if err != nil {
		return nil, err
	}
	args := make([]string, len(p.Command))
	for i, arg := range p.Command {
		args[i] = strings.ReplaceAll(arg, "{port}", strconv.Itoa(port))
	}
	command := exec.Command(args[0], args[1:]...)
	command.Dir = p.Dir
	cmd, err := leash(command)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	process := follow(cmd)
	server := &Server{Endpoint: "http://127.0.0.1:" + strconv.Itoa(port), How: p.How, process: process, stop: process.stop}
	if err := p.waitReady(ctx, server); err != nil {
		server.Stop()
		return nil, fmt.Errorf("%w\n%s", err, Tail(log))
	}
	return server, nil
}

// waitReady returns nil when the program answers. It returns an error when
// another server answers, when the process ends and when the time is over.
func (p *Program) waitReady(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	for {
		answer, err := get(ctx, s.Endpoint+p.Page)
		if err == nil && !p.isOwn(answer) {
			return fmt.Errorf("something else answers at %s", s.Endpoint)
		}
		if err == nil && !s.process.hasEnded() {
			return nil
		}
		select {
		case <-s.process.ended:
			return fmt.Errorf("%s ended at once: %v", p.Name, s.process.reason)
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s within %s: %w", s.Endpoint, p.Within, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// isOwn reports whether an answer is from this program.
func (p *Program) isOwn(answer *http.Response) bool {
	if p.Header == "" {
		return answer.StatusCode == http.StatusOK
	}
	return answer.Header.Get(p.Header) != ""
}

// freePort returns the port of an address, or a free one for port 0.
func freePort(address string) (int, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return 0, fmt.Errorf("port of %s is taken: %w", address, err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// process is a command that was started.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	reason error         // how it ended, set before ended is closed
}

func follow(cmd *exec.Cmd) *process {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.reason = cmd.Wait()
		close(p.ended)
	}()
	return p
}

// stop kills the process, on Unix with its group, and waits for its end.
func (p *process) stop() {
	kill(p.cmd.Process)
	<-p.ended
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
