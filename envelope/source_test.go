package envelope_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSource checks two rules in the source: the only AEAD is the one that draws
// its own nonce, and no import has I/O or belongs to another layer.
func TestSource(t *testing.T) {
	allowed := map[string]bool{
		"bytes": true, "crypto/aes": true, "crypto/cipher": true, "crypto/ed25519": true, "crypto/hkdf": true, "crypto/hmac": true, "crypto/rand": true,
		"crypto/sha256": true, "crypto/subtle": true, "encoding/binary": true, "encoding/hex": true, "errors": true, "fmt": true,
		"hash": true, "io": true, "log/slog": true, "math/bits": true, "slices": true, "strconv": true, "strings": true, "sync": true,
		"unicode": true, "unicode/utf8": true, "runtime/secret": true,
		"github.com/superviber/blue-encrypted-store":        true,
		"github.com/superviber/blue-encrypted-store/record": true,
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	constructors := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "cipher" && strings.HasPrefix(sel.Sel.Name, "New") {
				constructors++
				if sel.Sel.Name != "NewGCMWithRandomNonce" {
					t.Errorf("%s uses cipher.%s", name, sel.Sel.Name)
				}
			}
			return true
		})
	}
	if constructors != 1 {
		t.Errorf("%d places construct an AEAD, want one", constructors)
	}
}
