package surface

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
)

// maxRoot is the number of top-level names that the root package may export.
const maxRoot = 100

// unusedAllowed maps exported names that no other package uses to the reason
// why they are exported. The name of a type also allows its constants.
var unusedAllowed = map[string]string{
	"audit/auditor.Class":  "a caller compares the class of a Finding",
	"audit/auditor.State":  "a caller compares the state of a dialogue in a report",
	"blue.Claim":           "a caller names the type of a registered entity",
	"blue.Evidence":        "a caller names the type of a registered entity",
	"blue.PartitionScoped": "a caller that extends DialogueStore needs the constraint of its results",
	"blue.Perspective":     "a caller names the type of a registered entity",
	"blue.RefTypes":        "a caller offers the closed list of reference types",
	"bluestore.KeyFile":    "the key source of a program that opens a store",
	"bluestore.Open":       "the function with which a program opens a store",
	"dynamo/tables.State":  "a caller compares the state of a table",
	"erasure.KindDialogue": "a caller sets the kind of a Subject",
	"erasure.KindUser":     "a caller sets the kind of a Subject",
	"erasure.Final":        "a caller compares the state of a Certificate",
	"erasure.Pending":      "a caller compares the state of a Certificate",
	"keys/awskms.Error":    "a caller can inspect why KMS refused a key",
	"plain.New":            "the store without encryption, for the tests of users of the module",
	"record.MaxBatchBytes": "record/recordtest tests the limit",
	"record.MaxChanges":    "record/recordtest tests the limit",
	"view.NewProgress":     "the answer to get_dialogue_progress of Blue",
	"view.Scoreboard":      "a caller shows the scores without an export",
	"view.Warnings":        "a caller shows the warnings without an export",
	"wire.JSONError":       "a caller reads the place of a refusal with errors.As",
}

// export is one exported top-level name.
type export struct {
	dir, name string
	at        string
	set       *ast.GenDecl // the block of a typed constant
	typ       string       // the type of a constant that states it, with its package
}

func (e export) String() string { return qualified(e.dir, e.name) }

// allowedBy returns the key of allowed that names the export or the type of
// the constant, or "".
func (e export) allowedBy(allowed map[string]string) string {
	for _, key := range []string{e.String(), e.typ} {
		if _, ok := allowed[key]; ok {
			return key
		}
	}
	return ""
}

// qualified returns a name with the folder of its package.
func qualified(dir, name string) string {
	if dir == "." {
		dir = "blue"
	}
	return dir + "." + name
}

// exports returns the exported top-level names of the packages that ship.
func exports(tr *tree) []export {
	var all []export
	for _, f := range tr.files {
		if !f.isProduct() || f.syntax.Name.Name == "main" {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for name, node := range declared(decl) {
				if name.IsExported() {
					e := export{dir: f.dir, name: name.Name, at: tr.at(name), set: typedBlock(decl, node)}
					if typ, ok := constantType(decl, node); ok {
						e.typ = qualified(f.dir, typ)
					}
					all = append(all, e)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b export) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// typedBlock returns the block of a constant that has a type, or nil.
func typedBlock(decl ast.Decl, node ast.Node) *ast.GenDecl {
	block, ok := decl.(*ast.GenDecl)
	if spec, isValue := node.(*ast.ValueSpec); ok && isValue && block.Tok == token.CONST && (spec.Type != nil || spec.Values == nil) {
		return block
	}
	return nil
}

// constantType returns the name of the type that a constant states.
func constantType(decl ast.Decl, node ast.Node) (string, bool) {
	if typedBlock(decl, node) == nil {
		return "", false
	}
	typ, ok := node.(*ast.ValueSpec).Type.(*ast.Ident)
	if !ok {
		return "", false
	}
	return typ.Name, true
}

// declared returns the names that a declaration puts at the top level, with
// the syntax that defines each.
func declared(decl ast.Decl) map[*ast.Ident]ast.Node {
	names := map[*ast.Ident]ast.Node{}
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			names[decl.Name] = decl.Type
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names[spec.Name] = spec
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names[name] = spec
				}
			}
		}
	}
	return names
}

// TestRoot checks the size of the root package, and that it has no alias.
func TestRoot(t *testing.T) {
	tr := load(t, *rootDir)
	n := 0
	for _, e := range exports(tr) {
		if e.dir == "." {
			n++
		}
	}
	if n == 0 {
		t.Fatal("the root package exports nothing")
	}
	t.Logf("the root package exports %d top-level names, at most %d are allowed", n, maxRoot)
	findings := aliases(tr)
	if n > maxRoot {
		findings = append(findings, fmt.Sprintf("the root package exports %d top-level names, at most %d are allowed", n, maxRoot))
	}
	report(t, findings)
}

