package surface

import (
	"go/ast"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/product"
)

// TestDocs checks that every exported constant, variable, function, type,
// method and interface method of every package that ships, and of the suites,
// has a doc comment of its own.
func TestDocs(t *testing.T) {
	d := readDocs(load(t, *rootDir))
	if d.names == 0 {
		t.Fatal("no exported name was found")
	}
	t.Logf("%d of %d exported names are documented (%.1f %%); %d of %d exported fields", d.names-len(d.missing), d.names,
		100*float64(d.names-len(d.missing))/float64(d.names), d.fields-d.bareFields, d.fields)
	t.Logf("%d doc comments do not begin with the name:\n%s", len(d.unnamed), strings.Join(d.unnamed, "\n"))
	report(t, append(d.missing, d.vague...))
}

// docs is what readDocs finds.
type docs struct {
	tree               *tree
	names              int      // exported names
	missing            []string // those without a doc comment
	unnamed            []string // those whose comment does not begin with the name
	vague              []string // those that name their errors by another function
	fields, bareFields int      // exported fields of exported structs
}

func readDocs(tr *tree) *docs {
	d := &docs{tree: tr}
	for _, f := range tr.files {
		if !f.isProduct() && (f.test || !product.IsSuite(f.dir)) {
			continue
		}
		for _, decl := range f.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				d.function(f, decl)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					d.spec(f, decl, spec)
				}
			}
		}
	}
	return d
}

func (d *docs) function(f file, decl *ast.FuncDecl) {
	name := decl.Name.Name
	if decl.Recv != nil {
		receiver := receiverName(decl)
		if !ast.IsExported(receiver) {
			return
		}
		name = receiver + "." + name
	}
	d.name(f, decl.Name, name, true, decl.Doc)
}

func (d *docs) spec(f file, decl *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		own := []*ast.CommentGroup{spec.Doc, spec.Comment}
		if !decl.Lparen.IsValid() {
			own = append(own, decl.Doc)
		}
		for _, name := range spec.Names {
			d.name(f, name, name.Name, false, own...)
		}
	case *ast.TypeSpec:
		own := []*ast.CommentGroup{spec.Doc}
		if !decl.Lparen.IsValid() {
			own = append(own, decl.Doc)
		}
		d.name(f, spec.Name, spec.Name.Name, true, own...)
		if spec.Name.IsExported() {
			d.members(f, spec)
		}
	}
}

// members reads the methods of an interface and the fields of a struct.
func (d *docs) members(f file, spec *ast.TypeSpec) {
	switch typ := spec.Type.(type) {
	case *ast.InterfaceType:
		for _, m := range typ.Methods.List {
			for _, name := range m.Names {
				d.name(f, name, spec.Name.Name+"."+name.Name, false, m.Doc, m.Comment)
			}
		}
	case *ast.StructType:
		for _, m := range typ.Fields.List {
			for _, name := range m.Names {
				if name.IsExported() {
					d.fields++
					if m.Doc == nil && m.Comment == nil {
						d.bareFields++
					}
				}
			}
		}
	}
}

// name counts one exported name with the comments that may document it.
func (d *docs) name(f file, ident *ast.Ident, full string, first bool, comments ...*ast.CommentGroup) {
	if !ident.IsExported() {
		return
	}
	d.names++
	var text string
	for _, c := range comments {
		text += c.Text()
	}
	place := d.tree.at(ident) + ": " + qualified(f.dir, full)
	if strings.TrimSpace(text) == "" {
		d.missing = append(d.missing, place+" has no doc comment")
		return
	}
	if words := strings.Fields(text); first && words[0] != ident.Name && (len(words) < 2 || words[1] != ident.Name) {
		d.unnamed = append(d.unnamed, place+": "+strings.Join(words[:min(6, len(words))], " "))
	}
	if flat := strings.Join(strings.Fields(text), " "); strings.Contains(strings.ToLower(flat), "errors as of") {
		d.vague = append(d.vague, place+`: name the errors, not "errors as of"`)
	}
}

// receiverName returns the name of the type that a method belongs to.
func receiverName(decl *ast.FuncDecl) string {
	typ := decl.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func TestDocsPlanted(t *testing.T) {
	d := readDocs(plant(t, map[string]string{
		"p/p.go": `package p
// Block comments document no single value.
const (
	A = 1
	B = 2 // B is two.
	// C is three.
	C = 3
)
var D, E = 1, 2
// F does it. Errors
// as of G.
func F() {}
func G() {}
type t struct{}
func (t) Hidden() {}
// T is a type.
type T struct{ X, Y int; Z int // z
}
func (*T) Error() string { return "" }
// It starts with another word.
func (T) M() {}
// I is an interface.
type I interface { N() }
func h() {}
`,
		"p/p_test.go":              "package p\nfunc TestX() {}\n",
		"internal/testing/q/q.go":  "package q\nfunc Q() {}\n",
		"storetest/s.go":           "package storetest\nfunc Cases() {}\n",
		"internal/engine/e.go":     "package engine\ntype (\n\tEngine struct{}\n\t// Other is documented.\n\tOther int\n)\n",
		"p/testdata/x/x.go":        "package x\nfunc X() {}\n",
		"storetest/hidden_test.go": "package storetest\nfunc TestY() {}\n",
	}))
	var missing []string
	for _, m := range d.missing {
		_, m, _ = strings.Cut(m, ": ")
		missing = append(missing, strings.TrimSuffix(m, " has no doc comment"))
	}
	slices.Sort(missing)
	if want := []string{"internal/engine.Engine", "p.A", "p.D", "p.E", "p.G", "p.I.N", "p.T.Error", "storetest.Cases"}; !slices.Equal(missing, want) {
		t.Errorf("without a comment: %q; want %q", missing, want)
	}
	if d.names != 15 || d.fields != 3 || d.bareFields != 2 {
		t.Errorf("%d names, %d fields, %d of them bare; want 15, 3, 2", d.names, d.fields, d.bareFields)
	}
	if len(d.unnamed) != 1 || !strings.Contains(d.unnamed[0], "p.T.M") || len(d.vague) != 1 || !strings.Contains(d.vague[0], "p.F") {
		t.Errorf("found %q and %q", d.unnamed, d.vague)
	}
}
