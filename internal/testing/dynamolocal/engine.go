package dynamolocal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// Names in docker-compose.yml.
const (
	Container         = "blue-dynamodb"
	Volume            = "blue-dynamodb-data"
	ContainerEndpoint = "http://127.0.0.1:8000"
)

// Engine is a container engine that answers, and its compose command.
type Engine struct {
	Name     string // docker or podman
	compose  []string
	file     string
	endpoint string // where the container answers
}

// FindEngine returns the first engine that answers and has a compose command.
// A client program without a running engine does not count.
func FindEngine(ctx context.Context, file string) (*Engine, error) {
	if file == "" {
		return nil, errors.New("containers: no compose file")
	}
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("containers: %w", err)
	}
	var tried []string
	for _, name := range []string{"docker", "podman"} {
		engine, err := checkEngine(ctx, name, file)
		if err == nil {
			return engine, nil
		}
		tried = append(tried, err.Error())
	}
	return nil, errors.New("containers: " + strings.Join(tried, "; "))
}

func checkEngine(ctx context.Context, name, file string) (*Engine, error) {
	if _, err := exec.LookPath(name); err != nil {
		return nil, fmt.Errorf("%s is not installed", name)
	}
	if _, err := localserver.Output(ctx, 5*time.Second, name, "info"); err != nil {
		return nil, fmt.Errorf("%s is installed but no engine answers", name)
	}
	for _, compose := range [][]string{{name, "compose"}, {name + "-compose"}} {
		if _, err := localserver.Output(ctx, 5*time.Second, compose[0], append(compose[1:], "version")...); err == nil {
			return &Engine{name, compose, file, ContainerEndpoint}, nil
		}
	}
	return nil, fmt.Errorf("%s answers but has no compose command", name)
}

// Up starts the container, or finds it running, and returns when it answers.
// The first time, the engine fetches the image.
func (e *Engine) Up(ctx context.Context, within time.Duration) (*localserver.Server, error) {
	if err := e.run(ctx, 5*time.Minute, "up", "-d"); err != nil {
		return nil, err
	}
	if err := localserver.WaitReady(ctx, e.endpoint, within); err != nil {
		return nil, fmt.Errorf("container %s: %w\n%s", Container, err, e.Log(ctx))
	}
	return &localserver.Server{Endpoint: e.endpoint, How: "container " + Container + " by " + e.Name}, nil
}

// Down removes the container, and with volume also its volume with all tables.
func (e *Engine) Down(ctx context.Context, volume bool) error {
	args := []string{"down"}
	if volume {
		args = append(args, "-v")
	}
	return e.run(ctx, time.Minute, args...)
}

// Log returns the last lines of the container's log, or why there are none.
func (e *Engine) Log(ctx context.Context) string {
	text, err := localserver.Output(ctx, 10*time.Second, e.Name, "logs", "--tail", "50", Container)
	if err != nil {
		return err.Error()
	}
	return text
}

// Exists reports whether there is a container, running or not.
func (e *Engine) Exists(ctx context.Context) bool {
	_, err := localserver.Output(ctx, 10*time.Second, e.Name, "container", "inspect", Container)
	return err == nil
}

func (e *Engine) run(ctx context.Context, within time.Duration, args ...string) error {
	args = slices.Concat(e.compose[1:], []string{"-p", localserver.Folder, "-f", e.file}, args)
	text, err := localserver.Output(ctx, within, e.compose[0], args...)
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", e.compose[0], strings.Join(args, " "), err, localserver.LastLines(text, 20))
	}
	return nil
}

// findContainer starts the container of the compose file.
func (o Options) findContainer(ctx context.Context) (*localserver.Server, error) {
	engine, err := FindEngine(ctx, o.Compose)
	if err != nil {
		return nil, err
	}
	engine.endpoint = cmp.Or(o.container, engine.endpoint)
	return engine.Up(ctx, o.ready())
}
