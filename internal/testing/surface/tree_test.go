// Package surface tests what the packages export: every exported name has a
// doc comment, the root package stays small, exported names are used, and no
// code except the table of kinds lists kinds. There is nothing here but the
// tests.
//
// To see the reports for another checkout:
//
//	go test -v ./internal/testing/surface -args -root DIR
package surface

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/product"
)

const module = "github.com/superviber/blue-encrypted-store"

var rootDir = flag.String("root", filepath.Join("..", "..", ".."), "the checkout to read")

// file is one parsed Go file.
type file struct {
	name    string // path from the root
	dir     string // folder from the root, "." for the root package
	test    bool   // a _test.go file
	syntax  *ast.File
	imports map[string]string // name in the file to folder of this module
}

// tree is all Go files of a checkout.
type tree struct {
	fset  *token.FileSet
	files []file
}

// isProduct reports whether the file ships.
func (f file) isProduct() bool { return !f.test && product.Ships(f.dir) }

func load(t *testing.T, root string) *tree {
	t.Helper()
	tr := &tree{fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(d.Name()) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return tr.add(name, filepath.ToSlash(rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *tree) add(name, rel string) error {
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(tr.fset, rel, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := file{name: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), syntax: syntax, imports: map[string]string{}}
	for _, spec := range syntax.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		dir, inside := strings.CutPrefix(to+"/", module+"/")
		if !inside {
			continue
		}
		dir = path.Clean(dir)
		local := path.Base(dir)
		if dir == "." {
			local = "blue"
		}
		if spec.Name != nil {
			local = spec.Name.Name
		}
		f.imports[local] = dir
	}
	tr.files = append(tr.files, f)
	return nil
}

// at returns the file and line of a node.
func (tr *tree) at(n ast.Node) string {
	p := tr.fset.Position(n.Pos())
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// report fails the test once for each finding.
func report(t *testing.T, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}

// plant writes files below a new folder and loads them.
func plant(t *testing.T, files map[string]string) *tree {
	t.Helper()
	dir := t.TempDir()
	for name, source := range files {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, dir)
}
