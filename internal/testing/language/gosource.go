package language

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// goTexts returns the comments, messages and help texts of a Go file.
func goTexts(rel string, source []byte) ([]Text, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, rel, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	r := &goReader{fset: fset, unit: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go")}
	for _, group := range file.Comments {
		r.comment(group)
	}
	ast.Inspect(file, r.visit)
	return r.texts, nil
}

// goReader collects the texts of one file.
type goReader struct {
	fset  *token.FileSet
	unit  string
	test  bool
	texts []Text
}

func (r *goReader) add(kind Kind, pos token.Pos, body string) {
	r.texts = append(r.texts, Text{Unit: r.unit, Kind: kind, Line: r.fset.Position(pos).Line, Body: body})
}

// comment adds a group of comments without its marks and directives.
func (r *goReader) comment(group *ast.CommentGroup) {
	var lines []string
	for _, c := range group.List {
		text, ok := strings.CutPrefix(c.Text, "//")
		switch {
		case !ok:
			text = strings.TrimSuffix(strings.TrimPrefix(text, "/*"), "*/")
		case strings.HasPrefix(text, "go:"), strings.HasPrefix(text, "nolint"), strings.HasPrefix(text, "lint:"), strings.HasPrefix(text, " Output:"):
			text = ""
		}
		lines = append(lines, text)
	}
	kind := Comment
	if r.test {
		kind = TestComment
	}
	r.add(kind, group.Pos(), strings.Join(lines, "\n"))
}

var (
	failure   = regexp.MustCompile(`^(?:Error|Fatal|Log|Skip)f?$`)
	newError  = regexp.MustCompile(`^(?:New|Errorf)$`)
	flagType  = regexp.MustCompile(`^(?:(?:String|Bool|Int|Uint|Float|Duration|Count|Text)\w*?(?:Var|VarP|P)?|Var|VarP|VarPF|Func|BoolFunc)$`)
	helpField = regexp.MustCompile(`^(?:Short|Long|Example|Deprecated)$`)
	helpName  = regexp.MustCompile(`(?:[uU]sage|[hH]elp)$`)
)

// visit adds the texts of one node. It returns false if the node's children
// hold no further text.
func (r *goReader) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec:
		return false
	case *ast.Field:
		return n.Tag == nil
	case *ast.CallExpr:
		return r.call(n)
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && helpField.MatchString(key.Name) {
			return r.help(n.Value)
		}
	case *ast.ValueSpec:
		if helpName.MatchString(n.Names[0].Name) && len(n.Values) == 1 {
			return r.help(n.Values[0])
		}
	case *ast.BasicLit, *ast.BinaryExpr:
		return r.message(n.(ast.Expr), 3)
	}
	return true
}

// call adds the texts of a call. An error has a text of one word or more.
// The pattern of a regular expression is not a text.
func (r *goReader) call(n *ast.CallExpr) bool {
	f, ok := n.Fun.(*ast.SelectorExpr)
	if !ok {
		return true
	}
	x, _ := f.X.(*ast.Ident)
	switch {
	case x != nil && x.Name == "regexp":
		return false
	case r.test:
		if x != nil && failure.MatchString(f.Sel.Name) {
			for _, arg := range n.Args {
				if body, ok := literal(arg); ok && words(body) > 0 {
					r.add(TestMessage, arg.Pos(), body)
				}
			}
		}
	case len(n.Args) >= 3 && flagType.MatchString(f.Sel.Name):
		r.help(n.Args[len(n.Args)-1])
		return false
	case len(n.Args) > 0 && (newError.MatchString(f.Sel.Name) || failure.MatchString(f.Sel.Name)):
		r.message(n.Args[0], 1)
		for _, arg := range n.Args[1:] {
			ast.Inspect(arg, r.visit)
		}
		return false
	}
	return true
}

// help adds a help text. It returns whether the expression must be searched.
func (r *goReader) help(e ast.Expr) bool {
	body, ok := literal(e)
	if !ok || r.test {
		return true
	}
	if words(body) > 0 {
		r.add(Help, e.Pos(), body)
	}
	return false
}

// sql is the start of a statement of SQL or of its pragmas.
var sql = regexp.MustCompile(`^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|PRAGMA|BEGIN|WITH|ALTER|EXPLAIN)\b`)

// message adds a text of at least min words. It returns whether the
// expression must be searched.
func (r *goReader) message(e ast.Expr, min int) bool {
	body, ok := literal(e)
	if !ok {
		return true
	}
	if !r.test && words(body) >= min && !sql.MatchString(body) {
		r.add(Message, e.Pos(), body)
	}
	return false
}

// literal returns a text that is made of literals. Anything that is added to
// them is an ellipsis.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		body, err := strconv.Unquote(e.Value)
		return body, err == nil
	case *ast.ParenExpr:
		return literal(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, okX := literal(e.X)
		y, okY := literal(e.Y)
		if !okX {
			x = " … "
		}
		if !okY {
			y = " … "
		}
		return x + y, okX || okY
	}
	return "", false
}
