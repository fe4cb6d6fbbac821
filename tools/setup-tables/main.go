// Command setup-tables creates the missing DynamoDB tables and compares the
// others with their definition (RFC 0058, "First-time setup"). It is
// `blue-store table create` as a separate program, for recipes and containers. It
// never changes an existing table.
//
// It reads flags and environment and sets the exit code. Package dynamo/tables
// defines and creates the tables, and internal/awsclient selects the endpoint.
//
// Exit codes: 0 if all tables match their definition, 2 for a usage error, 5 if
// the server is unreachable or a table differs, 130 if interrupted, 1 for any
// other error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, env func(string) string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("setup-tables", flag.ContinueOnError)
	flags.SetOutput(errs)
	at := flags.String("endpoint", "", "`URL` of the server (DYNAMODB_ENDPOINT, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL; default AWS)")
	insecure := flags.Bool("insecure-endpoint", false, "allow plain http to another host")
	prefix := flags.String("prefix", env("BLUE_TABLE_PREFIX"), "prefix of each table's name (BLUE_TABLE_PREFIX)")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(errs, "error: setup-tables takes no arguments: %q\nhint: setup-tables --help\n", flags.Arg(0))
		return 2
	}
	given := awsclient.EndpointFlags{Endpoint: *at, Insecure: *insecure}
	flags.Visit(func(f *flag.Flag) { given.Given = given.Given || f.Name == "endpoint" })
	if err := setup(ctx, given, *prefix, env, out); err != nil {
		return report(ctx, errs, err)
	}
	return 0
}

func setup(ctx context.Context, given awsclient.EndpointFlags, prefix string, env func(string) string, out io.Writer) error {
	at, err := awsclient.DynamoDB.Find(given, env)
	if err != nil {
		return err
	}
	c := dynamo.Config{Endpoint: at.URL, EndpointFrom: at.From, Insecure: at.IsExposed(), Prefix: prefix}
	if !at.IsLocal() { // DynamoDB Local needs no profile
		aws, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return fmt.Errorf("%w: loading the AWS configuration: %w", blue.ErrInvalid, err)
		}
		c.AWS = &aws
	}
	admin, err := tables.Open(c)
	if err != nil {
		return err
	}
	found, err := admin.Create(ctx)
	if err != nil {
		return err
	}
	for _, t := range found {
		if err := printStatus(out, t); err != nil {
			return err
		}
	}
	return admin.Check(found)
}

func printStatus(out io.Writer, t tables.Status) error {
	state := string(t.State)
	if t.Created {
		state = "created"
	}
	lines := fmt.Sprintf("%-10s %s\n", state, t.Name)
	for _, d := range t.Differs {
		lines += fmt.Sprintf("%-10s   %s\n", "", d)
	}
	for _, n := range t.NotHere {
		lines += fmt.Sprintf("%-10s   not supported here: %s\n", "", n)
	}
	_, err := io.WriteString(out, lines)
	return err
}

func report(ctx context.Context, errs io.Writer, err error) int {
	if ctx.Err() != nil {
		fmt.Fprintln(errs, "error: interrupted")
		return 130
	}
	fmt.Fprintf(errs, "error: %v\n", err)
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok && h.Hint() != "" {
		fmt.Fprintf(errs, "hint: %s\n", h.Hint())
	}
	for _, k := range []struct {
		err  error
		code int
	}{{blue.ErrInvalid, 2}, {blue.ErrUnavailable, 5}} {
		if errors.Is(err, k.err) {
			return k.code
		}
	}
	return 1
}
