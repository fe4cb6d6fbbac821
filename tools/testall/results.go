package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// event is an event of go test -json (see go doc test2json).
type event struct {
	Time       time.Time
	Action     string
	Package    string
	ImportPath string // of a build
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// result is the result of a test or, with an empty test name, of a package.
type result struct {
	Package string
	Test    string
	Action  string // pass, fail or skip
	Seconds float64
	Reason  string // of a skip
}

// results are the results of one run of go test.
type results struct {
	all      map[string]result // by package and test
	order    []string          // keys of all, in the order of their ends
	packages int
	output   map[string][]string // lines of tests that run
	began    map[string]time.Time
}

func newResults() *results {
	return &results{all: map[string]result{}, output: map[string][]string{}, began: map[string]time.Time{}}
}

func key(pkg, test string) string { return pkg + " " + test }

// read reads the events to their end. It prints the line of each package as go
// test does, and the output of what failed.
func (r *results) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(out, "%s", line)
			} else {
				r.add(e, out)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var packageLine = regexp.MustCompile(`^(ok|FAIL|\?|---) *\t`)

func (r *results) add(e event, out io.Writer) {
	k := key(e.Package, e.Test)
	switch e.Action {
	case "run", "cont":
		r.began[k] = e.Time
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "output":
		if e.Test == "" && packageLine.MatchString(e.Output) {
			if !strings.HasPrefix(e.Output, "?") {
				fmt.Fprint(out, e.Output)
			}
			return
		}
		r.output[k] = append(r.output[k], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" && e.Action == "skip" { // the package has no tests
			return
		}
		res := result{Package: e.Package, Test: e.Test, Action: e.Action, Seconds: e.Elapsed}
		if began, ok := r.began[k]; ok { // Elapsed lacks the time of parallel subtests
			res.Seconds = max(e.Elapsed, e.Time.Sub(began).Seconds())
		}
		if e.Action == "skip" {
			res.Reason = skipReason(r.output[k])
		}
		if e.Action == "fail" {
			fmt.Fprint(out, strings.Join(r.output[k], ""))
		}
		if e.Test == "" {
			r.packages++
		}
		delete(r.output, k)
		r.all[k] = res
		r.order = append(r.order, k)
	}
}

var skipText = regexp.MustCompile(`^\s+\w+\.go:\d+: (?:skipped: )?(.*)`)

// skipReason returns the reason of a skipped test from its output.
func skipReason(output []string) string {
	reason := "no reason was given"
	for _, line := range output {
		if m := skipText.FindStringSubmatch(line); m != nil {
			reason = m[1]
		}
	}
	return reason
}
