package dynamo

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

func TestExpressions(t *testing.T) {
	mac := record.B([]byte("mac"))
	for _, c := range []struct {
		name   string
		when   condition
		text   string
		names  []string // by placeholder number
		values []record.Value
	}{
		{"absent", condition{absent: true}, "attribute_not_exists(#a0)", []string{"PK"}, nil},
		{"any item", condition{}, "attribute_exists(#a0)", []string{"PK"}, nil},
		{"nothing compared", condition{equal: record.Attrs{}}, "attribute_exists(#a0)", []string{"PK"}, nil},
		{"any item without", condition{missing: []string{"_b", "_a"}},
			"attribute_exists(#a0) AND attribute_not_exists(#a1) AND attribute_not_exists(#a2)", []string{"PK", "_a", "_b"}, nil},
		{"each attribute", condition{equal: record.Attrs{"s": record.S("x"), "n": record.N(-1), "t": record.T(true), "b": record.B(nil)}},
			"#a0 = :v0 AND #a1 = :v1 AND #a2 = :v2 AND #a3 = :v3", []string{"b", "n", "s", "t"},
			[]record.Value{record.B(nil), record.N(-1), record.S("x"), record.T(true)}},
		{"the MAC stands for all but a store's own", condition{equal: record.Attrs{"s": record.S("x"), "item_mac": mac, "_pending": record.S("b"), "PK2": record.N(1)}},
			"#a0 = :v0 AND #a1 = :v1", []string{"_pending", "item_mac"}, []record.Value{record.S("b"), mac}},
		{"a MAC of another type stands for nothing", condition{equal: record.Attrs{"s": record.S("x"), "item_mac": record.S("mac")}},
			"#a0 = :v0 AND #a1 = :v1", []string{"item_mac", "s"}, []record.Value{record.S("mac"), record.S("x")}},
		{"MAC and missing", condition{equal: record.Attrs{"item_mac": mac}, missing: []string{"_pending"}},
			"#a0 = :v0 AND attribute_not_exists(#a1)", []string{"item_mac", "_pending"}, []record.Value{mac}},
		{"an index attribute as it is", condition{equal: record.Attrs{"GSI1PK": record.S("status#open")}},
			"#a0 = :v0", []string{"GSI1PK"}, []record.Value{record.S("status#open")}},
		{"an index attribute no index takes", condition{equal: record.Attrs{"GSI1PK": record.N(1), "GSI2SK": record.S("")}},
			"#a0 = :v0 AND #a1 = :v1", []string{"_GSI1PK", "_GSI2SK"}, []record.Value{record.N(1), record.S("")}},
		{"a value of no type never holds", condition{equal: record.Attrs{"x": {}}},
			"attribute_not_exists(#a0) AND attribute_exists(#a0)", []string{"PK"}, nil},
		{"names that are no names", condition{equal: record.Attrs{"a b": record.N(1), "#a0": record.N(2), "status": record.N(3)}},
			"#a0 = :v0 AND #a1 = :v1 AND #a2 = :v2", []string{"#a0", "a b", "status"}, []record.Value{record.N(2), record.N(1), record.N(3)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			compareExpression(t, expressionOf(c.when), c.text, c.names, c.values)
		})
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		bounds span
		text   string
		values []record.Value
	}{
		{span{}, "#a0 = :v0", []record.Value{record.S("p")}},
		{span{first: "a"}, "#a0 = :v0 AND #a1 >= :v1", []record.Value{record.S("p"), record.S("a")}},
		{span{last: "b"}, "#a0 = :v0 AND #a1 < :v1", []record.Value{record.S("p"), record.S("b")}},
		{span{"a", "b"}, "#a0 = :v0 AND #a1 BETWEEN :v1 AND :v2", []record.Value{record.S("p"), record.S("a"), record.S("b")}},
	} {
		names := []string{"PK", "SK"}
		if c.bounds == (span{}) {
			names = names[:1]
		}
		compareExpression(t, rangeOf("p", c.bounds), c.text, names, c.values)
	}
}

func compareExpression(t *testing.T, e *expression, text string, names []string, values []record.Value) {
	t.Helper()
	if got := *e.text(); got != text {
		t.Errorf("%s\nwant %s", got, text)
	}
	if len(e.names) != len(names) || len(e.values) != len(values) {
		t.Fatalf("names %v, values %v", e.names, e.values)
	}
	for i, name := range names {
		if got := e.names[placeholder("#a", i)]; got != name {
			t.Errorf("name %d is %q, want %q", i, got, name)
		}
	}
	for i, v := range values {
		if got, ok := fromAttributeValue(e.values[placeholder(":v", i)]); !ok || !got.Equal(v) {
			t.Errorf("value %d is %v, want %v", i, got, v)
		}
	}
}

func placeholder(prefix string, i int) string { return prefix + string(rune('0'+i)) }

// TestEmptyMaps: DynamoDB refuses a request with an empty map.
func TestEmptyMaps(t *testing.T) {
	e := &expression{}
	if e.names != nil || e.values != nil {
		t.Error("a map without entries is not nil")
	}
	if expressionOf(condition{absent: true}).values != nil {
		t.Error("a condition without values has a map of values")
	}
}
