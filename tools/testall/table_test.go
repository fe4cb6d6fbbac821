package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
)

// suiteCalls are the calls that make a test a suite or a campaign.
var suiteCalls = []string{
	"storetest.Run", "recordtest.Run", "keystest.Run", "testscript.Run",
	"campaigntest.Length", "campaigntest.SkipShort",
	"testrule.Python", "testrule.Program",
}

// TestTable: docs/testing.md names each fuzz target and each test that calls one
// of suiteCalls, and it names no other test that does not exist.
func TestTable(t *testing.T) {
	rows, err := readTable(filepath.Join(checkout.Root(), "docs", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared, suites := declaredTests(t, checkout.Root())
	listed := map[string]bool{}
	for _, r := range rows {
		for _, test := range r.tests {
			k := key(r.pkg, test)
			if !declared[k] {
				t.Errorf("the row %q names %s in %s, which does not exist", r.name, test, r.pkg)
			}
			if listed[k] {
				t.Errorf("%s in %s is in two rows", test, r.pkg)
			}
			listed[k] = true
		}
	}
	for _, k := range suites {
		if !listed[k] {
			t.Errorf("no row of docs/testing.md names %s", k)
		}
	}
}

// declaredTests returns all tests below a folder, and those that are suites.
func declaredTests(t *testing.T, root string) (declared map[string]bool, suites []string) {
	t.Helper()
	declared = map[string]bool{}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") || f.Name.Name == "TestMain" {
				continue
			}
			k := key(filepath.ToSlash(pkg), f.Name.Name)
			declared[k] = true
			if strings.HasPrefix(f.Name.Name, "Fuzz") || isSuite(f) {
				suites = append(suites, k)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared, suites
}

// isSuite reports whether a test calls one of suiteCalls.
func isSuite(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(suiteCalls, x.Name+"."+s.Sel.Name) {
				found = true
			}
		}
		return true
	})
	return found
}

func TestParseRow(t *testing.T) {
	r, err := parseRow("| Kills | `sqlite` `TestKill` `TestOther` | – | 100 kills | = |")
	if err != nil || r.name != "Kills" || r.pkg != "sqlite" || !slices.Equal(r.tests, []string{"TestKill", "TestOther"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if !r.isLonger("ordinary") || r.isLonger("long") || r.lengths["long"] != "100 kills" {
		t.Errorf("%+v", r)
	}
	packages, tests := longerRows([]row{r, r}, "ordinary")
	if !slices.Equal(packages, []string{"./sqlite"}) || !slices.Equal(tests, []string{"TestKill", "TestOther"}) {
		t.Errorf("%v %v", packages, tests)
	}
	for _, bad := range []string{"| Kills | `sqlite` `TestKill` | 1 | 2 |", "| Kills | sqlite TestKill | 1 | 2 | 3 |"} {
		if _, err := parseRow(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
