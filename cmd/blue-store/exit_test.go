package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/wire"
)

// constants returns the exit codes in main.go.
func constants(t *testing.T) map[int]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[int]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "exit") || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			code, _ := strconv.Atoi(lit.Value)
			codes[code] = spec.Names[0].Name
		}
		return true
	})
	return codes
}

// TestExitCodesAreToldWhole checks that the help lists every code of main.go
// once, and no other code.
func TestExitCodesAreToldWhole(t *testing.T) {
	codes := constants(t)
	if len(codes) != 12 {
		t.Fatalf("main.go has %d codes: %v", len(codes), codes)
	}
	help := newMachine(t).must("--help").stdout
	_, listed, _ := strings.Cut(help, "Exit codes:\n")
	told := map[int]bool{}
	for line := range strings.Lines(listed) {
		number, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		code, err := strconv.Atoi(number)
		if err != nil || codes[code] == "" || told[code] {
			t.Errorf("help tells of a code that is none, or twice: %q", line)
		}
		told[code] = true
	}
	if len(told) != len(codes) {
		t.Errorf("help tells %d of %d codes", len(told), len(codes))
	}
	for _, k := range kinds {
		if codes[k.code] == "" {
			t.Errorf("an error maps to code %d, which has no name", k.code)
		}
	}
}

// TestExitCodesAreFixed checks the numbers, because scripts depend on them. A
// later version can add a code, but must not change one.
func TestExitCodesAreFixed(t *testing.T) {
	want := map[int]string{
		0: "exitOK", 1: "exitUnexpected", 2: "exitUsage", 3: "exitNotFound", 4: "exitRefused", 5: "exitUnavailable",
		6: "exitKey", 7: "exitIntegrity", 8: "exitConflict", 9: "exitErased", 10: "exitAudit", 130: "exitInterrupted",
	}
	if diff := cmp.Diff(want, constants(t)); diff != "" {
		t.Errorf("exit codes (-want +main.go):\n%s", diff)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		kind string
	}{
		{errors.New("x"), exitUnexpected, "unexpected"},
		{usage("x"), exitUsage, "usage"},
		{&wire.JSONError{}, exitUsage, "invalid"},
		{notFound("x"), exitNotFound, "not_found"},
		{&blue.ValidationError{}, exitRefused, "refused"},
		{&blue.GateError{}, exitRefused, "refused"},
		{&shortError{&blue.ValidationError{}, "x"}, exitRefused, "refused"},
		{fmt.Errorf("x: %w", blue.ErrTooLarge), exitUsage, "too_large"},
		{fmt.Errorf("x: %w", blue.ErrUnavailable), exitUnavailable, "store_unavailable"},
		{fmt.Errorf("x: %w", blue.ErrSealed), exitKey, "key"},
		{&blue.TamperError{}, exitIntegrity, "integrity"},
		{&blue.TamperError{RolledBack: true}, exitIntegrity, "integrity"},
		{fmt.Errorf("x: %w", blue.ErrConflict), exitConflict, "conflict"},
		{fmt.Errorf("x: %w", blue.ErrBusy), exitConflict, "busy"},
		{fmt.Errorf("x: %w", blue.ErrErased), exitErased, "erased"},
		{fmt.Errorf("x: %w", blue.ErrAudit), exitAudit, "audit_unavailable"},
		{fmt.Errorf("x: %w", context.Canceled), exitInterrupted, "interrupted"},
		// The more severe of two errors.
		{errors.Join(notFound("x"), &blue.TamperError{}), exitIntegrity, "integrity"},
		{errors.Join(blue.ErrInvalid, blue.ErrAudit), exitAudit, "audit_unavailable"},
		{withHint(notFound("x"), "y"), exitNotFound, "not_found"},
	} {
		if code, kind := classify(c.err); code != c.code || kind != c.kind {
			t.Errorf("%v: %d %s; want %d %s", c.err, code, kind, c.code, c.kind)
		}
	}
}

