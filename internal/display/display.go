// Package display prepares texts of a dialogue for a terminal or a drawing.
package display

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsControl reports whether a terminal could interpret a character as a control
// character (C0, DEL and C1, so each start of an ANSI escape) or as a bidirectional
// control. Joiners are not controls, because emoji need them.
func IsControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// Printable replaces each control except newline and tab, and each byte that is not
// UTF-8, by U+FFFD.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && IsControl(r) {
			return utf8.RuneError
		}
		return r // strings.Map passes a byte that is not UTF-8 as U+FFFD
	}, s)
}

// OneLine is Printable for a text that must stay on one line, such as a label. A line
// break in it could imitate another line of the output. Line breaks and tabs become
// spaces.
func OneLine(s string) string {
	return Printable(strings.Map(func(r rune) rune {
		if strings.ContainsRune("\n\r\t\u2028\u2029", r) {
			return ' '
		}
		return r
	}, s))
}

// Shorten cuts a text to at most n characters, of which the last one is then an
// ellipsis. 0 means no limit.
func Shorten(s string, n int) string {
	if n <= 0 || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// Join joins the texts of values.
func Join[T any](values []T, separator string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, separator)
}

// Count returns a number and its noun, such as "1 item" or "3 items". The plural of
// the noun must end in a plain s.
func Count[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}
