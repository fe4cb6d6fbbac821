// Command coverage compares the statement coverage of the packages that ship
// before and after code moved between packages.
//
//	go run ./tools/coverage -map scripts/package-map.txt -old OLD[,OLD...] -new NEW[,NEW...]
//
// OLD and NEW are profiles of go test -coverpkg=./... -coverprofile=FILE. A
// statement is covered if it is in any profile of its side. The exit code is 1
// if the total falls, or if a package is more than 2 points below the packages
// that its code came from.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/testing/product"
)

const module = "github.com/superviber/blue-encrypted-store"

// maxLoss is how many points a package may be below its source.
const maxLoss = 2.0

func main() {
	before := flag.String("old", "", "the `PROFILES` of the old code, with commas between them")
	after := flag.String("new", "", "the `PROFILES` of the new code, with commas between them")
	table := flag.String("map", "scripts/package-map.txt", "the `FILE` that maps old packages to new ones")
	flag.Parse()
	losses, err := run(os.Stdout, *before, *after, *table)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if losses > 0 {
		os.Exit(1)
	}
}

func run(w io.Writer, before, after, table string) (losses int, err error) {
	old, err := readProfiles(before)
	if err != nil {
		return 0, err
	}
	now, err := readProfiles(after)
	if err != nil {
		return 0, err
	}
	file, err := os.Open(table)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	moves, err := readMap(file)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", table, err)
	}
	return compare(w, old, now, moves)
}

// coverage counts statements.
type coverage struct{ covered, statements int }

func (c coverage) percent() float64 {
	if c.statements == 0 {
		return 100
	}
	return 100 * float64(c.covered) / float64(c.statements)
}

func (c *coverage) add(other coverage) {
	c.covered += other.covered
	c.statements += other.statements
}

func (c coverage) String() string {
	return fmt.Sprintf("%6.2f %% (%d of %d)", c.percent(), c.covered, c.statements)
}

// readProfiles returns the coverage of each package that ships.
func readProfiles(names string) (map[string]coverage, error) {
	blocks := map[string]coverage{}
	for name := range strings.SplitSeq(names, ",") {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		err = readProfile(file, blocks)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	packages := map[string]coverage{}
	for block, c := range blocks {
		name, _, _ := strings.Cut(block, ":")
		dir := path.Clean(strings.TrimPrefix(strings.TrimPrefix(path.Dir(name), module), "/"))
		sum := packages[dir]
		sum.add(c)
		packages[dir] = sum
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s: no package of this module ships", names)
	}
	return packages, nil
}

// readProfile adds the blocks of a profile. A block occurs once for each test
// binary.
func readProfile(r io.Reader, blocks map[string]coverage) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "mode:") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return fmt.Errorf("line %d has %d fields, not 3", n, len(fields))
		}
		statements, err := strconv.Atoi(fields[1])
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		name, _, _ := strings.Cut(fields[0], ":")
		inside, ok := strings.CutPrefix(path.Dir(name)+"/", module+"/")
		if !ok || !product.Ships(path.Clean(inside)) {
			continue
		}
		c := coverage{statements: statements, covered: blocks[fields[0]].covered}
		if fields[2] != "0" {
			c.covered = statements
		}
		blocks[fields[0]] = c
	}
	return lines.Err()
}

// readMap reads which new packages the code of each old package is in: a line
// "OLD NEW..." for each old package that was renamed or divided. A line with
// OLD alone marks code that was deleted. # begins a comment.
func readMap(r io.Reader) (map[string][]string, error) {
	moves := map[string][]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if _, twice := moves[fields[0]]; twice {
			return nil, fmt.Errorf("%s has two lines", fields[0])
		}
		moves[fields[0]] = fields[1:]
	}
	return moves, lines.Err()
}

// compare prints the coverage of each package and returns how many losses it
// found. An old package without a line in the map is its own new package.
func compare(w io.Writer, old, now map[string]coverage, moves map[string][]string) (losses int, err error) {
	for dir := range moves {
		if _, ok := old[dir]; !ok {
			return 0, fmt.Errorf("the map names the old package %s, which has no statements", dir)
		}
	}
	sources := map[string][]string{}
	var totalOld, totalNow coverage
	fmt.Fprintln(w, "old packages")
	for _, dir := range slices.Sorted(maps.Keys(old)) {
		totalOld.add(old[dir])
		to, moved := moves[dir]
		if !moved {
			to = []string{dir}
		}
		for _, name := range to {
			if _, ok := now[name]; !ok {
				return 0, fmt.Errorf("the code of %s should be in %s, which has no statements: correct the map", dir, name)
			}
			sources[name] = append(sources[name], dir)
		}
		fmt.Fprintf(w, "  %-24s %s -> %s\n", dir, old[dir], strings.Join(to, " "))
	}
	fmt.Fprintln(w, "new packages, and the packages that their code came from")
	for _, dir := range slices.Sorted(maps.Keys(now)) {
		totalNow.add(now[dir])
		var source coverage
		for _, from := range sources[dir] {
			source.add(old[from])
		}
		note := ""
		if source.statements > 0 {
			note = fmt.Sprintf("%+.2f from %s, %.2f %%", now[dir].percent()-source.percent(), strings.Join(sources[dir], " "), source.percent())
		}
		if source.statements > 0 && now[dir].percent() < source.percent()-maxLoss {
			losses++
			note += "  LOSS"
		}
		fmt.Fprintf(w, "  %-24s %s %s\n", dir, now[dir], note)
	}
	fmt.Fprintf(w, "total old %s\ntotal new %s\n", totalOld, totalNow)
	if totalNow.percent() < totalOld.percent() {
		losses++
		fmt.Fprintln(w, "LOSS: the total is lower than before")
	}
	return losses, nil
}
