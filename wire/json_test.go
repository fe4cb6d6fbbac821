package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

func TestStrictJSONTakes(t *testing.T) {
	for _, good := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `""`, `0`, `-0`, `1.5e-7`, `1E+9`, `1e400`, " \t\r\n[1, 2 ,3]\n", `{"a":{"b":[]},"b":1}`,
		`"\ud83e\uddc1"`, `"\u0000"`, `"\"\\\/\b\f\n\r\t"`, `"ünï 日本 🧁"`, `{"a":1,"á":2}`, `[{"a":1},{"a":2}]`, `{"":1}`, `"\uFFFF"`, `"\uffFd"`,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	} {
		if err := StrictJSON([]byte(good)); err != nil {
			t.Errorf("%.40s: %v", good, err)
		}
		if !json.Valid([]byte(good)) {
			t.Errorf("%.40s is not JSON", good)
		}
	}
}

func TestStrictJSONRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		offset   int64
		reason   string
	}{
		{"empty", "", 0, "ends"},
		{"white space", "  ", 2, "ends"},
		{"trailing garbage", `{} x`, 3, "more text"},
		{"two values", `1 2`, 2, "more text"},
		{"byte order mark", "\ufeff{}", 0, "byte order mark"},
		{"UTF-16", "\xff\xfe{\x00}\x00", 0, "value"},
		{"bad UTF-8 in a text", "\"a\xffb\"", 2, "UTF-8"},
		{"cut character", "\"\xc3", 1, "UTF-8"},
		{"overlong", "\"\xc0\x80\"", 1, "UTF-8"},
		{"encoded surrogate", "\"\xed\xa0\x80\"", 1, "UTF-8"},
		{"lone high surrogate", `"a\ud800"`, 2, "surrogate"},
		{"lone low surrogate", `"\udc00"`, 1, "surrogate"},
		{"two low surrogates", `"\udc00\udc00"`, 1, "surrogate"},
		{"two high surrogates", `"\ud800\ud800"`, 1, "surrogate"},
		{"high surrogate and text", `"\ud800xyzabc"`, 1, "surrogate"},
		{"duplicate key", `{"a":1,"b":2,"a":3}`, 13, "duplicate"},
		{"duplicate key, escaped", `{"a":1,"\u0061":3}`, 7, "duplicate"},
		{"duplicate key, inside", `[{"x":{"a":1,"a":2}}]`, 13, "duplicate"},
		{"keys by case", `{"score":1,"Score":2}`, 11, "case"},
		{"keys by case, Kelvin sign", `{"k":1,"` + "\u212a" + `":2}`, 7, "case"},
		{"keys by case, long s", `{"score":1,"` + "\u017f" + `core":2}`, 11, "case"},
		{"NaN", `NaN`, 0, "value"},
		{"Infinity", `[-Infinity]`, 1, "number"},
		{"leading zero", `01`, 0, "number"},
		{"plus", `+1`, 0, "value"},
		{"bare point", `1.`, 0, "number"},
		{"bare exponent", `[1e]`, 1, "number"},
		{"hex", `0x10`, 1, "more text"},
		{"comma at the end", `[1,]`, 3, "value"},
		{"comma at the end of an object", `{"a":1,}`, 7, "key"},
		{"no colon", `{"a" 1}`, 5, "':'"},
		{"no comma", `[1 2]`, 3, "','"},
		{"single quotes", `{'a':1}`, 1, "key"},
		{"comment", `/**/1`, 0, "value"},
		{"newline in a text", "\"a\nb\"", 2, "control"},
		{"unknown escape", `"\x"`, 1, "escape"},
		{"half an escape", `"\`, 1, "ends"},
		{"short escape", `"\u12"`, 1, "escape"},
		{"bad hex", `"\u12G4"`, 1, "escape"},
		{"open text", `"abc`, 4, "ends"},
		{"open array", `[1`, 2, "','"},
		{"open object", `{"a":`, 5, "ends"},
		{"too deep", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), maxDepth, "deep"},
		{"far too deep", strings.Repeat(`{"a":`, 3_000_000), maxDepth * 5, "deep"},
		{"too long", strings.Repeat(" ", MaxJSONBytes) + "1", MaxJSONBytes, "longer"},
	}
	for _, test := range tests {
		err := StrictJSON([]byte(test.in))
		var e *JSONError
		if !errors.As(err, &e) || !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if e.Offset != test.offset || !strings.Contains(e.Reason, test.reason) {
			t.Errorf("%s: byte %d, %q; want byte %d, %q", test.name, e.Offset, e.Reason, test.offset, test.reason)
		}
	}
}

// The message holds the place, and no part of the text.
func TestJSONErrorMessage(t *testing.T) {
	err := StrictJSON([]byte(`{"secret":1,"secret":2}`))
	if got, want := err.Error(), "invalid input: not acceptable JSON at byte 12: duplicate key"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzStrictJSON compares with encoding/json. A text that StrictJSON accepts
// must be valid there, and a text that is malformed there must be refused here.
func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{
		`{"score":1,"Score":2}`, `"\ud800"`, "\ufeff{}", `[1,]`, `{"a":{"a":[1.5e3,null,true]}}`, "\"\xff\"", `"\ud83e\uddc1"`, `1e`, `[[[]]]`, ` 0`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := StrictJSON(data)
		if valid := json.Valid(data); err == nil && !valid {
			t.Fatalf("%q was taken", data)
		}
		if err == nil {
			return
		}
		var e *JSONError
		if !errors.As(err, &e) || e.Offset < 0 || e.Offset > int64(len(data)) {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
