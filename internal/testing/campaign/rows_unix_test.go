//go:build unix

package campaign

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRows runs rows of the list of bad inputs that need a separate process or
// much data. The other rows are in cmd/blue-store.
func TestRows(t *testing.T) {
	register := []string{"dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", "-"}
	million := func(one string) string { return strings.TrimSuffix(strings.Repeat(one+",", 1_000_000), ",") }
	for _, c := range []struct {
		name   string
		stdin  string
		shell  string
		code   int
		stderr string
	}{
		{"stdin-closed", "", "exec <&-", 2, "not acceptable JSON at byte 0"},
		{"stdin-a-folder", "", "exec </", 2, "standard input cannot be read"},
		{"million-and-cut-short", `{"score":1,"x":[` + million(`1`), "", 2, "not acceptable JSON at byte 2000015"},
		{"million-contributors", `{"score":1,"claims":[{"label":"L","content":"C","contributors":[` + million(`"Muffin"`) + `]}]}`, "", 2, "too large"},
		{"reference-to-another-kind", `{"score":1,"claims":[{"label":"L","content":"C","references":[{"type":"resolve","target":"P0001"}]}]}`, "", 4, "validation failed"},
		{"reference-of-no-form", `{"score":1,"claims":[{"label":"L","content":"C","references":[{"type":"support","target":"nobody"}]}]}`, "", 4, "validation failed"},
		{"100-of-a-kind", `{"score":1,"claims":[` + strings.TrimSuffix(strings.Repeat(`{"label":"L","content":"C"},`, 100), ",") + `]}`, "", 4, "validation failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newMachine(t)
			w.must("dialogue", "create", "One two")
			before := files(t, w.home)
			if c.shell != "" {
				w.inShell(c.shell)
			}
			r := w.runWith(c.stdin, nil, register...)
			if r.code != c.code || !strings.Contains(r.stderr, c.stderr) {
				t.Errorf("exit code %d, want %d with %q: %.500s", r.code, c.code, c.stderr, r.stderr)
			}
			if c.name != "million-contributors" { // this one is found too large after the dialogue was read
				unchanged(t, before, files(t, w.home))
			}
			if v := w.verify("one-two"); v.Dialogues[0].Items != 1 {
				t.Errorf("%d items", v.Dialogues[0].Items)
			}
		})
	}
}

// TestCycles stores references to the entity itself, to a missing entity, and in
// a cycle. The schema allows them, and no command hangs.
func TestCycles(t *testing.T) {
	w := newMachine(t)
	w.must("dialogue", "create", "One two")
	claim := func(target string) string {
		return fmt.Sprintf(`{"label":"L","content":"C","references":[{"type":"support","target":%q}]}`, target)
	}
	w.must("dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data",
		`{"score":1,"claims":[`+strings.Join([]string{claim("C0001"), claim("C0003"), claim("C0002"), claim("P0077")}, ",")+`]}`)
	w.verify("--all")
	for _, args := range [][]string{{"show", "one-two"}, {"show", "one-two", "C0002"}, {"graph", "one-two", "--format", "text"}, {"export", "one-two", "--output", filepath.Join(w.dir, "out.json")}} {
		w.must(args...)
	}
	if out := w.must("graph", "one-two", "--format", "json"); !strings.Contains(out, "C0003") || !strings.Contains(out, "P0077") {
		t.Errorf("the graph lacks an end of a reference: %s", out)
	}
}

// TestFreshness replaces the freshness record by one ahead of the store or by
// one from another store.
func TestFreshness(t *testing.T) {
	w, other := newMachine(t), newMachine(t)
	for _, x := range []*machine{w, other} {
		x.must("dialogue", "create", "One two")
		x.must("dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`)
	}
	path := w.freshnessRecord(t)
	own, err := os.ReadFile(path)
	check(t, err)
	others, err := os.ReadFile(other.freshnessRecord(t))
	check(t, err)
	for name, text := range map[string]string{
		"ahead":            strings.Replace(string(own), `"version":2`, `"version":3`, 1),
		"of another store": string(others),
	} {
		if text == string(own) {
			t.Fatalf("%s: the freshness record did not change: %s", name, text)
		}
		put(t, path, []byte(text))
		if r := w.run("show", "one-two"); r.code != 7 || r.stdout != "" || !strings.Contains(r.stderr, "--accept-rollback") {
			t.Errorf("%s: exit code %d: %s", name, r.code, r.stderr)
		}
		w.must("show", "one-two", "--accept-rollback")
	}
	put(t, path, own)
	w.must("show", "one-two")
}

// freshnessRecord returns the path of the only freshness record.
func (w *machine) freshnessRecord(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.home, "heads", "*", "*.json"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0]
}
