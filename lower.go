package blue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lowerCase returns the full lower-casing of Unicode's SpecialCasing.txt without
// its language-bound rules, as Rust's str::to_lowercase does: 'İ' becomes 'i'
// and U+0307, and 'Σ' at the end of a word becomes 'ς'. Every other character
// maps to one character.
func lowerCase(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for i, r := range s {
		switch r {
		case 'İ':
			b.WriteString("i\u0307")
		case 'Σ':
			b.WriteRune(lowerSigma(s[:i], s[i+len("Σ"):]))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// lowerSigma lowers a capital sigma by the condition Final_Sigma (Unicode
// Standard 3.13, Table 3-17): a cased letter comes before it and none after it,
// apart from case-ignorable characters.
func lowerSigma(before, after string) rune {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(before, isCaseIgnorable))
	next, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(after, isCaseIgnorable))
	if isCased(last) && !isCased(next) {
		return 'ς'
	}
	return 'σ'
}

// isCased reports Unicode's property Cased (definition D135).
func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// isCaseIgnorable reports Unicode's property Case_Ignorable (definition D136):
// some general categories, and the Word_Break classes MidLetter, MidNumLet and
// Single_Quote, which are the listed characters.
func isCaseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}
