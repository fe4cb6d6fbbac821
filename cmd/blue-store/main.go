// Command blue-store stores alignment dialogues. It encrypts them on the
// client, and detects every change when it reads them.
//
// This package parses the command line, reads the environment and prints
// answers. No other package reads the environment. Each command has its own
// file. The rules of a dialogue are in package blue, and encryption is in package
// encrypted. Code that another interface would need does not belong here.
//
// Data goes to standard output and everything else to standard error. Answers
// and errors are JSON with --json, or if standard output is not a terminal.
// JSON input is a flag, a file (@FILE) or standard input (-). The exit code
// names the class of an error (exit.go). docs/design.md §6 has the details.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run is main without os.Exit. Tests call it.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}
	return a.run(ctx, os.Args[1:])
}

// run executes one command line and returns its exit code. A panic becomes an
// error of one line, because a stack trace can contain text of a dialogue.
func (a *app) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			code = a.exit(ctx, fmt.Errorf("this is a bug in blue-store: %v", r))
		}
	}()
	a.args = args
	ctx = a.startTrace(ctx)
	root := a.root()
	root.SetArgs(args)
	return a.exit(ctx, a.withLogError(a.offerReset(ctx, root.ExecuteContext(ctx))))
}
