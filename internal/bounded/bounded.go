// Package bounded keeps values within limits: foreign text that goes into a
// message, and sums of the numbers that a judge states.
//
// Limits of what may be stored are in package record.
package bounded

import (
	"math"
	"unicode/utf8"
)

// Text returns at most the first 80 bytes of a text, cut between characters
// and then marked with an ellipsis.
func Text(s string) string { return Cut(s, 80, "…") }

// Cut returns a text of at most the given length in bytes unchanged. It cuts a
// longer one between characters and appends the mark.
func Cut(s string, most int, mark string) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + mark
}

// Sum returns a + b, or the nearest end of int64 where that would wrap (SPEC
// §13, bug 12).
func Sum(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}
