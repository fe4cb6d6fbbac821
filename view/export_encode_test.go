package view

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// TestAppendValue: expectations are serde_json's, as its documentation and
// Blue's recorded exports show them.
func TestAppendValue(t *testing.T) {
	tests := []struct {
		value any
		want  string
	}{
		{nil, "null"},
		{true, "true"},
		{int64(-9223372036854775808), "-9223372036854775808"},
		{0.0, "0.0"},
		{math.Copysign(0, -1), "-0.0"},
		{100.0, "100.0"},
		{250.0, "250.0"},
		{200.0 / 3, "66.66666666666667"},
		{0.95, "0.95"},
		{1e-5, "0.00001"},
		{1.5e-6, "1.5e-6"},
		{1e15, "1000000000000000.0"},
		{1e16, "1e16"},
		{-1.25e300, "-1.25e300"},
		{json.Number("1.50"), "1.5"},
		{json.Number("1e3"), "1000.0"},
		{json.Number("-0"), "-0.0"},
		{json.Number("18446744073709551615"), "18446744073709551615"},
		{json.Number("18446744073709551616"), "1.8446744073709552e19"},
		{json.Number("1e999"), "1e999"},
		{"", `""`},
		{`"\/`, `"\"\\/"`},
		{"\x00\x01\b\t\n\v\f\r\x1f\x7f", "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\x7f\""},
		{"<&>\u2028\u2029\u0085é日🧁", "\"<&>\u2028\u2029\u0085é日🧁\""},
		{"a\xffb\xc3", "\"a\ufffdb\ufffd\""},
		{[]any{}, "[]"},
		{map[string]any{}, "{}"},
		{[]any{int64(1), []any{}, map[string]any{"b": nil, "a": []any{"x"}}},
			"[\n  1,\n  [],\n  {\n    \"a\": [\n      \"x\"\n    ],\n    \"b\": null\n  }\n]"},
		{map[string]any{"10": int64(1), "2": int64(2), "é": int64(3), "Z": int64(4), "a": int64(5)},
			"{\n  \"10\": 1,\n  \"2\": 2,\n  \"Z\": 4,\n  \"a\": 5,\n  \"é\": 3\n}"},
	}
	for _, tt := range tests {
		if got := string(appendValue(nil, tt.value, 0)); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.value, got, tt.want)
		}
	}
}

// TestBluesBytes: Blue's own exports, read and written again, are the same
// bytes.
func TestBluesBytes(t *testing.T) {
	for _, name := range dialogues {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(fixtures.Dialogue(t, name, "export.json"))
			if err != nil {
				t.Fatal(err)
			}
			v, err := parseAny(want)
			if err != nil {
				t.Fatal(err)
			}
			if got := appendValue(nil, v, 0); !bytes.Equal(got, want) {
				t.Errorf("%d bytes became %d: %s", len(want), len(got), firstDifference(got, want))
			}
		})
	}
}

func firstDifference(a, b []byte) string {
	as, bs := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i] + " / " + bs[i]
		}
	}
	return "one is longer"
}

// FuzzString: what is written reads back.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "\x00\x1f\"\\", "日本語\u2028", "\xff", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := appendString(nil, s)
		var got string
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatalf("%q became %s: %v", s, written, err)
		}
		if want := string([]rune(s)); got != want || !utf8.Valid(written) {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}

func TestParseAny(t *testing.T) {
	for _, bad := range []string{"", "{", "1 2", "{}x", "NaN", "\"\x01\""} {
		if v, err := parseAny([]byte(bad)); err == nil {
			t.Errorf("%q read as %v", bad, v)
		}
	}
}
