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
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/superviber/blue-encrypted-store/sqlite"
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

// commands lists the constructors of the commands, in the order of the help.
var commands = []func(*app) *cobra.Command{
	dialogueCommand,
	listCommand,
	showCommand,
	citeCommand,
	demoCommand,
	importCommand,
	graphCommand,
	exportCommand,
	inspectCommand,
	verifyCommand,
	copyCommand,
	keysCommand,
	eraseCommand,
	auditCommand,
	tableCommand,
	resetCommand,
	doctorCommand,
	configCommand,
	versionCommand,
}

// group adds subcommands to a command, which itself prints its help.
func (a *app) group(c *cobra.Command, below ...func(*app) *cobra.Command) *cobra.Command {
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	for _, add := range below {
		c.AddCommand(add(a))
	}
	return c
}

// formatVersion is the version of the stored format (docs/format.md).
const formatVersion = 1

// versionJSON is the answer of version.
type versionJSON struct {
	Version  string `json:"version"`            // of the module, "(devel)" if built in a checkout
	Revision string `json:"revision,omitempty"` // of the checkout
	Modified bool   `json:"modified,omitempty"` // the checkout had changes
	Format   int    `json:"format"`
	Go       string `json:"go"`
	SQLite   string `json:"sqlite"`
	Platform string `json:"platform"`
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program and of its parts",
		Example: "  blue-store version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return a.answer(v, func(w io.Writer) { versionText(w, v) })
		},
	}
}

func buildVersion() versionJSON {
	v := versionJSON{
		Version: "(devel)", Format: formatVersion, Go: runtime.Version(), SQLite: sqlite.SQLiteVersion,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func versionText(w io.Writer, v versionJSON) {
	fmt.Fprintf(w, "blue-store %s\n", v.Version)
	if v.Revision != "" {
		changed := ""
		if v.Modified {
			changed = " with changes"
		}
		fmt.Fprintf(w, "revision %s%s\n", v.Revision, changed)
	}
	fmt.Fprintf(w, "format %d\nsqlite %s\n%s %s\n", v.Format, v.SQLite, v.Go, v.Platform)
}

// startTrace returns a context with the trace of this run. The trace continues the
// one in TRACEPARENT (W3C Trace Context), if there is one. Audit events and JSON
// errors contain its id. The program does not export spans.
func (a *app) startTrace(ctx context.Context) context.Context {
	a.spans = sdktrace.NewTracerProvider()
	parent := propagation.MapCarrier{"traceparent": a.env("TRACEPARENT")}
	ctx, _ = a.tracer().Start(propagation.TraceContext{}.Extract(ctx, parent), "blue-store")
	return ctx
}

// tracer returns the tracer of this run.
func (a *app) tracer() trace.Tracer {
	if a.spans == nil {
		return noop.NewTracerProvider().Tracer("")
	}
	return a.spans.Tracer("blue-store")
}

// traceID returns the trace id in a context as 32 hex digits, or "".
func traceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}
