package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// profile writes a profile with lines "FILE STATEMENTS COUNT" and returns its
// name.
func profile(t *testing.T, lines ...string) string {
	t.Helper()
	text := "mode: set\n"
	for _, line := range lines {
		file, rest, _ := strings.Cut(line, " ")
		text += module + "/" + file + ":1.1,2.2 " + rest + "\n"
	}
	return write(t, text)
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCompare(t *testing.T) {
	old := profile(t, "a.go 10 1", "keep/k.go 10 0", "keep/k.go 10 1", "big/b.go 90 1", "big/c.go 10 0", "internal/testing/x/x.go 50 0", "gone/g.go 1 0")
	for name, c := range map[string]struct {
		lines  []string
		losses int
		want   string
	}{
		"equal":        {[]string{"a.go 10 1", "keep/k.go 10 1", "one/b.go 90 1", "two/c.go 10 1", "tools/t/t.go 50 0"}, 0, "total new 100.00 % (120 of 120)"},
		"two points":   {[]string{"a.go 10 1", "keep/k.go 10 1", "one/b.go 89 1", "one/c.go 11 0", "two/c.go 10 1"}, 0, "-1.00 from big, 90.00 %"},
		"loss":         {[]string{"a.go 10 1", "keep/k.go 10 1", "one/b.go 87 1", "one/c.go 13 0", "two/c.go 90 1"}, 1, "-3.00 from big, 90.00 %  LOSS"},
		"lower total":  {[]string{"a.go 10 1", "keep/k.go 10 1", "one/b.go 885 1", "one/c.go 115 0", "two/c.go 10 1"}, 1, "LOSS: the total"},
		"new package":  {[]string{"a.go 10 1", "keep/k.go 10 1", "one/b.go 90 1", "two/c.go 10 1", "fresh/f.go 1 0"}, 0, "fresh "},
		"two profiles": {[]string{"a.go 10 1", "keep/k.go 10 0", "one/b.go 90 1", "two/c.go 10 1"}, 0, "keep                     100.00 %"},
	} {
		table := write(t, "# comment\nbig one two # divided\ngone\n")
		var out strings.Builder
		losses, err := run(&out, old, profile(t, c.lines...)+","+profile(t, "keep/k.go 10 1"), table)
		if err != nil || losses != c.losses || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %d losses, %v; want %d and %q:\n%s", name, losses, err, c.losses, c.want, out.String())
		}
	}
}

func TestRefused(t *testing.T) {
	ok := profile(t, "a.go 10 1")
	for name, c := range map[string]struct{ old, now, table string }{
		"map names no old package": {ok, ok, "other a\n"},
		"map names no new package": {ok, ok, ". other\n"},
		"package is missing":       {profile(t, "a.go 10 1", "b/b.go 1 1"), ok, ""},
		"two lines":                {ok, ok, ". .\n. .\n"},
		"no profile":               {ok, write(t, "package p\n"), ""},
		"nothing ships":            {ok, profile(t, "tools/t.go 1 1"), ""},
		"no file":                  {ok, "nosuchfile", ""},
	} {
		var out strings.Builder
		if _, err := run(&out, c.old, c.now, write(t, c.table)); err == nil {
			t.Errorf("%s: accepted:\n%s", name, out.String())
		}
	}
}
