package sqlite

import (
	"encoding/hex"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/superviber/blue-encrypted-store/record"
)

// TestRowForm checks the stored form that schema.sql describes.
func TestRowForm(t *testing.T) {
	r := record.Record{Attrs: record.Attrs{
		"z": record.S("a\"\\\x00\n<é"), "n": record.N(math.MinInt64), "max": record.N(math.MaxInt64), "t": record.T(true), "f": record.T(false),
		"b2": record.B([]byte{1, 2}), "b1": record.B(nil),
	}}
	text, blobs := encodeAttrs(r)
	if want := `{"f":false,"max":9223372036854775807,"n":-9223372036854775808,"t":true,"z":"a\"\\\u0000\u000a<é"}`; text != want {
		t.Errorf("attrs %s, want %s", text, want)
	}
	if want := "0000000000000002" + "6231" + "0000000000000000" + "0000000000000002" + "6232" + "0000000000000002" + "0102"; hex.EncodeToString(blobs) != want {
		t.Errorf("blobs %x, want %s", blobs, want)
	}
	text, blobs = encodeAttrs(record.Record{Attrs: record.Attrs{"b": record.B([]byte{1})}})
	if text != "{}" {
		t.Errorf("attrs %s, want {}", text)
	}
	if attrs := decodeAttrs(text, blobs); len(attrs) != 1 {
		t.Errorf("decoded %v", attrs)
	}
}

func TestRowRoundTrip(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) record.Value {
		switch rapid.IntRange(0, 3).Draw(t, "type") {
		case 0:
			return record.N(rapid.Int64().Draw(t, "n"))
		case 1:
			return record.T(rapid.Bool().Draw(t, "t"))
		case 2:
			return record.B(rapid.SliceOf(rapid.Byte()).Draw(t, "b"))
		}
		return record.S(rapid.String().Draw(t, "s"))
	})
	names := rapid.StringN(1, 10, -1)
	rapid.Check(t, func(t *rapid.T) {
		r := record.Record{Attrs: rapid.MapOfN(names, value, 1, 8).Draw(t, "attrs")}
		if attrs := decodeAttrs(encodeAttrs(r)); !r.Equal(record.Record{Attrs: attrs}) {
			t.Fatalf("%v is decoded as %v", r.Attrs, attrs)
		}
	})
}

// badRows are columns that encode cannot return.
var badRows = map[string]struct{ text, blobs string }{
	"no JSON":             {`{"a":1`, ""},
	"empty":               {``, ""},
	"spaces":              {`  `, ""},
	"number":              {`7`, ""},
	"string":              {`"a"`, ""},
	"nested, closed":      {`{"a":{}}`, ""},
	"null":                {`null`, ""},
	"array":               {`[1]`, ""},
	"trailing":            {`{"a":1}{}`, ""},
	"nothing at all":      {`{}`, ""},
	"null value":          {`{"a":null}`, ""},
	"nested":              {`{"a":{"b":1}}`, ""},
	"list value":          {`{"a":[1]}`, ""},
	"fraction":            {`{"a":1.0}`, ""},
	"exponent":            {`{"a":1e3}`, ""},
	"minus zero":          {`{"a":-0}`, ""},
	"over int64":          {`{"a":9223372036854775808}`, ""},
	"short length":        {`{"a":1}`, "\x00\x00"},
	"length past the end": {`{"a":1}`, "\x00\x00\x00\x00\x00\x00\x00\x02b"},
	"huge length":         {`{"a":1}`, "\xff\xff\xff\xff\xff\xff\xff\xffb"},
	"name without value":  {`{"a":1}`, "\x00\x00\x00\x00\x00\x00\x00\x01b"},
	"no name":             {`{"a":1}`, strings.Repeat("\x00", 16)},
	"a name twice":        {`{"b":1}`, lp("b") + lp("")},
	"a blob twice":        {`{"a":1}`, lp("b") + lp("") + lp("b") + lp("")},
	"not ascending":       {`{"a":1}`, lp("c") + lp("") + lp("b") + lp("")},
}

func lp(s string) string { return string(appendRowBlob(nil, []byte(s))) }

