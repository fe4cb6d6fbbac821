// Command countlines counts the lines of code of the Go files that ship.
//
//	go run ./tools/countlines [DIR]
//
// DIR is the root of a checkout, the current folder if left out. A line counts
// if it holds code: not a blank line, and not a line of comments only. Tests,
// suites, test tools and the tools of developers do not ship.
package main

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/testing/product"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := count(os.Stdout, root); err != nil {
		fmt.Fprintln(os.Stderr, "countlines:", err)
		os.Exit(1)
	}
}

// count prints the lines of each package and the total.
func count(w io.Writer, root string) error {
	files, err := product.Files(root)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no Go files that ship", root)
	}
	lines, total := map[string]int{}, 0
	for _, name := range files {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		n, err := codeLines(name, source)
		if err != nil {
			return err
		}
		lines[path.Dir(name)] += n
		total += n
	}
	for _, dir := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(w, "%6d %s\n", lines[dir], dir)
	}
	_, err = fmt.Fprintf(w, "%6d total of %d files\n", total, len(files))
	return err
}

// codeLines returns how many lines of a Go file hold code. A blank line inside
// a string literal is a blank line.
func codeLines(name string, source []byte) (int, error) {
	fset := token.NewFileSet()
	file := fset.AddFile(name, fset.Base(), len(source))
	var s scanner.Scanner
	var errs scanner.ErrorList
	s.Init(file, source, errs.Add, 0)
	code := map[int]bool{}
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return len(code), errs.Err()
		}
		if tok == token.SEMICOLON && literal != ";" {
			continue // inserted at the end of a line
		}
		first := file.Line(pos)
		for i, line := range strings.Split(literal, "\n") {
			if i == 0 || strings.TrimSpace(line) != "" {
				code[first+i] = true
			}
		}
	}
}
