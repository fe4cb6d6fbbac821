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

// exempt are the commands of the README that this test does not run, by how
// they begin, each with the reason.
var exempt = map[string]string{
	"go test ": "would run this test within itself",
	".ci/run":  "runs go test, and installs tools",
	"git ":     "needs a network",
	"just ":    "needs just; its recipes are these commands",
}

// example is one command of the README and the lines shown below it.
type example struct {
	line    int
	command string
	shown   []string
}

// TestReadme runs every command of the README's console blocks in one home,
// in order, as a terminal would show it. Each must end with exit code 0 and
// print the lines shown, in their order; … stands for anything, and lines may
// be left out.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text := readme(t)
	// A checkout, as far as the page needs one: what it writes stays there.
	checkout := t.TempDir()
	if err := os.CopyFS(filepath.Join(checkout, "internal", "demo", "source"), os.DirFS(filepath.Join(root, "internal", "demo", "source"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(checkout)
	m := newMachine(t)
	ran := 0
	for _, e := range examples(text) {
		if _, skip := exemption(e.command); skip {
			continue
		}
		args, ok := programArgs(e.command)
		if !ok {
			t.Errorf("README.md:%d: %q is neither this program nor exempt", e.line, e.command)
			continue
		}
		ran++
		o := m.run(append([]string{"--text"}, args...)...)
		if o.code != exitOK {
			t.Errorf("README.md:%d: %s: exit %d\n%s", e.line, e.command, o.code, o.stderr)
		}
		if line, missing := notPrinted(e.shown, o.stderr+o.stdout); missing {
			t.Errorf("README.md:%d: %s does not print %q, or not there; it prints\n%s", e.line, e.command, line, o.stderr+o.stdout)
		}
	}
	if ran < 10 {
		t.Errorf("only %d commands were run", ran)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// examples finds the commands in ```console blocks. A command begins with "$ "
// and goes on while a quotation is open or the line ends in a backslash.
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
// backslash before the line's end. open reports that the command goes on.
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

// pattern matches a line as shown: … is anything, and any run of spaces is as
// good as another.
func pattern(line string) *regexp.Regexp {
	parts := strings.Split(strings.TrimRight(line, " "), "…")
	for i, part := range parts {
		parts[i] = regexp.MustCompile(` +`).ReplaceAllString(regexp.QuoteMeta(part), " +")
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + " *$")
}

// TestReadmeTables compares the README's lists of commands and exit codes
// with the program's own.
func TestReadmeTables(t *testing.T) {
	text := readme(t)
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
		t.Errorf("the program has the commands\n%q\nand README.md lists\n%q", have, listed)
	}
	for _, e := range exitMeanings {
		if row := fmt.Sprintf("| %d | %s |\n", e.code, e.meaning); !strings.Contains(text, row) {
			t.Errorf("README.md lacks the row %q", row)
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
			t.Errorf("README.md lists exit code %d, which the program never gives", code)
		}
	}
}

// TestReadmeChecks shows that the checks bite.
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
	output := "one\ntwo  words here\nthree\n"
	for shown, missing := range map[string]bool{
		"one\nthree": false, "two words …": false, "three\none": true, "on": true, "two": true, "four": true, "…": false,
	} {
		if _, got := notPrinted(strings.Split(shown, "\n"), output); got != missing {
			t.Errorf("%q is missing: %v; want %v", shown, got, missing)
		}
	}
}
