package recordtest

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// Values, names and order.
//
// A store returns every value with its type and its exact content: all of
// int64, empty values, any UTF-8 text and any bytes. Attribute names are any
// UTF-8 text. Neither the caller nor the store sees later changes that the other
// makes to a map or to bytes. Records are ordered by the bytes of their sort
// keys.

// every holds values that an encoding can easily change.
var every = record.Attrs{
	"n":       record.N(1),
	"zero":    record.N(0),
	"minus":   record.N(-1),
	"max":     record.N(math.MaxInt64),
	"min":     record.N(math.MinInt64),
	"2^53+1":  record.N(1<<53 + 1),
	"-2^53-1": record.N(-1<<53 - 1),
	"empty":   record.S(""),
	"text":    record.S("tension"),
	"digits":  record.S("007"),
	"true":    record.S("true"),
	"null":    record.S("null"),
	"json":    record.S(`{"a":[1,"\u0000"]}`),
	"quotes":  record.S(`"'` + "`" + `\ \n`),
	"html":    record.S("<&>\u2028\u2029"),
	"NUL":     record.S("a\x00b\x00"),
	"control": record.S("\x01\t\r\n\x1f\x7f\u0080"),
	"unicode": record.S("e\u0301 é ß 漢 🙂 \u202e \ufeff \ufffd"),
	"yes":     record.T(true),
	"no":      record.T(false),
	"none":    record.B([]byte{}),
	"bytes":   record.B([]byte{0, 0xff, '"', '\\', 0x80, 0}),
	"ascii":   record.B([]byte("text")),
	"long":    record.B(bytes.Repeat([]byte{0xa5, 0}, 10_000)),
	"prose":   record.S(strings.Repeat("ä\x00\"", 5_000)),
}

func values(t *testing.T, s record.Store) {
	mustCommit(t, s, put("all", every), inTable(record.Audit, put("all", every)))
	for name, v := range every {
		mustCommit(t, s, put("one#"+name, record.Attrs{"v": v}))
	}
	if err := s.Commit(t.Context(), []record.Write{inTable(record.Keys, put("all", every))}); err != nil {
		t.Fatal(err)
	}
	want := record.Record{Key: key("all"), Attrs: every}
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		if r := get(t, s, table, "all"); !r.Equal(want) {
			t.Errorf("%s returns other values", table)
		}
	}
	for name, v := range every {
		if got := get(t, s, record.Dialogues, "one#"+name).Attrs["v"]; !got.Equal(v) {
			t.Errorf("%s: stored %c %.40q, got %c %.40q", name, v.Type(), v.Canonical(), got.Type(), got.Canonical())
		}
	}
	for _, r := range query(t, s, record.Dialogues, pk) {
		if r.Key.Item == "all" && !r.Equal(want) {
			t.Error("query returns other values")
		}
	}
	// Each value can be a condition.
	mustCommit(t, s, change("all", every, one))
}

func names(t *testing.T, s record.Store) {
	attrs := record.Attrs{}
	for i, name := range []string{
		"a", "A", "a.b", "a b", `a"b`, `a\b`, "a'b", "a\x00b", "$", "$.a", "[0]", "#", ":a", "é", "e\u0301", "漢", "🙂",
		"attrs", "blobs", "pk", "Pk", "GSI1SK", "rowid", "null", "true", strings.Repeat("n", 255),
	} {
		attrs[name] = record.N(int64(i))
		attrs[name+"~"] = record.B([]byte(name))
	}
	mustCommit(t, s, put("a", attrs))
	checkSame(t, []record.Record{get(t, s, record.Dialogues, "a")}, []record.Record{{Key: key("a"), Attrs: attrs}})
	mustCommit(t, s, change("a", attrs, one))
}

// copies changes maps and bytes after they were stored or returned.
func copies(t *testing.T, s record.Store) {
	blob := []byte("blob")
	next := bytes.Repeat([]byte("next"), 50)
	attrs := record.Attrs{"blob": record.B(blob), "blob2": record.B(next), "s": record.S("s"), "status": record.S("s"), "GSI1PK": record.S("g"), "GSI1SK": record.S("1")}
	want := record.Record{Key: key("a"), Attrs: record.Attrs{
		"blob": record.B([]byte("blob")), "blob2": record.B(bytes.Clone(next)), "s": record.S("s"), "status": record.S("s"), "GSI1PK": record.S("g"), "GSI1SK": record.S("1"),
	}}
	mustCommit(t, s, put("a", attrs))
	blob[0] = 'X'
	attrs["s"] = record.S("changed")
	attrs["new"] = record.N(1)

	spoil := func(r record.Record) {
		if b := r.Attrs["blob"].Bin(); len(b) > 0 {
			b[0] = 'Y'
			_ = append(b, make([]byte, 60)...)
		}
		r.Attrs["s"] = record.S("changed")
		delete(r.Attrs, "GSI1SK")
	}
	for range 2 {
		r := get(t, s, record.Dialogues, "a")
		if !r.Equal(want) {
			t.Fatalf("get: %v", r.Attrs)
		}
		spoil(r)
		if got := r.Attrs["blob2"].Bin(); !bytes.Equal(got, next) {
			t.Fatalf("an append to one value changed another: %q", got)
		}
		for _, r := range query(t, s, record.Dialogues, pk) {
			if r.Key.Item != "a" {
				continue
			}
			if !r.Equal(want) {
				t.Fatalf("query: %v", r.Attrs)
			}
			spoil(r)
		}
		records, err := s.Index(t.Context(), record.ByStatus, "g")
		if err != nil || len(records) != 1 || !records[0].Attrs["status"].Equal(record.S("s")) {
			t.Fatalf("index: %v, %v", records, err)
		}
		spoil(records[0])
	}
}

// order stores sort keys whose byte order differs from a locale's order and from
// the order of UTF-16 (where U+1F642 is before U+FFFD).
func order(t *testing.T, s record.Store) {
	want := []string{
		"\x01", "A", "Z#1", "_", "a", "a\x00", "a\x00\x00", "a\x00b", "a\x01", "a#", "a#1", "a#10", "a#2", "aa", "b",
		"meta", "tension#00#01", "tension#00#02", "tension#01#00", "tension#99#99", "~", "é", "漢", "\ufffd", "🙂",
	}
	if !slices.IsSorted(want) {
		t.Fatal("the list of the test is not sorted")
	}
	var writes []record.Write
	for _, sk := range want {
		writes = append(writes, put(sk, one))
	}
	slices.Reverse(writes)
	for i := range writes { // neither ascending nor descending
		j := i * 7 % len(writes)
		writes[i], writes[j] = writes[j], writes[i]
	}
	if err := s.Commit(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	if got := sortKeys(query(t, s, record.Dialogues, pk)); !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	for _, sk := range want {
		get(t, s, record.Dialogues, sk)
	}
}
