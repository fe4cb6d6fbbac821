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

// place is where a server is, or would be.
type place struct {
	endpoint string
	how      string
	log      func(context.Context) string
}

// where looks for the server in the order of up: given, by the jar, container.
func (a *app) where(ctx context.Context) (place, error) {
	if a.given != "" {
		return place{a.given, "DYNAMODB_ENDPOINT", func(context.Context) string { return "" }}, nil
	}
	background, err := dynamolocal.OpenBackground(ctx, a.state)
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
		return place{}, notRunning{"it ended by itself; the end of its log:\n" + dynamolocal.BackgroundLog(a.state)}
	}
	return place{}, notRunning{"nobody has started it"}
}

func (a *app) jarLog(context.Context) string { return dynamolocal.BackgroundLog(a.state) }

// notRunning is the error of asking for a server that nobody started.
type notRunning struct{ why string }

func (e notRunning) Error() string { return "no DynamoDB Local of this project runs: " + e.why }

// Hint is what to type.
func (notRunning) Hint() string { return "just up, or: go run ./tools/local-dynamodb up" }

// up starts the server and prints its endpoint.
func (a *app) up(ctx context.Context, _ string) error {
	if a.given != "" {
		server, err := dynamolocal.Find(ctx, dynamolocal.Options{Endpoint: a.given})
		if err != nil {
			return err
		}
		return a.isUp(server.Endpoint, "DYNAMODB_ENDPOINT is set; nothing to start")
	}
	running, err := dynamolocal.OpenBackground(ctx, a.state)
	if err != nil {
		return err
	}
	if running != nil {
		return a.isUp(running.Endpoint, fmt.Sprintf("it runs already, process %d", running.PID))
	}
	container := a.byContainer(ctx)
	if container == nil {
		return nil
	}
	fmt.Fprintf(a.stderr, "%v; trying Java\n", container)
	options := dynamolocal.Options{Cache: a.cache, Port: a.port, Ready: a.within}
	background, started, err := dynamolocal.StartBackground(ctx, options, a.state)
	if err != nil {
		return &localserver.NotFoundError{Kind: dynamolocal.Kind, Tried: []error{container, err}}
	}
	if !started {
		return a.isUp(background.Endpoint, fmt.Sprintf("it runs already, process %d", background.PID))
	}
	fmt.Fprintln(a.stderr, "warning: it listens on every interface of this machine and asks nobody for credentials")
	return a.isUp(background.Endpoint, fmt.Sprintf("jar %s, process %d", dynamolocal.Version, background.PID))
}

// byContainer starts the container, or says why not.
func (a *app) byContainer(ctx context.Context) error {
	engine, err := dynamolocal.FindEngine(ctx, a.compose)
	if err != nil {
		return err
	}
	server, err := engine.Up(ctx, a.within)
	if err != nil {
		return err
	}
	return a.isUp(server.Endpoint, server.How)
}

func (a *app) isUp(endpoint, how string) error {
	fmt.Fprintf(a.stderr, "DynamoDB Local answers: %s\nnext: export DYNAMODB_ENDPOINT=%s\n", how, endpoint)
	fmt.Fprintln(a.stdout, endpoint)
	return nil
}

// waitReady waits for an answer, and shows the log if there is none.
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

// status says what runs; nothing running is an answer too, with exit code 1.
func (a *app) status(ctx context.Context, _ string) error {
	p, err := a.where(ctx)
	if err != nil {
		return err
	}
	if err := localserver.Alive(ctx, p.endpoint); err != nil {
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

// health asks once. It says nothing if all is well.
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
	return localserver.Alive(ctx, endpoint)
}

// down stops what up started, whichever way; tables stay.
func (a *app) down(ctx context.Context, _ string) error {
	return a.stop(ctx, false)
}

func (a *app) stop(ctx context.Context, volume bool) error {
	background, err := dynamolocal.OpenBackground(ctx, a.state)
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
		fmt.Fprintf(a.stderr, "no container was looked for (%v)\n", err)
		return nil
	}
	return engine.Down(ctx, volume)
}

// nuke removes the server, its tables and its log; nothing else, no key and no
// dialogue of another store. The jar stays in the cache. Where
// DYNAMODB_ENDPOINT names a server that up did not start, nothing is removed
// and nothing of that server is touched.
//
// Deletion protection, which all our tables have, keeps no table of our own
// server from going: it is the files or the volume that are removed.
func (a *app) nuke(ctx context.Context, _ string) error {
	if err := a.notForeign(ctx); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "this removes container %s, volume %s, and the tables, log and state in %s\n",
		dynamolocal.Container, dynamolocal.Volume, a.state)
	if err := a.confirmed(); err != nil {
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

// foreignServer is the error of removing what is somebody else's.
type foreignServer struct{ endpoint string }

func (e foreignServer) Error() string {
	return "nothing was removed: DYNAMODB_ENDPOINT names " + e.endpoint + ", which up did not start; its tables are not this program's to remove, and they have deletion protection"
}

// Hint is what to type.
func (foreignServer) Hint() string {
	return "to remove the server of up: unset DYNAMODB_ENDPOINT; to remove tables over there: aws dynamodb update-table --no-deletion-protection-enabled --table-name NAME, then delete-table, with --endpoint-url"
}

// notForeign refuses a given endpoint at which a server answers that up did
// not start. One that does not answer has no tables to speak of.
func (a *app) notForeign(ctx context.Context) error {
	if a.given == "" {
		return nil
	}
	if err := localserver.CheckEndpoint(a.given); err != nil {
		return fmt.Errorf("nothing was removed: DYNAMODB_ENDPOINT: %w", err)
	}
	own := *a
	own.given = ""
	if p, err := own.where(ctx); err == nil && sameServer(p.endpoint, a.given) || localserver.Alive(ctx, a.given) != nil {
		return nil
	}
	return foreignServer{a.given}
}

// sameServer reports whether two URLs lead to one port of this machine.
func sameServer(own, given string) bool {
	o, err := url.Parse(own)
	g, wrong := url.Parse(given)
	if err != nil || wrong != nil || o.Scheme != g.Scheme || o.Port() != g.Port() {
		return false
	}
	return awsclient.IsLoopback(strings.ToLower(g.Hostname()))
}

// confirmed asks for the name on a terminal; elsewhere the flag must have it.
func (a *app) confirmed() error {
	typed := a.confirm
	if typed == "" && !a.terminal {
		return fmt.Errorf("nuke wants --confirm %s where nobody can be asked: %w", dynamolocal.Container, errUsage)
	}
	if typed == "" {
		fmt.Fprintf(a.stderr, "type %s to go on: ", dynamolocal.Container)
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