func TestBadRows(t *testing.T) {
	for name, c := range badRows {
		if attrs := decodeAttrs(c.text, []byte(c.blobs)); attrs != nil {
			t.Errorf("%s: decoded as %v", name, attrs)
		}
	}
}

// TestForeignJSON decodes an object with the spaces and escapes of another program.
func TestForeignJSON(t *testing.T) {
	attrs := decodeAttrs(" {\n\t\"a\" : \"x\\u00e9\\/\\\"\" ,\"\\u0062\":1\r, \"c\":true } ", nil)
	want := record.Record{Attrs: record.Attrs{"a": record.S("xé/\""), "b": record.N(1), "c": record.T(true)}}
	if !want.Equal(record.Record{Attrs: attrs}) {
		t.Errorf("decoded %v", attrs)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range badRows {
		f.Add(c.text, []byte(c.blobs))
	}
	text, blobs := encodeAttrs(record.Record{Attrs: record.Attrs{"a": record.S("\x00é"), "n": record.N(-5), "b": record.B([]byte("x"))}})
	f.Add(text, blobs)
	f.Fuzz(func(t *testing.T, text string, blobs []byte) {
		attrs := decodeAttrs(text, blobs)
		if attrs == nil {
			return
		}
		r := record.Record{Attrs: attrs}
		if again := decodeAttrs(encodeAttrs(r)); !r.Equal(record.Record{Attrs: again}) {
			t.Fatalf("%v is decoded as %v", attrs, again)
		}
		if _, b := encodeAttrs(r); string(b) != string(blobs) {
			t.Fatalf("two forms of the same blobs: %x and %x", blobs, b)
		}
	})
}

// TestDamagedRow: a damaged row is returned with its key and without attributes, does
// not hide other rows, and can be deleted.
func TestDamagedRow(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(sk string, prev, attrs record.Attrs) record.Write {
		return record.Write{Table: record.Dialogues, Record: record.Record{Key: record.Key{Partition: "p", Item: sk}, Attrs: attrs}, Prev: prev}
	}
	one := record.Attrs{"n": record.N(1)}
	if err := s.Commit(t.Context(), []record.Write{put("a", nil, one), put("b", nil, one), put(record.Meta, nil, one)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.data.db.Exec(`UPDATE blue_dialogues SET blobs = x'00' WHERE SK = 'a'`); err != nil {
		t.Fatal(err)
	}
	records, err := s.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: "p"})
	if err != nil || len(records) != 3 || records[0].Key.Item != "a" || len(records[0].Attrs) != 0 || len(records[1].Attrs) != 1 {
		t.Fatalf("query: %v, %v", records, err)
	}
	meta := put(record.Meta, one, one)
	for _, w := range []record.Write{put("a", nil, one), put("a", one, one)} {
		if err := s.Commit(t.Context(), []record.Write{w, meta}); !errors.Is(err, record.ErrConflict) {
			t.Errorf("a write with the condition %v: %v, want a conflict", w.Prev, err)
		}
	}
	if err := s.Commit(t.Context(), []record.Write{put("a", record.Attrs{}, nil), meta}); err != nil {
		t.Error(err)
	}
}

// TestDiskFull: a limit on the pages of the file causes the error of a full disk.
func TestDiskFull(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.data.db.SetMaxOpenConns(1)
	commit := func(sk string, size int) error {
		return s.Commit(t.Context(), []record.Write{{Table: record.Audit, Record: record.Record{Key: record.Key{Partition: "p", Item: sk}, Attrs: record.Attrs{"b": record.B(make([]byte, size))}}}})
	}
	if _, err := s.data.db.Exec("PRAGMA max_page_count = 20"); err != nil {
		t.Fatal(err)
	}
	err = commit("large", 300_000)
	if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "disk is full; nothing was written") {
		t.Errorf("commit to a full disk: %v", err)
	}
	if err := commit("small", 10); err != nil {
		t.Errorf("a commit that fits: %v", err)
	}
	records, err := s.Query(t.Context(), record.Query{Table: record.Audit, Partition: "p"})
	if err != nil || len(records) != 1 {
		t.Errorf("stored: %d records, %v", len(records), err)
	}
}
