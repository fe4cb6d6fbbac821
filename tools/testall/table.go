package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// row is a row of the table of docs/testing.md: a suite or a campaign.
type row struct {
	name    string
	pkg     string   // its folder from the root, "." for the root
	tests   []string // top-level tests
	lengths map[string]string
}

// tableHead is the first row of the tables. "=" in a column stands for the column before it.
const tableHead = "| Suite or campaign | Tests | go test | .ci/run | just campaign |"

var backticks = regexp.MustCompile("`([^`]+)`")

// readTable returns the rows of all tables with tableHead.
func readTable(path string) ([]row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []row
	inside := false
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == tableHead:
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "| ---"):
			r, err := parseRow(line)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
			}
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s has no table of suites and campaigns", path)
	}
	return rows, nil
}

func parseRow(line string) (row, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 5 {
		return row{}, fmt.Errorf("%d columns, want 5", len(cells))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
		if i > 2 && cells[i] == "=" {
			cells[i] = cells[i-1]
		}
	}
	names := backticks.FindAllStringSubmatch(cells[1], -1)
	if len(names) < 2 {
		return row{}, fmt.Errorf("%q names no package and test", cells[1])
	}
	r := row{name: cells[0], pkg: names[0][1], lengths: map[string]string{"short": cells[2], "ordinary": cells[3], "long": cells[4]}}
	for _, name := range names[1:] {
		r.tests = append(r.tests, name[1])
	}
	return r, nil
}

// isLonger reports whether a row runs longer at a length than at the one before.
func (r row) isLonger(length string) bool {
	before := map[string]string{"ordinary": "short", "long": "ordinary"}[length]
	return r.lengths[length] != r.lengths[before]
}

// longerRows returns the packages and tests that run longer at a length.
func longerRows(rows []row, length string) (packages, tests []string) {
	for _, r := range rows {
		if r.isLonger(length) {
			packages, tests = append(packages, "./"+r.pkg), append(tests, r.tests...)
		}
	}
	slices.Sort(packages)
	slices.Sort(tests)
	return slices.Compact(packages), slices.Compact(tests)
}
