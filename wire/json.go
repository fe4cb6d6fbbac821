package wire

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// MaxJSONBytes is the largest size of one JSON text from outside, in bytes: 16 MiB.
const MaxJSONBytes = 16 << 20

// maxDepth is the greatest number of objects and arrays inside each other.
const maxDepth = 1000

// A JSONError is the place and the reason of a refusal of a JSON text. It unwraps to
// blue.ErrInvalid and never repeats the text.
type JSONError struct {
	Offset int64  // number of bytes before the offending one
	Reason string // e.g. "duplicate key"
}

// Error returns the place and the reason.
func (e *JSONError) Error() string {
	return fmt.Sprintf("%v: not acceptable JSON at byte %d: %s", blue.ErrInvalid, e.Offset, e.Reason)
}

// Unwrap returns blue.ErrInvalid.
func (e *JSONError) Unwrap() error { return blue.ErrInvalid }

// StrictJSON checks that data is exactly one JSON value (RFC 8259) that every
// reader reads the same way. It returns a *JSONError for what encoding/json
// accepts and others do not: a byte order mark, invalid UTF-8, lone
// surrogates, two keys of one object that are equal or differ only by case
// (encoding/json ignores case), more than 1,000 levels, more than
// MaxJSONBytes. Of numbers it checks the syntax alone.
func StrictJSON(data []byte) error {
	if len(data) > MaxJSONBytes {
		return &JSONError{MaxJSONBytes, fmt.Sprintf("longer than %d bytes", MaxJSONBytes)}
	}
	s := scanner{data: data}
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

// A scanner reads one JSON text.
type scanner struct {
	data []byte
	at   int // bytes read
}

func (s *scanner) fail(at int, reason string) error { return &JSONError{int64(at), reason} }

func (s *scanner) space() {
	for s.at < len(s.data) && strings.IndexByte(" \t\n\r", s.data[s.at]) >= 0 {
		s.at++
	}
}

// peek returns the next byte after white space, or 0 at the end.
func (s *scanner) peek() byte {
	if s.space(); s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

var numberForm = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case s.at >= len(s.data):
		return s.fail(s.at, "the text ends where a value is due")
	case c == '{' || c == '[':
		if depth == maxDepth {
			return s.fail(s.at, fmt.Sprintf("more than %d levels deep", maxDepth))
		}
		return s.members(c == '{', depth+1)
	case c == '"':
		_, err := s.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.at:], []byte(word)) {
			s.at += len(word)
			return nil
		}
	}
	return s.fail(s.at, "a value is due")
}

func (s *scanner) number() error {
	start := s.at
	for s.at < len(s.data) && strings.IndexByte("+-.eE0123456789", s.data[s.at]) >= 0 {
		s.at++
	}
	if !numberForm.Match(s.data[start:s.at]) {
		return s.fail(start, "not a number")
	}
	return nil
}

// members reads an object or an array from its opening bracket on.
func (s *scanner) members(isObject bool, depth int) error {
	end := byte(']')
	if isObject {
		end = '}'
	}
	s.at++
	if s.peek() == end {
		s.at++
		return nil
	}
	keys := map[string]string{} // folded key → key
	for {
		if isObject {
			if err := s.key(keys); err != nil {
				return err
			}
		}
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case end:
			s.at++
			return nil
		default:
			return s.fail(s.at, fmt.Sprintf("',' or '%c' is due", end))
		}
	}
}

// key reads a key and its colon. keys are the object's keys so far.
func (s *scanner) key(keys map[string]string) error {
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
	return nil
}

// text reads a string and returns it decoded.
func (s *scanner) text() (string, error) {
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

// escape reads one escaped character, with both halves of a surrogate pair.
func (s *scanner) escape() (rune, error) {
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
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, _ := s.unit()
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, s.fail(start, "a lone surrogate")
	}
	return r, nil
}

// unit reads \uXXXX.
func (s *scanner) unit() (rune, bool) {
	rest := s.data[s.at:]
	if len(rest) < len(`\uXXXX`) || rest[0] != '\\' || rest[1] != 'u' {
		return 0, false
	}
	r, err := strconv.ParseUint(string(rest[2:6]), 16, 16)
	s.at += 6
	return rune(r), err == nil
}

// foldKey maps keys that differ only by case to one text: each character to
// the smallest of those with the same simple case folding.
func foldKey(key string) string {
	return strings.Map(func(r rune) rune {
		least := rune(math.MaxInt32)
		for f, first := r, true; first || f != r; f, first = unicode.SimpleFold(f), false {
			least = min(least, f)
		}
		return least
	}, key)
}
