package dynamolocal

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// byJar starts the jar, with its tables in memory, and waits until it answers.
func (o Options) byJar(ctx context.Context) (*localserver.Server, error) {
	major, lib, err := javaAndJar(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	server, err := o.program(lib, 0, "").Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("jar: %w", err)
	}
	server.How = fmt.Sprintf("jar %s by Java %d", Version, major)
	return server, nil
}

// CheckJar reports why the jar cannot be started here, nil if it can: Java and
// the jar are there, fetched if need be.
func CheckJar(ctx context.Context, cache string) error {
	_, _, err := javaAndJar(ctx, cache)
	return err
}

func javaAndJar(ctx context.Context, cache string) (major int, lib string, err error) {
	if major, err = java(ctx); err == nil {
		lib, err = jar(ctx, cache)
	}
	if err != nil {
		return 0, "", fmt.Errorf("jar: %w", err)
	}
	return major, lib, nil
}

// program is the server at a port, 0 for a free one, which Java will take on
// all interfaces. With data "" tables live in memory. more are further
// arguments for Java itself.
//
// The answer is known by a header: it is a 400, for want of a signature. (GET
// /shell/, which the RFC's health check asks with curl -f, is a 400 since
// version 2, so that check can never pass.)
func (o Options) program(lib string, port int, data string, more ...string) *localserver.Program {
	return &localserver.Program{
		Name:    "DynamoDB Local",
		Address: ":" + strconv.Itoa(port),
		Command: func(port int) *exec.Cmd { return javaCommand(lib, port, data, more) },
		Page:    "/",
		Ours:    func(r *http.Response) bool { return r.Header.Get("X-Amzn-Requestid") != "" },
		Within:  o.ready(),
	}
}

// javaCommand starts soon, for most servers live for seconds: one compiler. It
// collects with one thread, which takes a tenth off a long suite.
func javaCommand(lib string, port int, data string, more []string) *exec.Cmd {
	args := append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.library.path=" + lib}, more...)
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
