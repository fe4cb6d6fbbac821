// Command testall runs the tests and prints which suites ran and which were
// skipped, with the reason. scripts/test is the command for people.
//
// It finds what the tests need besides Go: a DynamoDB Local, a KMS, Python and
// some programs. It installs missing parts only with --install or CI=true.
// With CI=true nothing may be missing. Otherwise the tests of a missing part are
// skipped (BLUE_TEST_SKIP). The suites and campaigns that it reports are those
// in the table of docs/testing.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/pythonenv"
)

const usage = `scripts/test runs all tests, or those that the arguments for go test select.

  scripts/test [flags] [arguments for go test]

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, o)
	}
	if err == flag.ErrHelp {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "scripts/test: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	install  bool
	inCI     bool
	onlyFind bool
	times    bool
	length   string   // of the campaigns
	longer   bool     // only the rows of docs/testing.md that are longer at this length
	args     []string // for go test
}

func parse(args []string) (*options, error) {
	o := &options{inCI: os.Getenv("CI") == "true"}
	flags := flag.NewFlagSet("scripts/test", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage); flags.PrintDefaults() }
	flags.BoolVar(&o.install, "install", o.inCI, "install what is missing: Debian packages as root, Python packages into the cache")
	flags.BoolVar(&o.onlyFind, "find", false, "find (or install) what the tests need and run nothing")
	flags.BoolVar(&o.times, "times", false, "print the time of each package as a table for docs/testing.md")
	campaign := flags.String("campaign", "", "run only the suites and campaigns that are longer at this `length`: ordinary or long")
	if err := flags.Parse(args); err != nil {
		return nil, flag.ErrHelp
	}
	o.args = flags.Args()
	o.length = os.Getenv("BLUE_CAMPAIGN")
	if *campaign != "" {
		o.length, o.longer = *campaign, true
	}
	if o.length == "" {
		o.length = "short"
	}
	if !slices.Contains([]string{"short", "ordinary", "long"}, o.length) || o.longer && o.length == "short" {
		return nil, fmt.Errorf("the length %q of the campaigns is not known", o.length)
	}
	return o, nil
}

func run(ctx context.Context, o *options) error {
	root := checkout.Root()
	cache, err := localserver.Cache()
	if err != nil {
		return err
	}
	// Programs of the virtual environment come first: just, cfn-lint and python3.
	bin := filepath.Dir(pythonenv.Path(cache, "python"))
	os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	parts := partsOf(root, cache, o.install)
	if o.install {
		install(ctx, parts, cache, root)
	}
	if find(ctx, parts) > 0 && o.inCI {
		return fmt.Errorf("with CI=true every test runs, and parts are missing")
	}
	if o.onlyFind {
		return nil
	}
	rows, err := readTable(filepath.Join(root, "docs", "testing.md"))
	if err != nil {
		return err
	}
	began := time.Now()
	results, failed := test(ctx, o, parts, rows)
	summary{os.Stdout, o, parts, rows, results}.print(time.Since(began))
	return failed
}

// test runs go test and returns its results. The error is not nil if go test failed.
func test(ctx context.Context, o *options, parts []*part, rows []row) (*results, error) {
	args := append([]string{"test", "-json", "-count=1"}, goTestArgs(o, rows)...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "BLUE_TEST_SKIP="+skipList(parts), "BLUE_CAMPAIGN="+o.length)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	fmt.Printf("\nBLUE_CAMPAIGN=%s go %s\n", o.length, strings.Join(args, " "))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := newResults()
	readErr := r.read(out, os.Stdout)
	_, _ = io.Copy(io.Discard, out)
	switch err := cmd.Wait(); {
	case readErr != nil:
		return r, readErr
	case err != nil:
		return r, fmt.Errorf("go test: %w", err)
	case r.packages == 0:
		return r, fmt.Errorf("no package was tested")
	}
	return r, nil
}

// goTestArgs returns the arguments for go test: those given, or all packages,
// or the tests of the rows that are longer at the chosen length.
func goTestArgs(o *options, rows []row) []string {
	timeout := map[string]string{"short": "30m", "ordinary": "60m", "long": "5h"}[o.length]
	args := append([]string{"-timeout", timeout}, o.args...)
	if o.longer {
		packages, tests := longerRows(rows, o.length)
		return append(append(args, "-run", "^("+strings.Join(tests, "|")+")$"), packages...)
	}
	if len(o.args) == 0 {
		args = append(args, "./...")
	}
	return args
}

// skipList returns BLUE_TEST_SKIP: the given names and the missing parts.
func skipList(parts []*part) string {
	var names []string
	if given := os.Getenv("BLUE_TEST_SKIP"); given != "" {
		names = append(names, given)
	}
	for _, p := range parts {
		if p.err != nil {
			names = append(names, p.skip)
		}
	}
	return strings.Join(names, ",")
}
