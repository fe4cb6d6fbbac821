// Package docs checks the Markdown of the repository.
//
// Links must have a target. Files, tests and Go names that a page mentions must
// exist. The package has only tests.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

var root = filepath.Join("..", "..", "..")

// page is one Markdown file: its path from the root, and its text.
type page struct{ path, text string }

func pages(t *testing.T) []page {
	t.Helper()
	var found []page
	walk(t, func(path string) {
		if filepath.Ext(path) == ".md" && !strings.HasPrefix(path, "internal/demo/source/") && !strings.Contains(path, "/testdata/") {
			found = append(found, page{path, read(t, path)})
		}
	})
	if len(found) < 5 {
		t.Fatalf("only %d pages found", len(found))
	}
	return found
}

// walk calls visit with the path of every file, except in hidden folders.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if rel, err := filepath.Rel(root, path); err == nil && !d.IsDir() {
			visit(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(path)))
	return err == nil
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinks(t *testing.T) {
	for _, p := range pages(t) {
		for _, l := range deadLinks(t, p) {
			t.Errorf("%s: the link %s has no target", p.path, l)
		}
	}
}

func deadLinks(t *testing.T, p page) []string {
	t.Helper()
	var dead []string
	for _, m := range link.FindAllStringSubmatch(p.text, -1) {
		target, anchor, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, "://") {
			continue
		}
		to, text := p.path, p.text
		if target != "" {
			to, text = path.Join(path.Dir(p.path), target), ""
			if !exists(to) {
				dead = append(dead, m[1])
				continue
			}
		}
		if anchor == "" {
			continue
		}
		if text == "" {
			text = read(t, to)
		}
		if !slices.Contains(anchors(text), anchor) {
			dead = append(dead, m[1])
		}
	}
	return dead
}

var (
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the names of a page's headings in the form that forges use.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return names
}

var testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark|Example)[A-Z]\w*`)

func TestNamedTestsExist(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	known := map[string]bool{}
	walk(t, func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range declared.FindAllStringSubmatch(read(t, path), -1) {
				known[m[1]] = true
			}
		}
	})
	named := 0
	for _, p := range pages(t) {
		for _, name := range testName.FindAllString(p.text, -1) {
			named++
			if !known[name] {
				t.Errorf("%s names %s, and there is no such test", p.path, name)
			}
		}
	}
	if named == 0 {
		t.Error("no page names a test")
	}
}

var code = regexp.MustCompile("`([^`\n]+)`")

// TestNamedFilesExist checks each text in backticks that has the form of a path.
// Such a text ends like a file of the project, or begins with a folder of the
// root.
func TestNamedFilesExist(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range code.FindAllStringSubmatch(p.text, -1) {
			if readsAsPath(m[1]) && !exists(m[1]) && !exists(path.Join(path.Dir(p.path), m[1])) {
				t.Errorf("%s names the file %s, which does not exist", p.path, m[1])
			}
		}
	}
}

var (
	pathForm = regexp.MustCompile(`^\.?[\w-]+(?:[./][\w-]+)*/?$`)
	ending   = regexp.MustCompile(`\.(?:go|md|py|sql)$`)
)

func readsAsPath(s string) bool {
	first, _, folder := strings.Cut(s, "/")
	return pathForm.MatchString(s) && (ending.MatchString(s) || folder && exists(first))
}

var goFile = regexp.MustCompile(`[\w/]*\w\.go\b`)

// TestNamedSourceFilesExist checks each Go file that a comment names: it is in
// the folder of the comment, or its path is from the root.
func TestNamedSourceFilesExist(t *testing.T) {
	named := 0
	walk(t, func(file string) {
		if path.Ext(file) != ".go" || strings.HasPrefix(file, "internal/testing/docs/") {
			return
		}
		for i, line := range strings.Split(read(t, file), "\n") {
			_, comment, _ := strings.Cut(line, "//")
			for _, name := range goFile.FindAllString(comment, -1) {
				named++
				if name != "_test.go" && !exists(path.Join(path.Dir(file), name)) && !exists(name) {
					t.Errorf("%s:%d names the file %s, which does not exist", file, i+1, name)
				}
			}
		}
	})
	if named == 0 {
		t.Error("no comment names a Go file")
	}
}

var goName = regexp.MustCompile(`^([a-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?(?:\(.*\))?$`)

// TestNamedGoNamesExist checks each text in backticks that has the form of a
// name of a package of the project. The package must declare the name, or one of
// its types must have such a method or field.
func TestNamedGoNamesExist(t *testing.T) {
	declared := declarations(t)
	for _, p := range pages(t) {
		for _, m := range code.FindAllStringSubmatch(p.text, -1) {
			parts := goName.FindStringSubmatch(m[1])
			if parts == nil || declared[parts[1]] == nil {
				continue
			}
			names := declared[parts[1]]
			if !names[parts[2]] || parts[3] != "" && !names[parts[3]] {
				t.Errorf("%s names %s, which package %s does not declare", p.path, m[1], parts[1])
			}
		}
	}
}

// declarations returns the names of every package: top-level declarations,
// methods, fields, and the methods of interfaces.
func declarations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	declared := map[string]map[string]bool{}
	walk(t, func(path string) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, read(t, path), parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		names := declared[file.Name.Name]
		if names == nil {
			names = map[string]bool{}
			declared[file.Name.Name] = names
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names[n.Name.Name] = true
			case *ast.TypeSpec:
				names[n.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range n.Names {
					names[name.Name] = true
				}
			case *ast.Field:
				for _, name := range n.Names {
					names[name.Name] = true
				}
			}
			return true
		})
	})
	return declared
}

