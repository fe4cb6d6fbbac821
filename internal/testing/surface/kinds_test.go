package surface

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// kindTables are the files of the root package that may list the kinds.
var kindTables = []string{"kinds.go"}

// kindsAllowed maps files that may list kinds to the reason.
var kindsAllowed = map[string]string{
	"internal/importer/verdict.go": "sections of the Markdown format, which a new reader replaces",
}

// TestKinds checks that no code except the table of kinds lists kinds: no
// switch or chain of ifs over constants of blue.Kind or over entity types, no
// map with kinds as keys, and no list of several kinds. A new kind is then a
// new row of the table and nothing else.
func TestKinds(t *testing.T) {
	tr := load(t, *rootDir)
	k := newKinds(tr)
	if len(k.consts) < 10 || len(k.entities) < 5 {
		t.Fatalf("found the kinds %q and the entities %q", slices.Sorted(maps.Keys(k.consts)), slices.Sorted(maps.Keys(k.entities)))
	}
	findings, byHand := k.check()
	for name := range kindsAllowed {
		if !slices.ContainsFunc(tr.files, func(f file) bool { return f.name == name }) {
			t.Errorf("%s is allowed to list kinds, but there is no such file", name)
		}
	}
	t.Logf("%d functions name three or more lists of a snapshot by hand:\n%s", len(byHand), strings.Join(byHand, "\n"))
	report(t, findings)
}

// kinds is the constants of blue.Kind and the types of contributions.
type kinds struct {
	tree             *tree
	consts, entities map[string]bool
}

// newKinds reads the constants with the type Kind, and the types that embed
// Contribution, of the root package.
func newKinds(tr *tree) *kinds {
	k := &kinds{tree: tr, consts: map[string]bool{}, entities: map[string]bool{}}
	for _, f := range tr.files {
		if f.dir != "." || f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, name := range n.Names {
					if strings.HasPrefix(name.Name, "Kind") && isKind(n) {
						k.consts[name.Name] = true
					}
				}
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok && slices.ContainsFunc(s.Fields.List, embedsContribution) {
					k.entities[n.Name.Name] = true
				}
			}
			return true
		})
	}
	return k
}

// isKind reports whether a value is declared as a Kind.
func isKind(spec *ast.ValueSpec) bool {
	typ := spec.Type
	if len(spec.Values) > 0 && typ == nil {
		if call, ok := spec.Values[0].(*ast.CallExpr); ok {
			typ = call.Fun
		}
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.Name == "Kind"
}

func embedsContribution(f *ast.Field) bool {
	name, ok := f.Type.(*ast.Ident)
	return ok && len(f.Names) == 0 && name.Name == "Contribution"
}

// check returns what lists kinds in files that must not, and the functions
// that name three or more lists of a snapshot.
func (k *kinds) check() (findings, byHand []string) {
	used := map[string]bool{}
	for _, f := range k.tree.files {
		if !f.isProduct() || f.dir == "." && slices.Contains(kindTables, f.name) {
			continue
		}
		found := k.inFile(f)
		if _, ok := kindsAllowed[f.name]; ok {
			used[f.name] = len(found) > 0
			continue
		}
		findings = append(findings, found...)
		byHand = append(byHand, k.byHand(f)...)
	}
	for name, needed := range used {
		if !needed {
			findings = append(findings, name+" is allowed to list kinds, and lists none")
		}
	}
	slices.Sort(findings)
	return findings, byHand
}

// inFile returns the places of one file that list kinds. A literal inside
// another one that is reported is not reported again.
func (k *kinds) inFile(f file) []string {
	var found []string
	add := func(n ast.Node, what string) bool {
		found = append(found, k.tree.at(n)+": "+what+": derive it from the table of kinds")
		return false
	}
	elses := map[ast.Node]bool{} // the ifs that belong to a chain above them
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SwitchStmt:
			if count := k.inCases(f, n); count > 1 || count == 1 && n.Tag != nil {
				add(n, "a switch over kinds")
			}
		case *ast.TypeSwitchStmt:
			if k.entitiesIn(f, n) > 1 {
				add(n, "a switch over types of entities")
			}
		case *ast.IfStmt:
			var conditions []ast.Node
			for next := n; next != nil; next, _ = next.Else.(*ast.IfStmt) {
				if conditions = append(conditions, next.Cond); next != n {
					elses[next] = true
				}
			}
			if len(conditions) > 1 && !elses[n] && k.constsIn(f, conditions...) > 1 {
				add(n, "a chain of ifs over kinds")
			}
		case *ast.CompositeLit:
			if _, isMap := n.Type.(*ast.MapType); isMap && k.keys(f, n) > 0 {
				return add(n, "a map keyed by kinds")
			}
			if k.constsIn(f, n) > 1 {
				return add(n, "a list of kinds")
			}
		}
		return true
	})
	return found
}

// constsIn counts the different constants of kinds in some nodes, without
// those inside function literals.
func (k *kinds) constsIn(f file, nodes ...ast.Node) int {
	names := map[string]bool{}
	for _, n := range nodes {
		ast.Inspect(n, func(n ast.Node) bool {
			if _, isFunc := n.(*ast.FuncLit); isFunc {
				return false
			}
			if name, ok := k.name(f, n, k.consts); ok {
				names[name] = true
			}
			return true
		})
	}
	return len(names)
}

