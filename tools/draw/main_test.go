package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"p/p.go":      "package p\n\n// secretdoc\nfunc (t *T) First(a int,\n\tb string) error { return nil }\n\nfunc second() {}\n\nfunc third() {}\n",
		"p/p_test.go": "package p\n\nfunc inTest() {}\n",
		"tools/t.go":  "package tools\n\nfunc inTool() {}\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	draw := func(n int, seed string, answers bool) string {
		var out strings.Builder
		if err := run(&out, dir, n, seed, answers); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	all := draw(9, "s", false)
	if !strings.HasPrefix(all, "3 of 3 functions, seed s\n") || !strings.Contains(all, "func (t *T) First(a int, b string) error\n") {
		t.Errorf("drawn: %s", all)
	}
	if strings.Contains(all, "secretdoc") || strings.Contains(all, "p.go") || strings.Contains(all, "inT") {
		t.Errorf("this must be hidden: %s", all)
	}
	if first, second := draw(2, "s", false), draw(2, "s", false); first != second {
		t.Error("one seed draws different functions")
	}
	different := false
	for _, seed := range []string{"a", "b", "c", "d", "e", "f"} {
		different = different || strings.SplitN(draw(1, seed, false), "\n", 2)[1] != strings.SplitN(draw(1, "s", false), "\n", 2)[1]
	}
	if !different {
		t.Error("seven seeds draw the same function")
	}
	if answers := draw(3, "s", true); !strings.Contains(answers, "    p (p/p.go:4)\n") {
		t.Errorf("answers: %s", answers)
	}
}
