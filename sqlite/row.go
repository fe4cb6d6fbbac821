package sqlite

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/superviber/blue-encrypted-store/record"
)

// encode returns the columns attrs and blobs of a record (schema.sql). decode restores
// the record exactly. Integers are written in full. In strings only '"', '\' and the
// control characters are escaped, as JSON requires.
func encode(r record.Record) (text string, blobs []byte) {
	object := []byte{'{'}
	blobs = []byte{} // not nil, which is NULL in SQL
	for _, name := range r.Names() {
		v := r.Attrs[name]
		if v.Type() == record.Bytes {
			blobs = appendLP(appendLP(blobs, []byte(name)), v.Bin())
			continue
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(appendText(object, name), ':')
		switch v.Type() {
		case record.Number:
			object = strconv.AppendInt(object, v.Int(), 10)
		case record.Bool:
			object = strconv.AppendBool(object, v.True())
		default:
			object = appendText(object, v.Str())
		}
	}
	return string(append(object, '}')), blobs
}

// appendLP appends the length of x as 8 bytes big-endian, and x.
func appendLP(b, x []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(x))), x...)
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// decode reverses encode. It returns nil for columns that encode does not return. The
// values share memory with text and blobs.
func decode(text string, blobs []byte) record.Attrs {
	attrs := record.Attrs{}
	if !json.Valid([]byte(text)) || !decodeObject(attrs, text) {
		return nil
	}
	last := ""
	for len(blobs) > 0 {
		name, rest, hasName := cutLP(blobs)
		value, rest, hasValue := cutLP(rest)
		_, isDuplicate := attrs[string(name)]
		if !hasName || !hasValue || isDuplicate || string(name) <= last {
			return nil
		}
		last, blobs = string(name), rest
		attrs[last] = record.B(value)
	}
	if len(attrs) == 0 {
		return nil
	}
	return attrs
}

// cutLP cuts one element of appendLP off the start of b. An append to the element does
// not change the rest.
func cutLP(b []byte) (x, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint64(b)
	if n > uint64(len(b)-8) {
		return nil, nil, false
	}
	return slices.Clip(b[8 : 8+n]), b[8+n:], true
}

// decodeObject reads a flat object from valid JSON. This is faster than package json,
// and a query spends half of its time here.
func decodeObject(attrs record.Attrs, text string) bool {
	next, rest := cutToken(text)
	if next != "{" {
		return false
	}
	for {
		name, after := cutToken(rest)
		if name == "}" {
			return true
		}
		if name == "," {
			name, after = cutToken(after)
		}
		_, after = cutToken(after) // the colon
		var raw string
		raw, rest = cutToken(after)
		key, ok := unquote(name)
		if !ok {
			return false
		}
		if attrs[key], ok = decodeValue(raw); !ok {
			return false
		}
	}
}

// cutToken cuts the first token off valid JSON.
func cutToken(text string) (token, rest string) {
	text = strings.TrimLeft(text, " \t\r\n")
	end := 1
	switch text[0] {
	case '{', '}', '[', ']', ':', ',':
	case '"':
		for ; text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		end++
	default:
		if end = strings.IndexAny(text, ",}] \t\r\n"); end < 0 {
			end = len(text)
		}
	}
	return text[:end], text[end:]
}

// unquote decodes a JSON string.
func unquote(raw string) (string, bool) {
	if !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1], true
	}
	var s string // not a named result, which would be allocated in each call
	err := json.Unmarshal([]byte(raw), &s)
	return s, err == nil
}

func decodeValue(raw string) (record.Value, bool) {
	switch raw[0] {
	case '"':
		s, ok := unquote(raw)
		return record.S(s), ok
	case 't', 'f':
		return record.T(raw == "true"), true
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	return record.N(n), err == nil && strconv.FormatInt(n, 10) == raw
}
