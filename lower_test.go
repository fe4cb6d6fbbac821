package blue

import (
	"strings"
	"testing"
	"unicode"
)

func TestLowerCase(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"ASCII", "Hello", "hello"},
		{"dotted I", "İSTANBUL", "i\u0307stanbul"},
		{"final sigma", "ΑΣ", "ας"},
		{"sigma in the middle", "ΣΑΣΑ", "σασα"},
		{"alone", "Σ", "σ"},
		{"after a space", "Α Σ", "α σ"},
		{"two words", "ΟΔΟΣ ΟΔΟΣ", "οδος οδος"},
		{"before a full stop, which is case-ignorable", "ΑΣ.Α", "ασ.α"},
		{"before a full stop at the end", "ΑΣ.", "ας."},
		{"after a combining mark", "Α\u0301Σ", "α\u0301ς"},
		{"after a digit", "1Σ", "1σ"},
		{"before a digit", "ΑΣ1", "ας1"},
		{"behind an apostrophe alone", "'Σ", "'σ"},
		{"behind an apostrophe", "Α'Σ", "α'ς"},
		{"before a soft hyphen and a letter", "ΑΣ\u00adΑ", "ασ\u00adα"},
		{"double sigma", "ΑΣΣ", "ασς"},
		{"modifier letter is case-ignorable", "ΑʰΣ", "αʰς"},
		{"title case", "ǅ", "ǆ"},
		{"sharp s", "ẞ", "ß"},
		{"Cherokee", "\u13a0", "\uab70"},
	}
	for _, test := range tests {
		if got := slugLowerCase(test.in); got != test.want {
			t.Errorf("%s: lowerCase(%q) = %q, want %q", test.name, test.in, got, test.want)
		}
	}
}

// Every other character maps to one character, which stays.
func TestLowerCaseIsStable(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		lower := slugLowerCase(string(r))
		if again := slugLowerCase(lower); again != lower {
			t.Fatalf("%U: %q, then %q", r, lower, again)
		}
		if strings.ContainsAny(lower, "İΣ") {
			t.Fatalf("%U: %q", r, lower)
		}
	}
}