// TestFormatListsEveryField compares the table of format.md with the tags that
// specify the stored fields of an entity and their places.
func TestFormatListsEveryField(t *testing.T) {
	rows := map[string][]string{}
	for _, line := range strings.Split(read(t, "docs/format.md"), "\n") {
		if cells := strings.Split(line, " | "); len(cells) == 4 {
			rows[strings.TrimPrefix(cells[0], "| ")] = []string{cells[2], strings.TrimSuffix(cells[3], " |")}
		}
	}
	for kind, e := range map[string]blue.Entity{
		"dialogue": &blue.Dialogue{}, "expert": &blue.Expert{}, "round": &blue.RoundRecord{}, "verdict": &blue.Verdict{},
		"perspective": &blue.Perspective{}, "tension": &blue.Tension{}, "recommendation": &blue.Recommendation{},
		"evidence": &blue.Evidence{}, "claim": &blue.Claim{}, "move": &blue.Move{}, "{kind}_event": &blue.Event{},
	} {
		row, ok := rows[kind]
		if !ok {
			t.Errorf("docs/format.md has no row for %s", kind)
			continue
		}
		for i, tag := range []string{"clear", "sealed"} {
			want := tagged(e, tag)
			got := strings.Split(strings.ReplaceAll(row[i], "times", "created_at, updated_at"), ", ")
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("docs/format.md lists as %s of %s\n%q\nand the tags list\n%q", tag, kind, got, want)
			}
		}
	}
}

// tagged returns the names that a tag gives to the fields of an entity, sorted.
func tagged(e blue.Entity, tag string) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(e).Elem()) {
		if name := f.Tag.Get(tag); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestLayout compares docs/layout.md with the folders. Every folder that it
// names must exist, and it must name every package outside internal/testing.
func TestLayout(t *testing.T) {
	const page = "docs/layout.md"
	var block strings.Builder
	for line := range strings.Lines(read(t, page)) {
		if strings.HasPrefix(line, "    ") {
			block.WriteString(line)
		}
	}
	named := regexp.MustCompile(`\b[\w/-]+/`).FindAllString(block.String(), -1)
	if len(named) < 20 {
		t.Fatalf("%s names only %d folders", page, len(named))
	}
	for _, folder := range named {
		if !exists(folder) {
			t.Errorf("%s names the folder %s, which does not exist", page, folder)
		}
	}
	walk(t, func(file string) {
		folder := path.Dir(file) + "/"
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || folder == "./" || strings.HasPrefix(folder, "internal/testing/") {
			return
		}
		if !slices.Contains(named, folder) {
			t.Errorf("%s does not name the folder %s", page, folder)
		}
	})
}

// TestPlantedFaults checks that the checks find planted errors.
func TestPlantedFaults(t *testing.T) {
	planted := page{"docs/planted.md", "# A heading, planted\n[a](nowhere.md) [b](#no-heading) [c](format.md#no-such) [d](format.md) [e](#a-heading-planted)\n"}
	if dead := deadLinks(t, planted); !slices.Equal(dead, []string{"nowhere.md", "#no-heading", "format.md#no-such"}) {
		t.Errorf("dead links found: %q", dead)
	}
	for text, want := range map[string]bool{
		"docs/format.md": true, "internal/engine/": true, "sqlite/store.go": true, "store.go": true, "nowhere.go": true, ".ci/run": true,
		"golang.org/x/text": false, "status#open": false, "tensions_resolved": false, "blue.Converge": false, "go test ./...": false,
	} {
		if readsAsPath(text) != want {
			t.Errorf("%q is taken for a path: %v; want %v", text, !want, want)
		}
	}
	names := declarations(t)
	if !names["blue"]["DialogueStore"] || !names["record"]["Commit"] || names["blue"]["NoSuchName"] {
		t.Error("declarations are not read")
	}
}
