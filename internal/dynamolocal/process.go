package dynamolocal

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// byJar starts the jar and waits until it answers.
func byJar(ctx context.Context, o Options) (*Server, error) {
	major, lib, err := javaAndJar(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp("", "dynamodb-local-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	defer os.Remove(log.Name())
	// A free port may be taken before Java takes it; then another is tried.
	for try := 0; ; try++ {
		server, err := startJar(ctx, o, lib, log)
		if err == nil {
			server.How = fmt.Sprintf("jar %s by Java %d", Version, major)
			return server, nil
		}
		if o.Port != 0 || try == 2 || ctx.Err() != nil {
			return nil, err
		}
	}
}

func javaAndJar(ctx context.Context, cache string) (major int, lib string, err error) {
	if major, err = java(ctx); err != nil {
		return 0, "", fmt.Errorf("jar: %w", err)
	}
	if lib, err = Jar(ctx, cache); err != nil {
		return 0, "", fmt.Errorf("jar: %w", err)
	}
	return major, lib, nil
}

func startJar(ctx context.Context, o Options, lib string, log *os.File) (*Server, error) {
	port, err := portFor(o.Port)
	if err != nil {
		return nil, err
	}
	process, err := startWatched(javaCommand(lib, o.Data, port), log)
	if err != nil {
		return nil, fmt.Errorf("starting Java: %w", err)
	}
	endpoint := "http://127.0.0.1:" + strconv.Itoa(port)
	if err := process.ready(ctx, endpoint, o.ready()); err != nil {
		process.stop()
		return nil, fmt.Errorf("jar: %w\n%s", err, tail(log))
	}
	return &Server{Endpoint: endpoint, process: process}, nil
}

// javaCommand is the command line of the server. With data "" tables live in
// memory. more are further arguments for Java itself.
func javaCommand(lib, data string, port int, more ...string) *exec.Cmd {
	args := append([]string{"-XX:TieredStopAtLevel=1", "-Djava.library.path=" + lib}, more...)
	args = append(args, "-cp", filepath.Join(lib, "*"), "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
		"-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port))
	if data == "" {
		args = append(args, "-inMemory")
	} else {
		args = append(args, "-dbPath", data)
	}
	cmd := exec.Command("java", args...)
	cmd.Dir = lib
	return cmd
}

// portFor returns a port that is free now: the wanted one, or any for 0.
func portFor(wanted int) (int, error) {
	// Java will take the port on all interfaces.
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(wanted))
	if err != nil {
		return 0, fmt.Errorf("port %d is taken: %w", wanted, err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// process is a running server.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process is gone
	reason error         // how it ended, once ended is closed
}

func (p *process) wait() {
	p.reason = p.cmd.Wait()
	close(p.ended)
}

// ready waits until the process answers at the endpoint, as DynamoDB would.
func (p *process) ready(ctx context.Context, endpoint string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		dynamoDB, err := ask(ctx, endpoint)
		if err == nil && !dynamoDB {
			return fmt.Errorf("something else answers at %s", endpoint)
		}
		if err == nil && !p.gone() {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("DynamoDB Local ended at once: %v", p.reason)
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s within %s: %w", endpoint, within, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// tail returns the end of a log, at most 4 KB of it.
func tail(log *os.File) string {
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
