package main

import "testing"

func TestCodeLines(t *testing.T) {
	for source, want := range map[string]int{
		"package p":                                           1,
		"// comment\n\npackage p\n":                           1,
		"/* a\nb\n*/ package p // c\n":                        1,
		"package p\n\nvar x = /* a */ 1":                      2,
		"package p\n\n/*\nvar x = 1\n*/":                      1,
		"package p\nvar x = `a\n\n// b\n`":                    4,
		"package p\nfunc f() {\n\t// c\n}":                    3,
		"package p\nvar s = \"// no comment\"\nvar r = '/'\n": 3,
	} {
		if n, err := codeLines("p.go", []byte(source)); err != nil || n != want {
			t.Errorf("%q: %d lines, %v; want %d", source, n, err, want)
		}
	}
	if _, err := codeLines("p.go", []byte("package p\nvar s = `")); err == nil {
		t.Error("a file with a syntax error is counted")
	}
}
