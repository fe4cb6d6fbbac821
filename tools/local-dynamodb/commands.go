package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// A place describes a running server.
type place struct {
	endpoint string
	how      string
	log      func(context.Context) string
}

// where finds the server in the order DYNAMODB_ENDPOINT, jar, container.
func (a *app) where(ctx context.Context) (place, error) {
	if a.given != "" {
		return place{a.given, "DYNAMODB_ENDPOINT", func(context.Context) string { return "" }}, nil
	}
	background, err := localserver.OpenBackground(a.state)
	if err != nil {
		return place{}, err
	}
	if background != nil {
		how := fmt.Sprintf("jar, process %d, log in %s", background.PID, a.state)
		return place{background.Endpoint, how, a.jarLog}, nil
	}
	engine, err := dynamolocal.FindEngine(ctx, a.compose)
	if err == nil && engine.Exists(ctx) {
		return place{dynamolocal.ContainerEndpoint, "container " + dynamolocal.Container + " by " + engine.Name, engine.Log}, nil
	}
	if _, err := os.Stat(filepath.Join(a.state, "server.json")); err == nil {
		return place{}, notRunning{"it ended by itself. The end of its log:\n" + localserver.BackgroundLog(a.state)}
	}
	return place{}, notRunning{"it was not started"}
}

func (a *app) jarLog(context.Context) string { return localserver.BackgroundLog(a.state) }

// notRunning is the error of a command that needs a running server.
type notRunning struct{ why string }

func (e notRunning) Error() string { return "no DynamoDB Local of this project runs: " + e.why }

// Hint returns the command that starts the server.
func (notRunning) Hint() string { return "just up, or: go run ./tools/local-dynamodb up" }

// up starts the server and prints its endpoint.
func (a *app) up(ctx context.Context, _ string) error {
	if a.given != "" {
		server, err := dynamolocal.Find(ctx, dynamolocal.Options{Endpoint: a.given})
		if err != nil {
			return err
		}
		return a.printUp(server.Endpoint, "DYNAMODB_ENDPOINT is set; nothing to start")
	}
	running, err := localserver.OpenBackground(a.state)
	if err != nil {
		return err
	}
	if running != nil {
		return a.printUp(running.Endpoint, fmt.Sprintf("it runs already, process %d", running.PID))
	}
	containerErr := a.upContainer(ctx)
	if containerErr == nil {
		return nil
	}
	fmt.Fprintf(a.stderr, "%v; trying Java\n", containerErr)
	options := dynamolocal.Options{Cache: a.cache, Port: a.port, Ready: a.within}
	background, started, err := dynamolocal.StartBackground(ctx, options, a.state)
	if err != nil {
		return &localserver.NotFoundError{Kind: dynamolocal.Kind, Tried: []error{containerErr, err}}
	}
	if !started {
		return a.printUp(background.Endpoint, fmt.Sprintf("it runs already, process %d", background.PID))
	}
	fmt.Fprintln(a.stderr, "warning: it listens on every interface of this machine and checks no credentials")
	return a.printUp(background.Endpoint, fmt.Sprintf("jar %s, process %d", dynamolocal.Version, background.PID))
}

// upContainer starts the container and prints its endpoint.
func (a *app) upContainer(ctx context.Context) error {
	engine, err := dynamolocal.FindEngine(ctx, a.compose)
	if err != nil {
		return err
	}
	server, err := engine.Up(ctx, a.within)
	if err != nil {
		return err
	}
	return a.printUp(server.Endpoint, server.How)
}

func (a *app) printUp(endpoint, how string) error {
	fmt.Fprintf(a.stderr, "DynamoDB Local answers: %s\nnext: export DYNAMODB_ENDPOINT=%s\n", how, endpoint)
	fmt.Fprintln(a.stdout, endpoint)
	return nil
}

// waitReady waits for an answer. Its error contains the log if there is none.
func (a *app) waitReady(ctx context.Context, _ string) error {
	p, err := a.where(ctx)
	if err != nil {
		return err
	}
	if err := localserver.WaitReady(ctx, p.endpoint, a.within); err != nil {
		return fmt.Errorf("%s (%s): %w\n%s", p.endpoint, p.how, err, p.log(ctx))
	}
	fmt.Fprintf(a.stderr, "ready: %s (%s)\n", p.endpoint, p.how)
	return nil
}

// status prints which server runs. It returns an error if none runs.
func (a *app) status(ctx context.Context, _ string) error {
	p, err := a.where(ctx)
	if err != nil {
		return err
	}
	if err := localserver.CheckAlive(ctx, p.endpoint); err != nil {
		return fmt.Errorf("%s (%s) does not answer: %w", p.endpoint, p.how, err)
	}
	fmt.Fprintf(a.stdout, "%s answers (%s)\n", p.endpoint, p.how)
	return nil
}