// TestInterrupted checks that a run that is interrupted while it reads its input
// exits with 130 and does not change the store.
func TestInterrupted(t *testing.T) {
	m := startingState(t)
	before := m.stored()
	ctx, cancel := context.WithCancel(t.Context())
	in := waiting{begun: make(chan struct{}), end: make(chan struct{})}
	defer close(in.end)
	go func() {
		<-in.begun
		cancel()
	}()
	var out, stderr bytes.Buffer
	a := &app{in: in, out: &out, err: &stderr, env: m.env}
	code := a.run(ctx, register("-"))
	if code != exitInterrupted || out.Len() > 0 || !strings.Contains(stderr.String(), `"kind":"interrupted"`) {
		t.Errorf("exit %d; want %d: %s%s", code, exitInterrupted, &stderr, &out)
	}
	if m.stored() != before {
		t.Error("the store changed")
	}
}

// waiting is an input that returns no data until the test ends.
type waiting struct{ begun, end chan struct{} }

func (w waiting) Read([]byte) (int, error) {
	close(w.begun)
	<-w.end
	return 0, io.EOF
}

// TestClosedOutput checks that an answer that cannot be written is an error, and
// that the command has its effect.
func TestClosedOutput(t *testing.T) {
	m := startingState(t)
	var stderr bytes.Buffer
	a := &app{in: strings.NewReader(""), out: closed{}, err: &stderr, env: m.env}
	if code := a.run(t.Context(), register(`{"score":1}`)); code != exitUnexpected {
		t.Errorf("exit %d; want %d: %s", code, exitUnexpected, &stderr)
	}
	if got := m.must("show", "error-cases", "round:1", "--text").stdout; !strings.HasPrefix(got, "round 1, score 1") {
		t.Errorf("round 1 is not stored whole: %s", got)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("the pipe is closed") }

// TestNoStackTrace checks that a panic prints one line.
func TestNoStackTrace(t *testing.T) {
	saved := commands
	defer func() { commands = saved }()
	commands = []func(*app) *cobra.Command{func(*app) *cobra.Command {
		return &cobra.Command{Use: "broken", Run: func(*cobra.Command, []string) { panic("on purpose") }}
	}}
	o := newMachine(t).run("broken")
	if o.code != exitUnexpected || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "this is a bug in blue-store: on purpose") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

// TestHelpExamples checks that the help of every command shows examples before
// flags.
func TestHelpExamples(t *testing.T) {
	m := newMachine(t)
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			if sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			path := append(path[:len(path):len(path)], sub.Name())
			help := m.must(append(path, "--help")...).stdout
			examples, flags := strings.Index(help, "Examples:\n  blue-store "+strings.Join(path, " ")), strings.Index(help, "\nFlags:")
			if examples < 0 || flags < examples {
				t.Errorf("%v: no example of its own before the flags:\n%s", path, help)
			}
			walk(sub, path)
		}
	}
	walk((&app{env: m.env}).root(), nil)
}

func TestNearest(t *testing.T) {
	names := []string{"cite", "doctor", "list", "show", "verify", "version"}
	for typed, want := range map[string]string{
		"shwo": "show", "lst": "list", "ver": "verify", "versoin": "version", "docter": "doctor", "d": "doctor", "": "", "quux": "", "SHOW": "show", strings.Repeat("show", 20): "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("%q: %q; want %q", typed, got, want)
		}
	}
}

func TestEscapeControls(t *testing.T) {
	if got, want := string(escapeControls([]byte("\"a\u009bb\u202ec\u007f\"\n"))), `"a\u009bb\u202ec\u007f"`+"\n"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

// TestTooManySimilarTitles checks that the ids of one title end at -99.
func TestTooManySimilarTitles(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for range 99 {
		m.must("dialogue", "create", "Many")
	}
	o := m.run("dialogue", "create", "many!")
	if o.code != exitRefused || !strings.Contains(o.stderr, "too many dialogues with similar titles") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	m.must("dialogue", "create", "many", "--opaque-id")
}
