package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// TestSize compares Size with sums that were calculated by hand from the rules of
// DynamoDB ("DynamoDB item sizes and formats"). The key {p, s} counts 6.
func TestSize(t *testing.T) {
	cases := []struct {
		name  string
		attrs record.Attrs
		want  int
	}{
		{"key alone", nil, 6},
		{"string", record.Attrs{"name": record.S("text")}, 6 + 4 + 4},
		{"empty string", record.Attrs{"n": record.S("")}, 6 + 1},
		{"UTF-8", record.Attrs{"é": record.S("漢🙂")}, 6 + 2 + 7},
		{"bytes", record.Attrs{"b": record.B(make([]byte, 60))}, 6 + 1 + 60},
		{"bool", record.Attrs{"t": record.T(true), "f": record.T(false)}, 6 + 2 + 2},
		{"one digit", record.Attrs{"n": record.N(7)}, 6 + 1 + 2},
		{"zero", record.Attrs{"n": record.N(0)}, 6 + 1 + 2},
		{"two digits", record.Attrs{"n": record.N(42)}, 6 + 1 + 2},
		{"three digits", record.Attrs{"n": record.N(420)}, 6 + 1 + 3},
		{"minus one digit", record.Attrs{"n": record.N(-7)}, 6 + 1 + 3},
		{"minus two digits", record.Attrs{"n": record.N(-42)}, 6 + 1 + 3},
		{"minus three digits", record.Attrs{"n": record.N(-420)}, 6 + 1 + 4},
		{"largest", record.Attrs{"n": record.N(math.MaxInt64)}, 6 + 1 + 11},
		{"least", record.Attrs{"n": record.N(math.MinInt64)}, 6 + 1 + 12},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := record.Record{Key: record.Key{Partition: "p", Item: "s"}, Attrs: c.attrs}
			if got := r.Size(); got != c.want {
				t.Errorf("size %d, want %d", got, c.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	values := []struct {
		v         record.Value
		typ       record.Type
		canonical string
	}{
		{record.S(""), 'S', ""},
		{record.S("1"), 'S', "1"},
		{record.S("a\x00"), 'S', "a\x00"},
		{record.N(1), 'N', "1"},
		{record.N(0), 'N', "0"},
		{record.N(-1), 'N', "-1"},
		{record.N(math.MinInt64), 'N', "-9223372036854775808"},
		{record.B(nil), 'B', ""},
		{record.B([]byte("1")), 'B', "1"},
		{record.T(false), 'T', "0"},
		{record.T(true), 'T', "1"},
	}
	for i, c := range values {
		if c.v.Type() != c.typ || string(c.v.Canonical()) != c.canonical {
			t.Errorf("value %d: %c %q, want %c %q", i, c.v.Type(), c.v.Canonical(), c.typ, c.canonical)
		}
		for j, d := range values {
			if c.v.Equal(d.v) != (i == j) {
				t.Errorf("values %d and %d: equal is %v", i, j, c.v.Equal(d.v))
			}
		}
	}
	if !record.B(nil).Equal(record.B([]byte{})) {
		t.Error("nil and empty bytes differ")
	}
	if record.N(1).True() || record.T(true).Int() != 0 || record.N(1).Str() != "" || record.S("x").Bin() != nil || (record.Value{}).Type() != 0 {
		t.Error("a getter returns the value of another type")
	}
	if !record.T(true).True() || record.N(-3).Int() != -3 || record.S("x").Str() != "x" || !bytes.Equal(record.B([]byte("x")).Bin(), []byte("x")) {
		t.Error("a getter does not return the value of its own type")
	}
}

func TestCloneAndNames(t *testing.T) {
	r := record.Record{Key: record.Key{Partition: "p", Item: "s"}, Attrs: record.Attrs{"b": record.N(1), "a": record.N(2), "B": record.N(3)}}
	c := r.Clone()
	if !c.Equal(r) {
		t.Error("a clone differs")
	}
	c.Attrs["c"] = record.N(4)
	if c.Equal(r) || len(r.Attrs) != 3 {
		t.Error("a clone shares its map")
	}
	if got := r.Names(); !slices.Equal(got, []string{"B", "a", "b"}) {
		t.Errorf("names %q", got)
	}
}

func TestConflictError(t *testing.T) {
	at := func(table record.Table, sk string) *record.ConflictError {
		return &record.ConflictError{Table: table, Key: record.Key{Partition: "dialogue#d", Item: sk}}
	}
	err := fmt.Errorf("committing: %w", at(record.Dialogues, "tension#00#01"))
	if !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), "tension#00#01") {
		t.Errorf("the error is %v", err)
	}
	if !at(record.Dialogues, record.Meta).IsOnMeta() || at(record.Audit, record.Meta).IsOnMeta() || at(record.Dialogues, "tension#00#01").IsOnMeta() {
		t.Error("IsOnMeta is wrong")
	}
}

func TestIsMet(t *testing.T) {
	found := record.Record{Attrs: record.Attrs{"n": record.N(1), "s": record.S("x")}}
	cases := []struct {
		name   string
		prev   record.Attrs
		exists bool
		want   bool
	}{
		{"absent, none wanted", nil, false, true},
		{"there, none wanted", nil, true, false},
		{"there, any wanted", record.Attrs{}, true, true},
		{"absent, any wanted", record.Attrs{}, false, false},
		{"absent, one wanted", record.Attrs{"n": record.N(1)}, false, false},
		{"same", record.Attrs{"n": record.N(1)}, true, true},
		{"all the same", record.Attrs{"n": record.N(1), "s": record.S("x")}, true, true},
		{"one differs", record.Attrs{"n": record.N(1), "s": record.S("y")}, true, false},
		{"type differs", record.Attrs{"n": record.S("1")}, true, false},
		{"not stored", record.Attrs{"x": record.S("")}, true, false},
		{"zero value, not stored", record.Attrs{"x": {}}, true, false},
	}
	for _, c := range cases {
		if got := (record.Write{Prev: c.prev}).IsMet(found, c.exists); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