func (a *app) endpoint(ctx context.Context, _ string) error {
	p, err := a.where(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, p.endpoint)
	return nil
}

// health sends one request. It prints nothing if the server answers.
func (a *app) health(ctx context.Context, endpoint string) error {
	if endpoint == "" {
		p, err := a.where(ctx)
		if err != nil {
			return err
		}
		endpoint = p.endpoint
	}
	if err := localserver.CheckEndpoint(endpoint); err != nil {
		return err
	}
	return localserver.CheckAlive(ctx, endpoint)
}

// down stops the server that up started, and keeps its tables.
func (a *app) down(ctx context.Context, _ string) error {
	return a.stop(ctx, false)
}

func (a *app) stop(ctx context.Context, volume bool) error {
	background, err := localserver.OpenBackground(a.state)
	if err != nil {
		return err
	}
	if background != nil {
		if err := background.Stop(ctx); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "stopped process %d\n", background.PID)
	}
	engine, err := dynamolocal.FindEngine(ctx, a.compose)
	if err != nil {
		fmt.Fprintf(a.stderr, "containers were not checked: %v\n", err)
		return nil
	}
	return engine.Down(ctx, volume)
}

// nuke removes the server, its tables and its log. It removes no key, no dialogue
// of another store, and not the jar in the cache. If DYNAMODB_ENDPOINT names a
// server that up did not start, nuke removes nothing and does not change that
// server.
//
// All tables of the project have deletion protection. It does not prevent nuke,
// because nuke removes the files or the volume.
func (a *app) nuke(ctx context.Context, _ string) error {
	if err := a.checkOwn(ctx); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "this removes container %s, volume %s, and the tables, log and state in %s\n",
		dynamolocal.Container, dynamolocal.Volume, a.state)
	if err := a.confirmName(); err != nil {
		return err
	}
	if err := a.stop(ctx, true); err != nil {
		return err
	}
	removed, err := dynamolocal.RemoveBackground(a.state)
	for _, path := range removed {
		fmt.Fprintf(a.stderr, "removed %s\n", path)
	}
	return err
}

// foreignServer is the error of nuke for a server that up did not start.
type foreignServer struct{ endpoint string }

func (e foreignServer) Error() string {
	return "nothing was removed: DYNAMODB_ENDPOINT names " + e.endpoint + ", a server that up did not start. This program does not remove its tables, and they have deletion protection"
}

// Hint returns the commands that remove one of the two servers' tables.
func (foreignServer) Hint() string {
	return "to remove the server of up: unset DYNAMODB_ENDPOINT; to remove tables of the other server: aws dynamodb update-table --no-deletion-protection-enabled --table-name NAME, then delete-table, with --endpoint-url"
}

// checkOwn returns an error if DYNAMODB_ENDPOINT names a server that answers and
// that up did not start.
func (a *app) checkOwn(ctx context.Context) error {
	if a.given == "" {
		return nil
	}
	if err := localserver.CheckEndpoint(a.given); err != nil {
		return fmt.Errorf("nothing was removed: DYNAMODB_ENDPOINT: %w", err)
	}
	own := *a
	own.given = ""
	if p, err := own.where(ctx); err == nil && isSameServer(p.endpoint, a.given) || localserver.CheckAlive(ctx, a.given) != nil {
		return nil
	}
	return foreignServer{a.given}
}

// isSameServer reports whether two URLs name one port of this machine.
func isSameServer(own, given string) bool {
	o, err := url.Parse(own)
	g, wrong := url.Parse(given)
	if err != nil || wrong != nil || o.Scheme != g.Scheme || o.Port() != g.Port() {
		return false
	}
	return awsclient.IsLoopback(strings.ToLower(g.Hostname()))
}

// confirmName reads the name of the container from the terminal. Without a
// terminal, the flag must have it.
func (a *app) confirmName() error {
	typed := a.confirm
	if typed == "" && !a.terminal {
		return fmt.Errorf("nuke needs --confirm %s without a terminal: %w", dynamolocal.Container, errUsage)
	}
	if typed == "" {
		fmt.Fprintf(a.stderr, "type %s to continue: ", dynamolocal.Container)
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil {
			return fmt.Errorf("nothing was removed: %w", err)
		}
		typed = strings.TrimSpace(line)
	}
	if typed != dynamolocal.Container {
		return errors.New("nothing was removed: that is not " + dynamolocal.Container)
	}
	return nil
}
