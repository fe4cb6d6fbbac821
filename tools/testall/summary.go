package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

const module = "github.com/superviber/blue-encrypted-store"

// summary prints the results of a run.
type summary struct {
	out     io.Writer
	options *options
	parts   []*part
	rows    []row
	results *results
}

func (s summary) print(took time.Duration) {
	if s.results == nil {
		return
	}
	s.printRows()
	s.printSkipped()
	failed := 0
	for _, k := range s.results.order {
		if r := s.results.all[k]; r.Test == "" && r.Action == "fail" {
			failed++
		}
	}
	if s.options.times {
		s.printTimes(took)
	}
	fmt.Fprintf(s.out, "\n%d packages, %d failed, length %s, %s\n", s.results.packages, failed, s.options.length, took.Round(time.Second))
}

// printRows prints each suite and campaign of docs/testing.md that ran.
func (s summary) printRows() {
	fmt.Fprintf(s.out, "\nSuites and campaigns, length %s:\n", s.options.length)
	for _, r := range s.rows {
		for _, test := range r.tests {
			res, ran := s.results.all[key(path.Join(module, r.pkg), test)]
			if !ran {
				continue
			}
			length := r.lengths[s.options.length]
			fmt.Fprintf(s.out, "  %-4s %7.1fs  %s (%s %s): %s\n", res.Action, res.Seconds, r.name, r.pkg, test, cmp.Or(res.Reason, length))
		}
	}
}

// printSkipped prints why tests were skipped, in whole or in part: the parts that
// are missing, and all other reasons with the number of their top-level tests.
func (s summary) printSkipped() {
	tests := map[string]int{}
	seen := map[string]bool{}
	for _, r := range s.results.all {
		test, _, _ := strings.Cut(r.Test, "/")
		if once := r.Reason + key(r.Package, test); r.Action == "skip" && !seen[once] {
			seen[once] = true
			tests[r.Reason]++
		}
	}
	fmt.Fprintln(s.out, "\nSkipped:")
	for _, p := range s.parts {
		if p.err == nil {
			continue
		}
		reason := "BLUE_TEST_SKIP has " + p.skip
		fmt.Fprintf(s.out, "  %s (%s): %s\n", p.name, count(tests[reason]), oneLine(p.err))
		delete(tests, reason)
	}
	for _, reason := range slices.Sorted(maps.Keys(tests)) {
		fmt.Fprintf(s.out, "  %s: %s\n", count(tests[reason]), reason)
	}
	if slices.ContainsFunc(s.parts, func(p *part) bool { return p.err != nil }) && !s.options.install {
		fmt.Fprintln(s.out, "  scripts/test --install installs what is missing")
	}
}

func count(tests int) string {
	if tests == 1 {
		return "1 test"
	}
	return fmt.Sprintf("%d tests", tests)
}

// printTimes prints the table of package times for docs/testing.md.
func (s summary) printTimes(took time.Duration) {
	var packages []result
	for _, r := range s.results.all {
		if r.Test == "" {
			packages = append(packages, r)
		}
	}
	slices.SortFunc(packages, func(a, b result) int { return cmp.Compare(b.Seconds, a.Seconds) })
	fmt.Fprint(s.out, "\n| Package | Seconds |\n| --- | ---: |\n")
	for _, r := range packages {
		fmt.Fprintf(s.out, "| %s | %.1f |\n", strings.TrimPrefix(strings.TrimPrefix(r.Package, module), "/"), r.Seconds)
	}
	fmt.Fprintf(s.out, "| all, wall time | %.0f |\n", took.Seconds())
}