// aliases returns the exported names of the root package that only rename
// something: a type alias, or a value that is a name of another package of
// this module.
func aliases(tr *tree) []string {
	var found []string
	for _, f := range tr.files {
		if f.dir != "." || f.test {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for name, node := range declared(decl) {
				if name.IsExported() && f.isAlias(node) {
					found = append(found, tr.at(name)+": "+name.Name+" is an alias")
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func (f file) isAlias(node ast.Node) bool {
	switch spec := node.(type) {
	case *ast.TypeSpec:
		return spec.Assign.IsValid()
	case *ast.ValueSpec:
		return slices.ContainsFunc(spec.Values, func(v ast.Expr) bool {
			s, ok := v.(*ast.SelectorExpr)
			if !ok {
				return false
			}
			x, ok := s.X.(*ast.Ident)
			return ok && f.imports[x.Name] != ""
		})
	}
	return false
}

// use reports which files of other packages name an exported name.
type use struct{ product, test bool }

// TestUnused reports the exported names that no other package names. A name
// that only tests of other packages use is reported too. A type that an
// exported declaration mentions is used. The constants of a type are used if
// one of their block is, because a set of values is exported whole.
func TestUnused(t *testing.T) {
	report(t, unused(load(t, *rootDir), unusedAllowed))
}

func unused(tr *tree, allowed map[string]string) []string {
	uses := map[string]use{}
	for _, f := range tr.files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if dir, name, ok := f.selected(n); ok && dir != f.dir || ok && f.test {
				u := uses[qualified(dir, name)]
				u.product = u.product || f.isProduct()
				u.test = u.test || !f.isProduct()
				uses[qualified(dir, name)] = u
			}
			return true
		})
	}
	mentioned, usedSets := mentions(tr), map[*ast.GenDecl]bool{}
	all := exports(tr)
	for _, e := range all {
		usedSets[e.set] = e.set != nil && (usedSets[e.set] || uses[e.String()].product)
	}
	var found []string
	left := maps.Clone(allowed)
	for _, e := range all {
		u := uses[e.String()]
		if u.product || mentioned[e.String()] || usedSets[e.set] {
			continue
		}
		if key := e.allowedBy(allowed); key != "" {
			delete(left, key)
			continue
		}
		how := "is used by no other package"
		if u.test {
			how = "is used outside its package by tests only"
		}
		found = append(found, e.at+": "+e.String()+" "+how)
	}
	for name := range left {
		found = append(found, name+" is allowed to be unused, and is used or does not exist")
	}
	return found
}

// selected returns the folder and name of a selector that names something of
// this module.
func (f file) selected(n ast.Node) (dir, name string, ok bool) {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", "", false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return "", "", false
	}
	dir, ok = f.imports[x.Name]
	return dir, s.Sel.Name, ok
}

// mentions returns the types that exported declarations of their own package
// mention: as a parameter, result, field, or type of a value or method.
func mentions(tr *tree) map[string]bool {
	mentioned := map[string]bool{}
	for _, f := range tr.files {
		if !f.isProduct() {
			continue
		}
		note := func(self string, n ast.Node) {
			ast.Inspect(n, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Field:
					if len(n.Names) > 0 && !slices.ContainsFunc(n.Names, (*ast.Ident).IsExported) && self != "" {
						return false
					}
				case *ast.Ident:
					if n.Name != self {
						mentioned[qualified(f.dir, n.Name)] = true
					}
				}
				return true
			})
		}
		for _, decl := range f.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Name.IsExported() {
					note("", decl.Type)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() {
							note(spec.Name.Name, spec.Type)
						}
					case *ast.ValueSpec:
						if spec.Names[0].IsExported() && spec.Type != nil && decl.Tok == token.VAR {
							note("", spec.Type)
						}
					}
				}
			}
		}
	}
	return mentioned
}

func TestExportsPlanted(t *testing.T) {
	tr := plant(t, map[string]string{
		"blue.go":        "package blue\nimport \"" + module + "/wire\"\ntype Old = wire.New\nvar Parse = wire.Parse\ntype Kind string\nfunc F(k Kind) {}\n",
		"wire/w.go":      "package wire\ntype New struct{ A Reached; b hidden; c Unreached }\ntype Reached int\ntype Unreached int\ntype hidden int\nconst (\n\tOne Reached = 1\n\tTwo Reached = 2\n)\nfunc Parse() {}\nfunc ForTests() {}\nfunc Spare() {}\nconst Size = 4\nfunc Alone() {}\ntype Color string\nfunc Paint(c Color) {}\nconst (\n\tRed Color = \"r\"\n)\ntype Shade string\nconst (\n\tDark Shade = \"d\"\n)\n",
		"wire/w_test.go": "package wire_test\nimport \"" + module + "/wire\"\nvar _ = wire.ForTests\n",
		"cmd/x/main.go":  "package main\nimport \"" + module + "\"\nimport w \"" + module + "/wire\"\nfunc main() { blue.F(\"\"); w.Paint(\"\"); var _ w.Shade; _ = w.One }\n",
	})
	if found := aliases(tr); len(found) != 2 {
		t.Errorf("aliases: %q; want Old and Parse", found)
	}
	all := strings.Join(unused(tr, map[string]string{"wire.Spare": "", "wire.Gone": "", "wire.Color": ""}), "\n")
	for _, want := range []string{"blue.Old is used by no", "blue.Parse is used by no", "wire.Unreached is used by no", "wire.Alone is used by no", "wire.Size is used by no", "wire.ForTests is used outside its package by tests only", "wire.Gone is allowed", "wire.Dark is used by no"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not reported", want)
		}
	}
	if n := strings.Count(all, "\n") + 1; n != 8 {
		t.Errorf("%d findings, want 8:\n%s", n, all)
	}
}
