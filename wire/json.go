package wire

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// Limits of JSON that comes from outside.
const (
	MaxJSONBytes = 16 << 20 // size of one text in bytes
	MaxJSONDepth = 1000     // objects and arrays inside each other
)

// JSONError says where a JSON text is not acceptable. It unwraps to
// ErrInvalid, and never repeats the text.
type JSONError struct {
	Offset int64  // bytes before the offending one
	Reason string // e.g. `duplicate key`
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("%v: not acceptable JSON at byte %d: %s", blue.ErrInvalid, e.Offset, e.Reason)
}

func (e *JSONError) Unwrap() error { return blue.ErrInvalid }

// StrictJSON checks that data is exactly one JSON value (RFC 8259), read the
// same by every reader. It refuses, with a *JSONError, what encoding/json
// lets through: a byte order mark, invalid UTF-8, lone surrogates, two keys
// of one object that are equal or differ only by case (encoding/json matches
// without regard to case), more than MaxJSONDepth levels, more than
// MaxJSONBytes. Numbers are checked for syntax alone.
func StrictJSON(data []byte) error {
	if len(data) > MaxJSONBytes {
		return &JSONError{MaxJSONBytes, fmt.Sprintf("longer than %d bytes", MaxJSONBytes)}
	}
	s := strict{data: data}
	if strings.HasPrefix(string(data[:min(3, len(data))]), "\ufeff") {
		return s.fail(0, "a byte order mark; the text must be plain UTF-8")
	}
	if err := s.value(0); err != nil {
		return err
	}
	if s.space(); s.at < len(data) {
		return s.fail(s.at, "more text after the value")
	}
	return nil
}

// strict is a scanner over one JSON text.
type strict struct {
	data []byte
	at   int // bytes read
}

func (s *strict) fail(at int, reason string) error { return &JSONError{int64(at), reason} }

func (s *strict) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the next byte after white space, or 0 at the end.
func (s *strict) peek() byte {
	if s.space(); s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *strict) value(depth int) error {
	switch c := s.peek(); {
	case s.at >= len(s.data):
		return s.fail(s.at, "the text ends where a value is due")
	case c == '{' || c == '[':
		if depth == MaxJSONDepth {
			return s.fail(s.at, fmt.Sprintf("more than %d levels deep", MaxJSONDepth))
		}
		if c == '{' {
			return s.object(depth + 1)
		}
		return s.array(depth + 1)
	case c == '"':
		_, err := s.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	default:
		return s.literal()
	}
}

func (s *strict) object(depth int) error {
	s.at++ // {
	if s.peek() == '}' {
		s.at++
		return nil
	}
	keys := map[string]string{} // folded key → key
	for {
		if s.peek() != '"' {
			return s.fail(s.at, "a key in double quotes is due")
		}
		start := s.at
		key, err := s.text()
		if err != nil {
			return err
		}
		if other, ok := keys[foldKey(key)]; ok {
			if other == key {
				return s.fail(start, "duplicate key")
			}
			return s.fail(start, "a key that differs from another only by case")
		}
		keys[foldKey(key)] = key
		if s.peek() != ':' {
			return s.fail(s.at, "':' is due")
		}
		s.at++
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return nil
		default:
			return s.fail(s.at, "',' or '}' is due")
		}
	}
}

func (s *strict) array(depth int) error {
	s.at++ // [
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			return nil
		default:
			return s.fail(s.at, "',' or ']' is due")
		}
	}
}

// text reads a string and returns it decoded.
func (s *strict) text() (string, error) {
	s.at++ // "
	var b strings.Builder
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return b.String(), nil
		case c < ' ':
			return "", s.fail(s.at, "a control character in a string")
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		default:
			r, size := utf8.DecodeRune(s.data[s.at:])
			if r == utf8.RuneError && size == 1 {
				return "", s.fail(s.at, "invalid UTF-8")
			}
			b.WriteRune(r)
			s.at += size
		}
	}
	return "", s.fail(s.at, "the text ends inside a string")
}

const (
	highSurrogate = 0xd800
	lowSurrogate  = 0xdc00
	surrogateEnd  = 0xe000
)

// escape reads one escaped character, a surrogate pair included.
func (s *strict) escape() (rune, error) {
	start := s.at
	if start+1 >= len(s.data) {
		return 0, s.fail(start, "the text ends inside a string")
	}
	const short, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if i := strings.IndexByte(short, s.data[start+1]); i >= 0 {
		s.at += 2
		return rune(meant[i]), nil
	}
	r, ok := s.unit()
	if !ok {
		return 0, s.fail(start, "an unknown escape")
	}
	if r < highSurrogate || r >= surrogateEnd {
		return r, nil
	}
	low, ok := s.unit()
	if r >= lowSurrogate || !ok || low < lowSurrogate || low >= surrogateEnd {
		return 0, s.fail(start, "a lone surrogate")
	}
	return (r-highSurrogate)<<10 + (low - lowSurrogate) + 0x10000, nil
}

// unit reads \uXXXX.
func (s *strict) unit() (rune, bool) {
	const length = len(`\uXXXX`)
	if s.at+length > len(s.data) || s.data[s.at] != '\\' || s.data[s.at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.at+2 : s.at+length] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	s.at += length
	return r, true
}

func (s *strict) number() error {
	start := s.at
	s.accept('-', '-')
	switch {
	case s.accept('0', '0'):
	case s.digits():
	default:
		return s.fail(start, "not a number")
	}
	if s.accept('.', '.') && !s.digits() {
		return s.fail(start, "not a number")
	}
	if s.accept('e', 'e') || s.accept('E', 'E') {
		_ = s.accept('+', '+') || s.accept('-', '-')
		if !s.digits() {
			return s.fail(start, "not a number")
		}
	}
	return nil
}

// accept takes the next byte if it lies from low to high.
func (s *strict) accept(low, high byte) bool {
	if s.at < len(s.data) && s.data[s.at] >= low && s.data[s.at] <= high {
		s.at++
		return true
	}
	return false
}

// digits takes one digit or more.
func (s *strict) digits() bool {
	start := s.at
	for s.accept('0', '9') {
	}
	return s.at > start
}

func (s *strict) literal() error {
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(string(s.data[s.at:min(s.at+len(word), len(s.data))]), word) {
			s.at += len(word)
			return nil
		}
	}
	return s.fail(s.at, "a value is due")
}

// foldKey maps keys that differ only by case to one text: each character to
// the smallest of those it is simply case-folded with.
func foldKey(key string) string {
	return strings.Map(func(r rune) rune {
		least := rune(math.MaxInt32)
		for f, first := r, true; first || f != r; f, first = unicode.SimpleFold(f), false {
			least = min(least, f)
		}
		return least
	}, key)
}
