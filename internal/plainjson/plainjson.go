// Package plainjson writes JSON without the escapes for HTML, as other languages
// write it.
package plainjson

import (
	"bytes"
	"encoding/json"
)

// Marshal is json.Marshal without the escaping of '<', '>' and '&'.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
