// Command local-dynamodb starts, checks and removes the DynamoDB Local server of
// this project. The recipes of the justfile use it. The server runs in a
// container if a container engine answers, and from the jar otherwise.
//
// The command parses flags and selects the folders. Package
// internal/testing/dynamolocal finds and starts the server, and
// tools/setup-tables creates tables.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

const help = `local-dynamodb: the DynamoDB Local of this project

  up                start it in the background, or find it running; prints its endpoint
  wait-ready        wait until it answers, and show its log if it does not
  status            print which server runs, and where
  endpoint          print its endpoint
  health [URL]      exit 0 if it answers, else 1
  down              stop it and keep its tables
  nuke              stop it and remove its tables, after you type ` + dynamolocal.Container + `

up uses DYNAMODB_ENDPOINT if it is set, else a container engine that answers
(docker-compose.yml), else the jar with Java 17 or later.

flags, after the command:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdin.Fd())),
		given:    os.Getenv("DYNAMODB_ENDPOINT"),
	}
	code := a.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// An app is one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool   // stdin is a terminal
	given          string // DYNAMODB_ENDPOINT

	// flags
	cache, state, compose string
	port                  int
	within                time.Duration
	confirm               string
}

// errUsage is the error of a wrong command line.
var errUsage = errors.New("local-dynamodb --help has the commands")

// main returns the exit code: 0, 1, or 2 for a usage error.
func (a *app) main(ctx context.Context, args []string) int {
	err := a.run(ctx, args)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(a.stderr, "local-dynamodb: %v\n", err)
		return 2
	}
	fmt.Fprintf(a.stderr, "local-dynamodb: %v\n", err)
	if hint, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		fmt.Fprintf(a.stderr, "hint: %s\n", hint.Hint())
	}
	return 1
}

func (a *app) run(ctx context.Context, args []string) error {
	flags, err := a.flags()
	if err != nil {
		return err
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(a.stdout, help)
		flags.SetOutput(a.stdout)
		flags.PrintDefaults()
		return flag.ErrHelp
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("no command %q: %w", args[0], errUsage)
	}
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	if flags.NArg() > command.args {
		return fmt.Errorf("%s takes no argument %q: %w", args[0], flags.Arg(command.args), errUsage)
	}
	return command.run(a, ctx, flags.Arg(0))
}

var commands = map[string]struct {
	args int
	run  func(a *app, ctx context.Context, arg string) error
}{
	"up":         {0, (*app).up},
	"wait-ready": {0, (*app).waitReady},
	"status":     {0, (*app).status},
	"endpoint":   {0, (*app).endpoint},
	"health":     {1, (*app).health},
	"down":       {0, (*app).down},
	"nuke":       {0, (*app).nuke},
}

func (a *app) flags() (*flag.FlagSet, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, localserver.Folder)
	flags := flag.NewFlagSet("local-dynamodb", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&a.cache, "cache", cache, "`folder` for the jar")
	flags.StringVar(&a.state, "state", filepath.Join(cache, "dynamodb-local", "up"), "`folder` for the files of the jar's server")
	flags.StringVar(&a.compose, "compose", "docker-compose.yml", "the compose `file`")
	flags.IntVar(&a.port, "port", 8000, "port of the jar's server, 0 for a free one; the container's is 8000")
	flags.DurationVar(&a.within, "within", time.Minute, "maximum time that up and wait-ready wait for an answer")
	flags.StringVar(&a.confirm, "confirm", "", "for nuke: "+dynamolocal.Container+", instead of typing it")
	return flags, nil
}
