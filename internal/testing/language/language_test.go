package language

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// enforced makes a text that breaks the rule a failure. With false the test
// reports it and skips.
const enforced = true

var root = filepath.Join("..", "..", "..")

// TestLanguage counts the phrases of every package and document.
func TestLanguage(t *testing.T) {
	texts, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	counts := Count(texts)
	for _, k := range Kinds {
		sum := counts.Sum("", k)
		if sum.Words == 0 && k != Script {
			t.Errorf("no %s were found", k)
		}
		t.Logf("%-14s %6d words, %4d phrases, %4.1f per 1,000", k, sum.Words, len(sum.Hits), sum.Rate())
	}
	failures := counts.Failures()
	if len(failures) == 0 {
		return
	}
	if !enforced {
		t.Skipf("not enforced yet: %d failures; go run ./tools/phrases -check prints them", len(failures))
	}
	for _, f := range failures {
		t.Error(f)
	}
}

// TestExemptPackagesExist keeps the exemptions from outliving their packages.
func TestExemptPackagesExist(t *testing.T) {
	for dir, reason := range Exempt {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(dir))); err != nil {
			t.Errorf("%s is exempt, but there is no such folder", dir)
		}
		if reason == "" {
			t.Errorf("%s is exempt without a reason", dir)
		}
	}
}

// TestPlanted plants the example of each marker in a comment, a message, a
// help text and a document, and expects each to be found at its line.
func TestPlanted(t *testing.T) {
	for _, m := range Markers() {
		t.Run(m.Name, func(t *testing.T) {
			if m.Reason == "" || m.Example == "" {
				t.Error("a marker needs a reason and an example")
			}
			dir := t.TempDir()
			write(t, dir, "p/comment.go", "package p\n\n// F returns 1:\n// "+m.Example+".\nfunc F() int { return 1 }\n")
			write(t, dir, "p/comment_test.go", "package p\n\n// "+m.Example+"\nvar _ = 0\n")
			write(t, dir, "p/message.go", fmt.Sprintf("package p\n\nvar err = fmt.Errorf(\n\t%q+\n\t\"%%w\", nil)\n", m.Example+": "))
			write(t, dir, "p/message_test.go", fmt.Sprintf("package p\n\nfunc f() { t.Fatalf(%q, 1) }\n", m.Example))
			write(t, dir, "p/long.go", fmt.Sprintf("package p\n\nvar c = cobra.Command{\n\tLong: %q,\n}\n", "F. "+m.Example))
			write(t, dir, "p/flag.go", fmt.Sprintf("package p\n\nfunc init() {\n\tf.StringVar(&s, \"s\", \"\", %q)\n}\n", m.Example))
			write(t, dir, "p/run.sh", "#!/bin/sh\n# "+m.Example+"\n")
			write(t, dir, "doc.md", "# Title\n\nText.\n"+m.Example+".\n")
			want := []string{
				"doc.md:4 document", "p/comment.go:4 comments", "p/comment_test.go:3 test comments", "p/flag.go:4 help",
				"p/long.go:4 help", "p/message.go:4 messages", "p/message_test.go:3 test messages", "p/run.sh:2 scripts",
			}
			if got := found(t, dir, m.Name); !slices.Equal(got, want) {
				t.Errorf("%q was found at %q; want %q", m.Example, got, want)
			}
		})
	}
}

// TestPlantedFails checks that a second use of any marker in a short text of
// any kind breaks the rule.
func TestPlantedFails(t *testing.T) {
	for _, m := range Markers() {
		for _, k := range Kinds {
			text := Text{Unit: "p", Kind: k, File: "p/f", Line: 1, Body: "It is plain. " + m.Example + ". It is plain. " + m.Example + "."}
			if len(Count([]Text{text}).Failures()) == 0 {
				t.Errorf("two uses of %q in %s break no rule", m.Name, k)
			}
		}
	}
}

// found returns where a marker is used below a folder: file, line and kind.
func found(t *testing.T, dir, marker string) []string {
	t.Helper()
	texts, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, h := range Count(texts).Sum("", Kinds...).Hits {
		if h.Marker.Name == marker {
			places = append(places, fmt.Sprintf("%s:%d %s", h.Text.File, h.Line, h.Text.Kind))
		}
	}
	return places
}