// name returns the name of the root package that a node is, if it is one of a
// set.
func (k *kinds) name(f file, n ast.Node, set map[string]bool) (string, bool) {
	if dir, name, ok := f.selected(n); ok {
		return name, dir == "." && set[name]
	}
	ident, ok := n.(*ast.Ident)
	return nameOf(ident), ok && f.dir == "." && set[ident.Name]
}

func nameOf(ident *ast.Ident) string {
	if ident == nil {
		return ""
	}
	return ident.Name
}

// inCases counts the constants of kinds in the cases of a switch.
func (k *kinds) inCases(f file, s *ast.SwitchStmt) int {
	var cases []ast.Node
	for _, clause := range s.Body.List {
		for _, e := range clause.(*ast.CaseClause).List {
			cases = append(cases, e)
		}
	}
	return k.constsIn(f, cases...)
}

func (k *kinds) keys(f file, lit *ast.CompositeLit) int {
	n := 0
	for _, e := range lit.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			n += k.constsIn(f, pair.Key)
		}
	}
	return n
}

// entitiesIn counts the cases of a type switch that are entities.
func (k *kinds) entitiesIn(f file, s *ast.TypeSwitchStmt) int {
	n := 0
	for _, clause := range s.Body.List {
		for _, e := range clause.(*ast.CaseClause).List {
			if star, ok := e.(*ast.StarExpr); ok {
				if _, ok := k.name(f, star.X, k.entities); ok {
					n++
				}
			}
		}
	}
	return n
}

// byHand returns the functions that name three or more of the lists that a
// snapshot or batch has for the numbered kinds.
func (k *kinds) byHand(f file) []string {
	lists := map[string]bool{"Perspectives": true, "Tensions": true, "Recommendations": true, "Evidence": true, "Claims": true}
	var found []string
	for _, decl := range f.syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		named := map[string]bool{}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && lists[s.Sel.Name] {
				named[s.Sel.Name] = true
			}
			return true
		})
		if len(named) > 2 {
			found = append(found, k.tree.at(fn)+": "+fn.Name.Name)
		}
	}
	return found
}

func TestKindsPlanted(t *testing.T) {
	domain := "package blue\ntype Kind string\nconst (\n\tKindA Kind = \"a\"\n\tKindB = Kind(\"b\")\n)\ntype Contribution struct{}\ntype A struct{ Contribution }\ntype B struct{ Contribution }\n"
	head := "package p\nimport blue \"" + module + "\"\n"
	for name, c := range map[string]struct {
		file, source string
		found        bool
	}{
		"switch":                {"p/p.go", head + "func f(k blue.Kind) { switch k { case blue.KindA: } }", true},
		"switch in the root":    {"q.go", "package blue\nfunc f(k Kind) { switch k { case KindA: } }", true},
		"switch without a tag":  {"p/p.go", head + "func f(k blue.Kind) { switch { case k == blue.KindA: case k == blue.KindB: } }", true},
		"chain of ifs":          {"p/p.go", head + "func f(k blue.Kind) { if k == blue.KindA { } else if k == blue.KindB { } }", true},
		"map":                   {"p/p.go", head + "var m = map[blue.Kind]int{blue.KindA: 1}", true},
		"map in the root":       {"q.go", "package blue\nvar m = map[Kind]int{KindA: 1}", true},
		"map to kinds":          {"p/p.go", head + "var m = map[string]blue.Kind{\"a\": blue.KindA, \"b\": blue.KindB}", true},
		"list":                  {"p/p.go", head + "var l = []blue.Kind{blue.KindA, blue.KindB}", true},
		"list of calls":         {"p/p.go", head + "var l = []int{of(blue.KindA), of(blue.KindB)}", true},
		"other import name":     {"p/p.go", "package p\nimport d \"" + module + "\"\nvar l = []d.Kind{d.KindA, d.KindB}", true},
		"type switch":           {"p/p.go", head + "func f(e any) { switch e.(type) { case *blue.A: case *blue.B: } }", true},
		"the table":             {"kinds.go", "package blue\nvar m = map[Kind]int{KindA: 1, KindB: 2}", false},
		"a test":                {"p/p_test.go", head + "var l = []blue.Kind{blue.KindA, blue.KindB}", false},
		"one comparison":        {"p/p.go", head + "func f(k blue.Kind) bool { if k == blue.KindA { return true } else if len(k) > 3 { return true }; return false }", false},
		"one value":             {"p/p.go", head + "var e = blue.EntityKey{Kind: blue.KindA}", false},
		"one case of its type":  {"p/p.go", head + "func f(e any) { switch e.(type) { case *blue.A: case string: } }", false},
		"kinds of another type": {"p/p.go", "package p\nconst ( KindA = 1; KindB = 2 )\nvar l = []int{KindA, KindB}", false},
	} {
		tr := plant(t, map[string]string{"entity.go": domain, c.file: c.source})
		k := newKinds(tr)
		if findings, _ := k.check(); (len(findings) > 0) != c.found {
			t.Errorf("%s: found %q; want a finding: %v", name, findings, c.found)
		}
	}
}
