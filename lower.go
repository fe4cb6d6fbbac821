package blue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lowerCase is the full lower-casing of Unicode's SpecialCasing.txt without
// its language-bound rules, as Rust's str::to_lowercase does it: 'İ' becomes
// 'i' and U+0307, and 'Σ' at the end of a word becomes 'ς'. Every other
// character maps to one character.
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
			b.WriteRune(sigma(s[:i], s[i+len("Σ"):]))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// sigma lower-cases a capital sigma by the condition Final_Sigma (Unicode
// Standard 3.13, Table 3-17): a cased letter stands before it and none after
// it, looking past case-ignorable characters.
func sigma(before, after string) rune {
	if casedBefore(before) && !casedAfter(after) {
		return 'ς'
	}
	return 'σ'
}

func casedBefore(s string) bool {
	for s != "" {
		r, size := utf8.DecodeLastRuneInString(s)
		if !caseIgnorable(r) {
			return cased(r)
		}
		s = s[:len(s)-size]
	}
	return false
}

func casedAfter(s string) bool {
	for _, r := range s {
		if !caseIgnorable(r) {
			return cased(r)
		}
	}
	return false
}

// cased is Unicode's property Cased (definition D135).
func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable is Unicode's property Case_Ignorable (definition D136): some
// general categories, and the Word_Break classes MidLetter, MidNumLet and
// Single_Quote, which are the characters listed.
func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}
