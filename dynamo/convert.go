package dynamo

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/record"
)

// item is a stored item: each attribute of a record by its name and the type
// of DynamoDB (S, N, B, BOOL), next to PK and SK. Attributes are not packed,
// so any tool can show the tables.
//
// One exception: an index attribute that DynamoDB would refuse (not a text,
// empty, or too long for a key) is stored under its name with the prefix '_'.
// Such a record is in no index, as the contract requires, and is read back
// unchanged.
type item = map[string]types.AttributeValue

const (
	partitionKey = conn.PartitionKey
	sortKey      = conn.SortKey
)

func keyItem(k record.Key) item {
	return item{
		partitionKey: &types.AttributeValueMemberS{Value: string(k.Partition)},
		sortKey:      &types.AttributeValueMemberS{Value: k.Item},
	}
}

func toItem(r record.Record) item {
	out := keyItem(r.Key)
	for name, v := range r.Attrs {
		out[storedName(name, v)] = toValue(v)
	}
	return out
}

func toValue(v record.Value) types.AttributeValue {
	switch v.Type() {
	case record.String:
		return &types.AttributeValueMemberS{Value: v.Str()}
	case record.Number:
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(v.Int(), 10)}
	case record.Bytes:
		b := v.Bin()
		if b == nil {
			b = []byte{} // nil would be left out
		}
		return &types.AttributeValueMemberB{Value: b}
	case record.Bool:
		return &types.AttributeValueMemberBOOL{Value: v.True()}
	}
	panic("dynamo: a value without a type")
}

// storedName is the attribute's name in the item.
func storedName(name string, v record.Value) string {
	limit := indexAttributes[name]
	if limit > 0 && (v.Type() != record.String || v.Str() == "" || len(v.Str()) > limit) {
		return "_" + name
	}
	return name
}

// indexAttributes are the attributes that indexes have as keys, with the
// greatest length of such a key in bytes.
var indexAttributes = map[string]int{
	"GSI1PK": record.MaxPartition, "GSI1SK": record.MaxItem,
	"GSI2PK": record.MaxPartition, "GSI2SK": record.MaxItem,
	"GSI3PK": record.MaxPartition, "GSI3SK": record.MaxItem,
}

// fromItem is the inverse of toItem. An item that toItem cannot produce
// (another type, or a number that does not fit int64) keeps its key and loses
// its attributes, so that verification reports it as damaged.
func fromItem(in item) record.Record {
	r := record.Record{Key: record.Key{Partition: record.Partition(text(in[partitionKey])), Item: text(in[sortKey])}, Attrs: record.Attrs{}}
	for name, v := range in {
		if name == partitionKey || name == sortKey {
			continue
		}
		value, ok := fromValue(v)
		if !ok {
			r.Attrs = nil
			return r
		}
		if bare, cut := strings.CutPrefix(name, "_"); cut && storedName(bare, value) == name {
			name = bare // else one that toItem would have stored under its own name
		}
		r.Attrs[name] = value
	}
	return r
}

func fromValue(v types.AttributeValue) (record.Value, bool) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return record.S(v.Value), true
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		return record.N(n), err == nil && strconv.FormatInt(n, 10) == v.Value
	case *types.AttributeValueMemberB:
		return record.B(v.Value), true
	case *types.AttributeValueMemberBOOL:
		return record.T(v.Value), true
	}
	return record.Value{}, false
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// storable reports whether an item can have such a key. No item exists at any
// other key. Such a request would fail, or would read another key where JSON
// replaces bytes that are not UTF-8.
func storable(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s)
}
