package graph

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable makes one line of foreign text that does nothing to a terminal or
// to a drawing: line breaks and tabs become spaces; every other control
// character (C0, DEL, C1, so each way to begin an ANSI escape), each bidi
// control and each broken byte becomes U+FFFD. Joiners stay, emoji need them.
func printable(s string) string { return strings.Map(printableRune, s) }

func printableRune(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
		return utf8.RuneError
	}
	return r // a broken byte arrives here as U+FFFD already
}

// clip cuts a text to at most the number of characters, the last then being
// an ellipsis; 0 means no limit.
func clip(s string, most int) string {
	if most <= 0 || utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return string(runes[:most-1]) + "…"
}
