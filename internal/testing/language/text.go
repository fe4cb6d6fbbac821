// Package language counts the phrases that the style guide replaces by plain
// words, in comments, messages, help texts and documents.
//
// It reads files only and needs no compilation, so that it can measure any
// checkout of the repository. The test of this package enforces the limit,
// and the command tools/phrases prints the counts.
package language

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kind is a class of texts that is counted apart from the others.
type Kind string

// The kinds of texts.
const (
	Comment     Kind = "comments"      // Go comments, without _test.go files
	TestComment Kind = "test comments" // Go comments in _test.go files
	Message     Kind = "messages"      // texts in the code, without _test.go files
	TestMessage Kind = "test messages" // texts of t.Error, t.Fatal, t.Log and t.Skip in _test.go files
	Help        Kind = "help"          // texts of cobra commands and usages of flags
	Script      Kind = "scripts"       // comments of scripts, recipes, SQL and compose files
	Document    Kind = "document"      // Markdown
)

// Kinds lists all kinds in the order of a report.
var Kinds = []Kind{Comment, TestComment, Message, TestMessage, Help, Script, Document}

// Text is one piece of prose.
type Text struct {
	Unit string // the folder of a package or script, or the path of a document
	Kind Kind
	File string // path from the root
	Line int    // where the text begins
	Body string // one line of the file per line
}

// isForeign reports whether a folder holds no text of the project: hidden
// folders except .ci, test data, and the texts of the demonstration.
func isForeign(rel string) bool {
	base := path.Base(rel)
	return rel != "." && (strings.HasPrefix(base, ".") && base != ".ci" || base == "testdata" || base == "vendor" || base == "node_modules" || rel == "internal/demo/source")
}

// table is the file that lists the phrases, which it does not use.
const table = "internal/testing/language/markers.go"

// Read returns all texts below a folder.
func Read(root string) ([]Text, error) {
	var texts []Text
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if isForeign(rel) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || rel == table {
			return nil
		}
		found, err := readFile(root, rel)
		texts = append(texts, found...)
		return err
	})
	return texts, err
}

func readFile(root, rel string) ([]Text, error) {
	read := map[string]func(string, []byte) ([]Text, error){".go": goTexts, ".md": documentTexts}[path.Ext(rel)]
	if read == nil && isScript(rel) {
		read = scriptTexts
	}
	if read == nil {
		return nil, nil
	}
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rel)))
	if err != nil {
		return nil, err
	}
	texts, err := read(rel, bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n")))
	for i := range texts {
		texts[i].File = rel
		texts[i].Body = maskQuotes(texts[i].Body)
	}
	return texts, err
}

// backticks is quoted code. Its words are names or examples, not prose.
var backticks = regexp.MustCompile("`[^`\n]*`")

// maskQuotes replaces quoted code by one character, which is not a word.
func maskQuotes(body string) string {
	return backticks.ReplaceAllString(body, "…")
}

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\\z)")
	address = regexp.MustCompile(`\]\([^)\s]*\)|<[^>\n]*>|https?://\S+`)
	row     = regexp.MustCompile(`(?m)^[ \t]*\|?[-:| \t]+\|[ \t]*$`)
)

// documentTexts returns the prose of a Markdown file: everything except
// blocks of code, addresses and the rules of tables.
func documentTexts(rel string, source []byte) ([]Text, error) {
	body := fence.ReplaceAllStringFunc(string(source), blank)
	body = row.ReplaceAllStringFunc(body, blank)
	body = address.ReplaceAllString(body, "]")
	return []Text{{Unit: rel, Kind: Document, Line: 1, Body: body}}, nil
}

// blank returns as many lines as s has, without their text.
func blank(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) }

func isScript(rel string) bool {
	base := path.Base(rel)
	return slices.Contains([]string{".py", ".sh", ".sql", ".yml", ".yaml"}, path.Ext(rel)) ||
		base == "justfile" || strings.HasPrefix(rel, ".ci/") || strings.HasPrefix(rel, "scripts/") && path.Ext(base) == ""
}

var (
	lineComment = regexp.MustCompile(`^\s*(?:#!?|--)\s*(.*)$`)
	docString   = regexp.MustCompile(`(?s)"""(.*?)"""`)
)

// scriptTexts returns the comments that have lines of their own, and the doc
// strings of Python.
func scriptTexts(rel string, source []byte) ([]Text, error) {
	lines := strings.Split(string(source), "\n")
	for i, line := range lines {
		m := lineComment.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(line, "#!") {
			lines[i] = ""
			continue
		}
		lines[i] = m[1]
	}
	texts := []Text{{Unit: path.Dir(rel), Kind: Script, Line: 1, Body: strings.Join(lines, "\n")}}
	if path.Ext(rel) == ".py" {
		for _, m := range docString.FindAllSubmatchIndex(source, -1) {
			line := 1 + bytes.Count(source[:m[2]], []byte("\n"))
			texts = append(texts, Text{Unit: path.Dir(rel), Kind: Script, Line: line, Body: string(source[m[2]:m[3]])})
		}
	}
	return texts, nil
}
