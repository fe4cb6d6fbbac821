// Command draw prints functions of the code that ships, drawn at random, and
// hides their packages. A reader then guesses the packages from their docs.
//
//	go run ./tools/draw [-C DIR] [-n N] [-seed SEED] [-answers]
//
// The same seed draws the same functions from the same checkout. The seed is
// the hash of the checkout's commit if it is left out.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/testing/product"
)

func main() {
	root := flag.String("C", ".", "the `DIR` to read: the root of a checkout")
	n := flag.Int("n", 20, "the number `N` of functions")
	seed := flag.String("seed", "", "the `SEED` of the draw (default: the hash of the commit)")
	answers := flag.Bool("answers", false, "print the file and line of each function too")
	flag.Parse()
	if err := run(os.Stdout, *root, *n, *seed, *answers); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, root string, n int, seed string, answers bool) error {
	if seed == "" {
		hash, err := exec.Command("git", "-C", root, "rev-parse", "HEAD").Output()
		if err != nil {
			return fmt.Errorf("reading the hash of the commit: %w; give a -seed", err)
		}
		seed = strings.TrimSpace(string(hash))
	}
	all, err := functions(root)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d of %d functions, seed %s\n", min(n, len(all)), len(all), seed)
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(seed))))
	for i, at := range random.Perm(len(all))[:min(n, len(all))] {
		f := all[at]
		fmt.Fprintf(w, "%2d. %s\n", i+1, f.signature)
		if answers {
			fmt.Fprintf(w, "    %s (%s:%d)\n", f.dir, f.file, f.line)
		}
	}
	return nil
}

// function is one function or method with a body.
type function struct {
	dir, file string
	line      int
	signature string
}

// functions returns the functions that ship, in the order of files and lines.
func functions(root string) ([]function, error) {
	files, err := product.Files(root)
	if err != nil {
		return nil, err
	}
	var all []function
	for _, name := range files {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(root, filepath.FromSlash(name)), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			line := fset.Position(f.Pos()).Line
			f.Body = nil
			var signature strings.Builder
			if err := printer.Fprint(&signature, fset, f); err != nil {
				return nil, err
			}
			all = append(all, function{path.Dir(name), name, line, strings.Join(strings.Fields(signature.String()), " ")})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no functions that ship", root)
	}
	return all, nil
}
