// Command blue-store stores alignment dialogues. It encrypts them on the
// client, and detects every change when it reads them.
//
// This package parses the command line, reads the environment and prints
// answers. No other package reads the environment. A file holds one command or a
// group of commands. The rules of a dialogue are in package blue, and encryption is
// in package encrypted. Code that another interface would need does not belong here.
//
// An app is one run of the program, and a session is an open store. Each command
// has a type for its answer, with a form in JSON and a form as text. Functions
// with Text or print in the name write an entity, a table or an event for a
// person. The file inspect.go compares stored items with their decrypted form.
//
// Data goes to standard output and everything else to standard error. Answers
// and errors are JSON with --json, or if standard output is not a terminal.
// JSON input is a flag, a file (@FILE) or standard input (-). The exit code
// names the class of an error. docs/design.md §6 has the details.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
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
	a.tracer = sdktrace.NewTracerProvider().Tracer("blue-store")
	parent := propagation.MapCarrier{"traceparent": a.env("TRACEPARENT")}
	ctx, _ = a.tracer.Start(propagation.TraceContext{}.Extract(ctx, parent), "blue-store")
	return ctx
}

// commandTraceID returns the trace id in a context as 32 hex digits, or "".
func commandTraceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}

// The exit codes (docs/design.md §6). Later versions can add codes. A script
// must treat an unknown code like 1.
const (
	exitOK          = 0
	exitUnexpected  = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitUnavailable = 5
	exitKey         = 6
	exitIntegrity   = 7
	exitConflict    = 8
	exitErased      = 9
	exitAudit       = 10
	exitInterrupted = 130
)

// exitMeanings lists the exit codes with their meanings for the help text.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitOK, "ok"},
	{exitUnexpected, "unexpected"},
	{exitUsage, "usage or malformed input"},
	{exitNotFound, "not found"},
	{exitRefused, "well-formed, but refused by a rule or gate"},
	{exitUnavailable, "store unreachable"},
	{exitKey, "key missing, wrong or denied"},
	{exitIntegrity, "integrity, rollback included"},
	{exitConflict, "conflict or busy"},
	{exitErased, "erased"},
	{exitAudit, "audit unavailable"},
	{exitInterrupted, "interrupted"},
}

// kinds maps an error to its exit code and its name in JSON. An error can have
// several kinds, and the first kind in the list is used.
var kinds = []struct {
	err  error
	code int
	kind string
}{
	{context.Canceled, exitInterrupted, "interrupted"},
	{blue.ErrTampered, exitIntegrity, "integrity"},
	{blue.ErrErased, exitErased, "erased"},
	{blue.ErrSealed, exitKey, "key"},
	{blue.ErrAudit, exitAudit, "audit_unavailable"},
	{blue.ErrUnavailable, exitUnavailable, "store_unavailable"},
	{blue.ErrConflict, exitConflict, "conflict"},
	{blue.ErrBusy, exitConflict, "busy"},
	{blue.ErrRefused, exitRefused, "refused"},
	{blue.ErrTooLarge, exitUsage, "too_large"},
	{blue.ErrNotFound, exitNotFound, "not_found"},
	{blue.ErrInvalid, exitUsage, "invalid"},
}

// classify returns the exit code and name of an error. If an audit event could
// not be stored, the code is 10. If the reason is that the whole store is
// unreachable or locked, the error of the store counts, with code 5 or 8.
func classify(err error) (code int, kind string) {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage, "usage"
	}
	for _, k := range kinds {
		if k.err == blue.ErrAudit && (dynamo.Unreachable(err) || sqlite.IsUnreachable(err)) {
			continue // the log is in the same store, and the user must repair the store first
		}
		if errors.Is(err, k.err) {
			return k.code, k.kind
		}
	}
	return exitUnexpected, "unexpected"
}

// usageError is an error of the command line or of a setting. The hint contains
// a correct form.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func usage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return fmt.Errorf("%w: %s", blue.ErrNotFound, fmt.Sprintf(format, args...))
}

// hintedError is an error with a hint for the user.
type hintedError struct {
	error
	hint string
}

func (h *hintedError) Unwrap() error { return h.error }

func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hintedError{err, hint}
}

// hintOf returns the hint of an error, or "".
func hintOf(err error) string {
	if h, ok := errors.AsType[*hintedError](err); ok {
		return h.hint
	}
	if u, ok := errors.AsType[*usageError](err); ok && u.hint != "" {
		return u.hint
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	if file, ok := errors.AsType[*localfile.FileError](err); ok && file.Hint != "" {
		return file.Hint
	}
	if wrong, ok := errors.AsType[*keys.WrongKeyError](err); ok && strings.HasPrefix(wrong.Want, "arn:") {
		if strings.HasPrefix(wrong.Have, "arn:") {
			return "set BLUE_KMS_KEY_ARN to the key that the store was sealed with; or, if you changed the KMS key on purpose: blue-store keys rewrap"
		}
		return "set BLUE_KMS_KEY_ARN to this KMS key"
	}
	switch {
	case errors.Is(err, keys.ErrNoKEK):
		return "BLUE_USER has no key under this KMS key and no granted key in this store; unset BLUE_KMS_KEY_ARN if the store was sealed with a key file"
	case errors.Is(err, blue.ErrErased) && !errors.Is(err, blue.ErrTampered):
		return "the erasure is permanent, and the store never uses the id again; after a restore of older data, run this first: blue-store erase replay"
	case errors.Is(err, blue.ErrRolledBack):
		return "if you restored the store on purpose, run the command with --accept-rollback"
	case errors.Is(err, blue.ErrTampered):
		return "no data was shown; verify, show and export with --salvage return the items that verify"
	}
	return ""
}

// errorJSON is the JSON form of an error on standard error.
type errorJSON struct {
	Kind     string        `json:"kind"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	ExitCode int           `json:"exit_code"`
	TraceID  string        `json:"trace_id,omitempty"` // of this run, also in its audit events
	Damage   []blue.Damage `json:"damage,omitempty"`
}

// exit prints an error and returns its exit code. For a failed validation or a
// closed gate, standard output already has the answer that Blue defines.
func (a *app) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", context.Canceled)
	}
	code, kind := classify(err)
	e := errorJSON{Kind: kind, Message: err.Error(), Hint: hintOf(err), ExitCode: code, TraceID: commandTraceID(ctx)}
	if t, ok := errors.AsType[*blue.TamperError](err); ok {
		e.Damage = t.Damage
	}
	if a.isJSON() {
		text, _ := json.Marshal(e)
		fmt.Fprintf(a.err, "%s\n", escapeControls(text))
		return code
	}
	fmt.Fprintf(a.err, "error: %s\n", display.Printable(e.Message))
	if e.Hint != "" {
		fmt.Fprintf(a.err, "hint: %s\n", display.Printable(e.Hint))
	}
	return code
}
