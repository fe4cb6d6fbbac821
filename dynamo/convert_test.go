package dynamo

import (
	"math"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/superviber/blue-encrypted-store/record"
)

var someKey = record.Key{Partition: "dialogue#d", Item: "tension#00#01"}

// TestConvertThereAndBack: every record comes back as it was. The
// value under the name of an index key is one that an index takes.
func TestConvertThereAndBack(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "GSI1PK", "GSI1SK", "GSI2PK", "GSI3SK", "_own", "é\x00"})
	values := rapid.Custom(func(rt *rapid.T) record.Value {
		switch rapid.IntRange(0, 4).Draw(rt, "type") {
		case 0:
			return record.N(rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64}).Draw(rt, "n"))
		case 1:
			return record.T(rapid.Bool().Draw(rt, "t"))
		case 2:
			return record.B(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(rt, "b"))
		case 3:
			return record.S(strings.Repeat("x", rapid.SampledFrom([]int{1023, 1024, 1025, 2048, 2049}).Draw(rt, "long")))
		}
		return record.S(rapid.StringN(0, 5, -1).Draw(rt, "s"))
	})
	rapid.Check(t, func(rt *rapid.T) {
		r := record.Record{Key: someKey, Attrs: rapid.MapOfN(names, values, 1, 6).Draw(rt, "attrs")}
		stored := toItem(r)
		if back := fromItem(stored); !back.Equal(r) {
			rt.Fatalf("%v became %v", r, back)
		}
		for name, limit := range indexAttributes {
			if v, ok := stored[name]; ok && (attributeText(v) == "" || len(attributeText(v)) > limit) {
				rt.Fatalf("%s would be refused: %v", name, v)
			}
		}
	})
}

// TestForeignItems: what no record makes has its key and no attributes.
func TestForeignItems(t *testing.T) {
	for name, v := range map[string]types.AttributeValue{
		"string set": &types.AttributeValueMemberSS{Value: []string{"a"}},
		"list":       &types.AttributeValueMemberL{},
		"map":        &types.AttributeValueMemberM{},
		"null":       &types.AttributeValueMemberNULL{Value: true},
		"fraction":   &types.AttributeValueMemberN{Value: "1.5"},
		"exponent":   &types.AttributeValueMemberN{Value: "1E+2"},
		"too large":  &types.AttributeValueMemberN{Value: "9223372036854775808"},
		"plus":       &types.AttributeValueMemberN{Value: "+1"},
		"no number":  &types.AttributeValueMemberN{Value: ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := toItem(record.Record{Key: someKey, Attrs: record.Attrs{"a": record.N(1)}})
			in["x"] = v
			if r := fromItem(in); r.Key != someKey || r.Attrs != nil {
				t.Errorf("came back as %v", r)
			}
		})
	}
	if r := fromItem(keyItem(someKey)); r.Key != someKey || len(r.Attrs) != 0 {
		t.Errorf("a bare key came back as %v", r)
	}
}

// TestHiddenIndexAttribute: an attacker who renames a good index attribute, to hide a
// record from the lists, changes the record.
func TestHiddenIndexAttribute(t *testing.T) {
	r := record.Record{Key: someKey, Attrs: record.Attrs{"GSI2PK": record.S("tension_status#open")}}
	in := toItem(r)
	in["_GSI2PK"] = in["GSI2PK"]
	delete(in, "GSI2PK")
	if publicItem(fromItem(in)).Equal(r) {
		t.Error("the record is the same, and in no index")
	}
}
