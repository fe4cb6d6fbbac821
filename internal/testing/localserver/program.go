package localserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Program is how a server is started, and known by its answer: at its port
// there may be another's.
type Program struct {
	Name    string                    // in errors
	Address string                    // where it will listen: "127.0.0.1:8000"; port 0 is any that is free
	Command func(port int) *exec.Cmd  // its command line
	Page    string                    // what is asked for: "/"
	Ours    func(*http.Response) bool // whether that is its answer
	Within  time.Duration             // how long the answer may take
}

// Start runs the program, to end with this process, and returns when it
// answers.
func (p *Program) Start(ctx context.Context) (*Server, error) {
	log, err := os.CreateTemp("", "local-server-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	defer os.Remove(log.Name())
	// A free port may be taken before the program takes it; then another is tried.
	for try := 0; ; try++ {
		server, err := p.run(ctx, log, leash)
		if err == nil || try == 2 || ctx.Err() != nil {
			return server, err
		}
	}
}

// StartDetached runs the program so that it outlives us and our terminal, and
// returns its process id too when it answers. It prints to log.
func (p *Program) StartDetached(ctx context.Context, log *os.File) (server *Server, pid int, err error) {
	server, err = p.run(ctx, log, detach)
	if err != nil {
		return nil, 0, err
	}
	return server, server.process.cmd.Process.Pid, nil
}

// run starts the command as bind changes it, and waits for the answer.
func (p *Program) run(ctx context.Context, log *os.File, bind func(*exec.Cmd) (*exec.Cmd, error)) (*Server, error) {
	port, err := freePort(p.Address)
	if err != nil {
		return nil, err
	}
	cmd, err := bind(p.Command(port))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	server := &Server{Endpoint: "http://127.0.0.1:" + strconv.Itoa(port), process: watched(cmd)}
	if err := p.ready(ctx, server); err != nil {
		server.Stop()
		return nil, fmt.Errorf("%w\n%s", err, Tail(log))
	}
	return server, nil
}

// ready asks until the answer is the program's or somebody else's, the process
// ends or the time is over.
func (p *Program) ready(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	for {
		answer, err := get(ctx, s.Endpoint+p.Page)
		if err == nil && !p.Ours(answer) {
			return fmt.Errorf("something else answers at %s", s.Endpoint)
		}
		if err == nil && !s.process.gone() {
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

// freePort returns a port that is free now at an address; port 0 is any.
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
	ended  chan struct{} // closed when the process is gone
	reason error         // how it ended, once ended is closed
}

func watched(cmd *exec.Cmd) *process {
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

func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
