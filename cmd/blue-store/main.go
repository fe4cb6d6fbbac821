// Command blue-store keeps alignment dialogues encrypted on this side of the
// store, and reads them back whole.
//
// What belongs here: parsing what is typed, printing what is answered, and
// reading the environment, which happens nowhere else. One file for each
// command. What does not: rules (package blue), sealing (encrypted), anything
// another door would need too.
//
// Conventions (docs/design.md §6): data on standard output, everything else
// on standard error; JSON when standard output is not a terminal or with
// --json, errors too; text on a terminal or with --text. JSON input comes as a
// flag, a file (@FILE) or standard input (-). The exit code says what kind of
// thing went wrong (exit.go).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run is main without os.Exit, so that tests can call it.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}
	return a.run(ctx, os.Args[1:])
}

// run executes one command line. A broken program says so in one line: a
// stack trace may show what a dialogue says.
func (a *app) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			code = a.exit(ctx, fmt.Errorf("this is a bug in blue-store: %v", r))
		}
	}()
	a.args = args
	ctx = a.traced(ctx)
	root := a.root()
	root.SetArgs(args)
	return a.exit(ctx, a.ended(a.offerReset(ctx, root.ExecuteContext(ctx))))
}
