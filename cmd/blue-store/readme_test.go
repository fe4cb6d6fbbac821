package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// documents are the pages whose commands run as tests. Each page has a home
// and a checkout of its own. fewest guards against blocks that are not found.
var documents = []struct {
	path   string
	fewest int
}{
	{"README.md", 10},
	{"docs/cli.md", 30},
}

// readmeWords is the maximum number of words of the README outside code blocks.
const readmeWords = 1500

// exempt lists the commands that this test does not run, by their first words,
// with the reason.
var exempt = map[string]string{
	"go test ":      "would run this test within itself",
	"go install ":   "writes into the user's folder of programs",
	"scripts/test ": "runs go test",
	".ci/run":       "runs go test, and installs tools",
	"git ":          "needs a network",
	"just ":         "needs just; its recipes are these commands",
}

// example is one command of a page and the output shown below it.
type example struct {
	line    int
	command string
	shown   []string
}

// TestReadme runs every command in the console blocks of each page, in order.
// Each command must exit with 0 and print the shown lines in the same order.
// The sign … matches anything, and a page can leave lines out.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents {
		t.Run(d.path, func(t *testing.T) {
			found := examples(document(t, root, d.path))
			// The commands write into this copy and not into the repository.
			checkout := t.TempDir()
			source := filepath.Join("internal", "demo", "source")
			if err := os.CopyFS(filepath.Join(checkout, source), os.DirFS(filepath.Join(root, source))); err != nil {
				t.Fatal(err)
			}
			t.Chdir(checkout)
			m := newMachine(t)
			ran := 0
			for _, e := range found {
				if _, skip := exemption(e.command); skip {
					continue
				}
				if args, ok := programArgs(e.command); ok {
					m.checkExample(d.path, e, args)
					ran++
				} else {
					t.Errorf("%s:%d: %q does not run this program and is not exempt", d.path, e.line, e.command)
				}
			}
			if ran < d.fewest {
				t.Errorf("%s: only %d commands were run, want at least %d", d.path, ran, d.fewest)
			}
		})
	}
}

// checkExample runs one command and compares its output with the page.
func (m *machine) checkExample(path string, e example, args []string) {
	m.t.Helper()
	o := m.run(append([]string{"--text"}, args...)...)
	if o.code != exitOK {
		m.t.Errorf("%s:%d: %s: exit %d\n%s", path, e.line, e.command, o.code, o.stderr)
	}
	if line, missing := notPrinted(e.shown, o.stderr+o.stdout); missing {
		m.t.Errorf("%s:%d: %s does not print %q at this position; it prints\n%s", path, e.line, e.command, line, o.stderr+o.stdout)
	}
}

// document returns the text of a page, by its path from the root.
func document(t *testing.T, root, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadmeLength checks the limit of words outside code blocks.
func TestReadmeLength(t *testing.T) {
	if n := wordsOutsideCode(document(t, filepath.Join("..", ".."), "README.md")); n > readmeWords {
		t.Errorf("README.md has %d words outside code blocks, want at most %d", n, readmeWords)
	}
}

// wordsOutsideCode counts the words of a page that are in no fenced code block.
func wordsOutsideCode(text string) int {
	n, inside := 0, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if !inside {
			n += len(strings.Fields(line))
		}
	}
	return n
}

// examples finds the commands in ```console blocks. A command begins with "$ ".
// It continues while a quotation is open or the line ends in a backslash.
func examples(text string) []example {
	var found []example
	inside, open := false, false
	for i, line := range strings.Split(text, "\n") {
		last := len(found) - 1
		switch {
		case strings.HasPrefix(line, "```"):
			inside, open = line == "```console", false
		case !inside:
		case open:
			found[last].command += "\n" + line
			_, open = words(found[last].command)
		case strings.HasPrefix(line, "$ "):
			command := strings.TrimPrefix(line, "$ ")
			_, open = words(command)
			found = append(found, example{line: i + 1, command: command})
		case last >= 0 && line != "":
			found[last].shown = append(found[last].shown, line)
		}
	}
	return found
}

