package view

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

// unquoteDOT reads one quoted string as Graphviz does: its lexer, then
// escString, then the entities of a label. It is strict: anything after the
// closing quote, a raw control character or an unknown escape is an error.
func unquoteDOT(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' {
		return "", fmt.Errorf("no opening quote: %q", s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if i != len(s)-1 {
				return "", fmt.Errorf("text after the closing quote: %q", s[i:])
			}
			return html.UnescapeString(b.String()), nil
		case c == '\\':
			i++
			if i == len(s) {
				return "", fmt.Errorf("ends in a backslash: %q", s)
			}
			switch s[i] {
			case '\\', '"':
				b.WriteByte(s[i])
			case 'n':
				b.WriteByte('\n')
			default:
				return "", fmt.Errorf("escape \\%c", s[i])
			}
		case c < 0x20 || c == 0x7f:
			return "", fmt.Errorf("raw control character %#x", c)
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("no closing quote: %q", s)
}

func FuzzDOTQuote(f *testing.F) {
	for _, s := range []string{"", `"`, `\`, `\"`, `a\`, "a\nb", "a\r\nb", `\N \G \l`, "&lt; & &amp;amp;", "日本語 🧁", "\x00\x1b[0m", "\xff\xfe", "\u202e\u2028", "]; evil [label=\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := unquoteDOT(dotQuote(s))
		if err != nil {
			t.Fatalf("%q became %s: %v", s, dotQuote(s), err)
		}
		want := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
		for i, l := range want {
			want[i] = display.OneLine(l)
		}
		if w := strings.Join(want, "\n"); got != w {
			t.Errorf("%q came back as %q, want %q", s, got, w)
		}
		if plain := !strings.ContainsFunc(s, func(r rune) bool { return display.OneLine(string(r)) != string(r) }) && utf8.ValidString(s); plain && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}

// harmless is what a terminal may be shown.
func harmless(r rune) bool {
	return r == '\n' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r)
}

func FuzzTextIsPrintable(f *testing.F) {
	f.Add("\x1b]0;owned\x07", "\x9b31m", 3)
	f.Add("\u009b31m\x7f", "\u0085", 0)
	f.Add("a\r\nb\tc", "\u202eevil", 0)
	f.Add("\xff", "\xc2", 1)
	f.Fuzz(func(t *testing.T, label, status string, width int) {
		s := &blue.Snapshot{Verdicts: []*blue.Verdict{{ID: blue.VerdictID(label), Type: blue.VerdictType(status), CreatedAt: at(9)}}}
		put(t, s, "T0001", label, status, "support P0001", 0)
		put(t, s, "R0001", label, status, "address T0001", 0)
		s.Tensions()[0].References[0].Type = blue.RefType(label)
		s.Recommendations()[0].AdoptedInVerdict = blue.VerdictID(label)
		var b bytes.Buffer
		if err := NewGraph(s).WriteText(&b, width); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return !harmless(r) }); i >= 0 {
			t.Errorf("a control character at %d of %q", i, b.String())
		}
		if !utf8.Valid(b.Bytes()) {
			t.Errorf("broken UTF-8: %q", b.String())
		}
		if lines := strings.Count(b.String(), "\n"); lines < 5 || lines > 12 {
			t.Errorf("a label made %d lines", lines)
		}
	})
}

func TestLabelWidth(t *testing.T) {
	for width, want := range map[int]string{0: "日本語 labels", 30: "日本語 labels", 10: "日本語 labels", 9: "日本語 labe…", 1: "…"} {
		if got := display.Shorten("日本語 labels", width); got != want {
			t.Errorf("%d: got %q, want %q", width, got, want)
		}
	}
}