// TestWrapped checks that a phrase is found across the end of a line, and that
// two phrases may share the space between them.
func TestWrapped(t *testing.T) {
	hits := Count([]Text{{Kind: Comment, Line: 7, Body: "It is read\nonce\n more. Nobody nobody."}}).Sum("", Comment).Hits
	var got []string
	for _, h := range hits {
		got = append(got, fmt.Sprint(h.Line, " ", h.Marker.Name))
	}
	if want := []string{"8 once more", "9 nobody", "9 nobody"}; !slices.Equal(got, want) {
		t.Errorf("found %q; want %q", got, want)
	}
}

// TestAllowed lists technical uses that must not be counted.
func TestAllowed(t *testing.T) {
	for _, text := range []string{
		"The server answers the HTTP HEAD request with 200, and git HEAD is unchanged.",
		"The signed tree head of RFC 6962 contains the size.",
		"The response has a header and a body. Overhead is 33 bytes.",
		"Leave room for the tag. The buffer has room in it.",
		"What is a dialogue?",
		"There is no such file. The value is no longer used and is no larger than 4 KB.",
		"JSON stands for JavaScript Object Notation. A standalone program is outstanding.",
		"The user is asked to confirm. The user is asked for a passphrase.",
		"The value is taken from the header. A key is derived from the master key.",
		"The file is world-readable. Hello, world.",
		"The point lies on the curve. The families believe it.",
		"The caller waits for it. The loop runs for this block.",
		"The old `head` and `whoever` are quoted.",
		"Besides, the heading is read in a hurry, and the arrow keys work.",
		"The client can tell whether the record came from the cache.",
		"On the other hand, the test timed out. The handler is out of date.",
		"A command line of the program. A line of the file. A line in the log.",
	} {
		for _, h := range Count([]Text{{Kind: Document, Line: 1, Body: maskQuotes(text)}}).Sum("", Document).Hits {
			t.Errorf("%q: %s is counted", text, h.Marker.Name)
		}
	}
}

// TestNotProse checks that code in documents, directives, regular expressions,
// statements of SQL, test data and the demonstration are not counted.
func TestNotProse(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "doc.md", "```\nwhoever\n```\n`whoever` [a](whoever.md) <whoever@example.org>\n")
	write(t, dir, "p/p.go", "//go:build whoever\n\npackage p\n\nimport _ \"whoever\"\n\nvar re = regexp.MustCompile(`a b c whoever`)\n\nvar q = `SELECT a FROM b WHERE whoever`\n\nvar key = \"whoever\"\n")
	write(t, dir, "p/testdata/a.md", "whoever\n")
	write(t, dir, "internal/demo/source/a.md", "whoever\n")
	write(t, dir, ".git/a.md", "whoever\n")
	if places := found(t, dir, "whoever"); len(places) > 0 {
		t.Errorf("counted: %q", places)
	}
}

// TestLimits checks the rule: 3 per 1,000 words, 2 phrases at least, one of
// the hard list always, and exempt packages for the hard list alone.
func TestLimits(t *testing.T) {
	plain := strings.Repeat("word ", 100)
	for name, c := range map[string]struct {
		unit, body string
		want       int
	}{
		"one in a short text":   {"p", plain + "nobody", 0},
		"two in a short text":   {"p", plain + "nobody and nobody", 2},
		"two in a long text":    {"p", strings.Repeat(plain, 7) + "nobody and nobody", 0},
		"the hard list":         {"p", strings.Repeat(plain, 50) + "whoever", 1},
		"exempt":                {"erasure", plain + "nobody and nobody", 0},
		"below an exempt one":   {"erasure/certificate", plain + "nobody and nobody", 0},
		"exempt, the hard list": {"erasure", plain + "it goes on", 1},
	} {
		got := Count([]Text{{Unit: c.unit, Kind: Comment, File: "f.go", Line: 1, Body: c.body}}).Failures()
		if len(got) != c.want {
			t.Errorf("%s: %q; want %d failures", name, got, c.want)
		}
	}
}

func write(t *testing.T, dir, name, body string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}
