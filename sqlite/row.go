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

// encode returns the columns attrs and blobs of a record (schema.sql). It is
// exactly invertible: an integer is written in full, and a string as it is but
// for '"', '\' and the control characters, which JSON wants escaped.
func encode(r record.Record) (text string, blobs []byte) {
	object := []byte{'{'}
	blobs = []byte{} // not nil, which SQL would take for NULL
	for _, name := range r.Names() {
		v := r.Attrs[name]
		if v.Type() == record.Bytes {
			blobs = appendLP(blobs, []byte(name))
			blobs = appendLP(blobs, v.Bin())
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

// appendLP appends the 8-byte big-endian length of x, and x.
func appendLP(b, x []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(x))), x...)
}

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

// decode reverses encode. It reports false for columns that are not the form
// of a record. The values keep parts of text and blobs.
func decode(text string, blobs []byte) (record.Attrs, bool) {
	attrs := record.Attrs{}
	if !json.Valid([]byte(text)) || !decodeObject(attrs, text) {
		return nil, false
	}
	last := ""
	for len(blobs) > 0 {
		var name, value []byte
		var ok bool
		if name, blobs, ok = cutLP(blobs); !ok {
			return nil, false
		}
		if value, blobs, ok = cutLP(blobs); !ok {
			return nil, false
		}
		if _, twice := attrs[string(name)]; twice || string(name) <= last {
			return nil, false
		}
		last = string(name)
		attrs[last] = record.B(value)
	}
	return attrs, len(attrs) > 0
}

// cutLP takes one length-prefixed piece off the front. The piece cannot be
// appended to in place.
func cutLP(b []byte) (x, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint64(b)
	if n > uint64(len(b)-8) {
		return nil, nil, false
	}
	x, rest = b[8:8+n], b[8+n:]
	return slices.Clip(x), rest, true
}

// decodeObject reads the flat object of a text that is valid JSON.
func decodeObject(attrs record.Attrs, text string) bool {
	next, rest := token(text)
	if next != "{" {
		return false
	}
	for {
		name, after := token(rest)
		if name == "}" {
			return true
		}
		if name == "," {
			name, after = token(after)
		}
		_, after = token(after) // the colon
		var raw string
		raw, rest = token(after)
		key, ok := unquote(name)
		if !ok {
			return false
		}
		if attrs[key], ok = decodeValue(raw); !ok {
			return false
		}
	}
}

// token cuts the first token off a text that is valid JSON.
func token(text string) (tok, rest string) {
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
	var s string
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