// words splits a command as a shell does: single and double quotes, and a
// backslash before the end of the line. open reports that the command continues.
func words(command string) (list []string, open bool) {
	var word strings.Builder
	started, quote := false, rune(0)
	runes := []rune(command)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == '\\' && i+1 == len(runes):
			return list, true
		case r == '\\' && runes[i+1] == '\n':
			i++
		case r == ' ' || r == '\n':
			if started {
				list = append(list, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		list = append(list, word.String())
	}
	return list, quote != 0
}

func exemption(command string) (reason string, skip bool) {
	for prefix, reason := range exempt {
		if strings.HasPrefix(command+" ", prefix) {
			return reason, true
		}
	}
	return "", false
}

// programArgs returns the arguments of a command that is this program.
func programArgs(command string) ([]string, bool) {
	list, _ := words(command)
	for _, name := range [][]string{{"blue-store"}, {"go", "run", "./cmd/blue-store"}} {
		if len(list) >= len(name) && slices.Equal(list[:len(name)], name) {
			return list[len(name):], true
		}
	}
	return nil, false
}

// notPrinted returns the first shown line that the output lacks after the
// lines before it.
func notPrinted(shown []string, output string) (string, bool) {
	rest := strings.Split(output, "\n")
	for _, line := range shown {
		i := slices.IndexFunc(rest, pattern(line).MatchString)
		if i < 0 {
			return line, true
		}
		rest = rest[i+1:]
	}
	return "", false
}

// pattern matches a shown line. The sign … matches anything, and every run of
// spaces matches every other.
func pattern(line string) *regexp.Regexp {
	parts := strings.Split(strings.TrimRight(line, " "), "…")
	for i, part := range parts {
		parts[i] = regexp.MustCompile(` +`).ReplaceAllString(regexp.QuoteMeta(part), " +")
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + " *$")
}

// TestReadmeTables compares the tables of commands and exit codes in docs/cli.md
// with the commands and exit codes of the program.
func TestReadmeTables(t *testing.T) {
	const path = "docs/cli.md"
	text := document(t, filepath.Join("..", ".."), path)
	a := &app{env: func(string) string { return "" }}
	var have []string
	var collect func(c *cobra.Command, prefix string)
	collect = func(c *cobra.Command, prefix string) {
		for _, sub := range c.Commands() {
			switch name := prefix + sub.Name(); {
			case name == "help" || name == "completion": // cobra's own
			case sub.HasSubCommands():
				collect(sub, name+" ")
				if sub.Annotations[runsAlone] != "" {
					have = append(have, name)
				}
			default:
				have = append(have, name)
			}
		}
	}
	collect(a.root(), "")
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z -]+)` \\|").FindAllStringSubmatch(text, -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(have)
	slices.Sort(listed)
	if !slices.Equal(have, listed) {
		t.Errorf("the program has the commands\n%q\nand %s lists\n%q", have, path, listed)
	}
	for _, e := range exitMeanings {
		if row := fmt.Sprintf("| %d | %s |\n", e.code, e.meaning); !strings.Contains(text, row) {
			t.Errorf("%s lacks the row %q", path, row)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(text, -1) {
		code, _ := strconv.Atoi(m[1])
		if !slices.ContainsFunc(exitMeanings, func(e struct {
			code    int
			meaning string
		}) bool {
			return e.code == code
		}) {
			t.Errorf("%s lists exit code %d, which the program never returns", path, code)
		}
	}
}

// TestReadmeChecks shows that the checks detect planted faults.
func TestReadmeChecks(t *testing.T) {
	found := examples("```console\n$ blue-store a \"b c\" \\\n  'd\ne'\nshown\n$ go test ./...\n```\n$ not here\n")
	if len(found) != 2 || found[0].line != 2 || !slices.Equal(found[0].shown, []string{"shown"}) {
		t.Fatalf("examples: %+v", found)
	}
	if args, ok := programArgs(found[0].command); !ok || !slices.Equal(args, []string{"a", "b c", "d\ne"}) {
		t.Errorf("arguments %q", args)
	}
	if _, skip := exemption(found[1].command); !skip {
		t.Error("go test is not exempt")
	}
	if _, skip := exemption("rm -rf ."); skip {
		t.Error("anything is exempt")
	}
	if n := wordsOutsideCode("one two\n```console\n$ three four\n```\n| five | six |\n"); n != 7 {
		t.Errorf("%d words outside code, want 7", n)
	}
	output := "one\ntwo  words here\nthree\n"
	for shown, missing := range map[string]bool{
		"one\nthree": false, "two words …": false, "three\none": true, "on": true, "two": true, "four": true, "…": false,
	} {
		if _, got := notPrinted(strings.Split(shown, "\n"), output); got != missing {
			t.Errorf("%q is missing: %v; want %v", shown, got, missing)
		}
	}
}
