package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// appendValue appends a value as serde_json's pretty printer writes it.
// encoding/json escapes U+2028 and drops the ".0" of a whole float.
func appendValue(b []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case blue.Round:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return append(b, blue.Decimal(v).String()...)
	case json.Number:
		return appendNumber(b, v)
	case string:
		return appendString(b, v)
	case []any:
		return appendList(b, v, depth)
	case map[string]any:
		return appendObject(b, v, depth)
	}
	panic(fmt.Sprintf("view: a value of type %T", v))
}

func appendList(b []byte, l []any, depth int) []byte {
	if len(l) == 0 {
		return append(b, "[]"...)
	}
	b = append(b, '[')
	for i, v := range l {
		b = appendValue(appendBreak(b, i > 0, depth+1), v, depth+1)
	}
	return append(appendBreak(b, false, depth), ']')
}

func appendObject(b []byte, o map[string]any, depth int) []byte {
	if len(o) == 0 {
		return append(b, "{}"...)
	}
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(o)) {
		b = append(appendString(appendBreak(b, i > 0, depth+1), name), ": "...)
		b = appendValue(b, o[name], depth+1)
	}
	return append(appendBreak(b, false, depth), '}')
}

// appendBreak begins a line. A comma ends the member before it.
func appendBreak(b []byte, hasComma bool, depth int) []byte {
	if hasComma {
		b = append(b, ',')
	}
	return append(b, "\n"+strings.Repeat("  ", depth)...)
}

// escapes maps control characters to serde_json's names. The others below
// U+0020 are \u00 and two lower-case digits. DEL, C1 and U+2028 are not escaped.
var escapes = map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// appendString appends a quoted string. A broken byte becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s)) // ToValidUTF8 would make one U+FFFD of several bytes
	}
	b = append(b, '"')
	for i := range len(s) {
		c := s[i]
		if name, ok := escapes[c]; ok {
			b = append(b, '\\', name)
		} else if c < 0x20 {
			b = fmt.Appendf(b, `\u%04x`, c)
		} else {
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendNumber appends a number of a stored any-JSON member as serde_json does:
// an integer of 64 bits as it is, any other number as a float. A number that no
// float can hold stays as written.
func appendNumber(b []byte, n json.Number) []byte {
	text := string(n)
	if text != "-0" {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return strconv.AppendInt(b, i, 10)
		}
		if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			return strconv.AppendUint(b, u, 10)
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return append(b, text...)
	}
	return append(b, blue.Decimal(f).String()...)
}

// parseAny reads one JSON value. Numbers stay as written.
func parseAny(raw []byte) (v any, err error) {
	if !json.Valid(raw) {
		return nil, errors.New("not one JSON value")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}
