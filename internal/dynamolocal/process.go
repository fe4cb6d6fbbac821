package dynamolocal

import (
	"context"
	"fmt"
	"github.com/superviber/blue-encrypted-store/internal/localserver"
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
	process, err := localserver.Start(javaCommand(lib, o.Data, port), log)
	if err != nil {
		return nil, fmt.Errorf("starting Java: %w", err)
	}
	endpoint := "http://127.0.0.1:" + strconv.Itoa(port)
	if err := ready(ctx, process, endpoint, o.ready()); err != nil {
		process.Stop()
		return nil, fmt.Errorf("jar: %w\n%s", err, localserver.Tail(log))
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

// portFor returns a port that is free now: the wanted one, or any for 0. Java
// will take it on all interfaces.
func portFor(wanted int) (int, error) {
	return localserver.FreePort(":" + strconv.Itoa(wanted))
}

// ready waits until the process answers at the endpoint, as DynamoDB would.
func ready(ctx context.Context, p *localserver.Process, endpoint string, within time.Duration) error {
	return p.Ready(ctx, "DynamoDB Local", endpoint, within, func(ctx context.Context) (bool, error) {
		dynamoDB, err := ask(ctx, endpoint)
		if err == nil && !dynamoDB {
			return true, fmt.Errorf("something else answers at %s", endpoint)
		}
		return false, err
	})
}
