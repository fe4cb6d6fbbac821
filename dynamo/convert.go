package dynamo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
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
		out[storedName(name, v)] = toAttributeValue(v)
	}
	return out
}

func toAttributeValue(v record.Value) types.AttributeValue {
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
	r := record.Record{Key: record.Key{Partition: record.Partition(attributeText(in[partitionKey])), Item: attributeText(in[sortKey])}, Attrs: record.Attrs{}}
	for name, v := range in {
		if name == partitionKey || name == sortKey {
			continue
		}
		value, ok := fromAttributeValue(v)
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

func fromAttributeValue(v types.AttributeValue) (record.Value, bool) {
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

func attributeText(v types.AttributeValue) string {
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

// macName is the attribute that represents all other attributes of a sealed
// record (docs/format.md §5) except those whose names begin with '_'.
const macName = "item_mac"

// expression is the text of a condition with the values of its placeholders.
// Names and values are never part of the text, because names can be reserved
// words or contain any character.
type expression struct {
	terms  []string
	names  map[string]string               // nil if there are none, as DynamoDB requires
	values map[string]types.AttributeValue // nil if there are none
}

// name returns the placeholder of an attribute's name.
func (e *expression) name(name string) string {
	for p, n := range e.names {
		if n == name {
			return p
		}
	}
	if e.names == nil {
		e.names = map[string]string{}
	}
	p := fmt.Sprintf("#a%d", len(e.names))
	e.names[p] = name
	return p
}

func (e *expression) value(v types.AttributeValue) string {
	if e.values == nil {
		e.values = map[string]types.AttributeValue{}
	}
	p := fmt.Sprintf(":v%d", len(e.values))
	e.values[p] = v
	return p
}

func (e *expression) and(format string, args ...any) {
	e.terms = append(e.terms, fmt.Sprintf(format, args...))
}

func (e *expression) text() *string { return aws.String(strings.Join(e.terms, " AND ")) }

// expressionOf is a condition in DynamoDB's words. It is at most 4 KB and 300
// operators long ("Service quotas", expression parameters): a sealed record
// needs one comparison, an unsealed one has about twenty attributes.
func expressionOf(c condition) *expression {
	e := &expression{}
	if c.absent {
		e.and("attribute_not_exists(%s)", e.name(partitionKey))
		return e
	}
	for _, name := range comparedAttributes(c.equal) {
		v := c.equal[name]
		if v.Type() == 0 {
			e.and("attribute_not_exists(%s)", e.name(partitionKey)) // no item has it
			e.and("attribute_exists(%s)", e.name(partitionKey))
			continue
		}
		e.and("%s = %s", e.name(storedName(name, v)), e.value(toAttributeValue(v)))
	}
	if len(e.terms) == 0 {
		e.and("attribute_exists(%s)", e.name(partitionKey))
	}
	for _, name := range slices.Sorted(slices.Values(c.missing)) {
		e.and("attribute_not_exists(%s)", e.name(name))
	}
	return e
}

// comparedAttributes returns the names that a condition compares, in order.
func comparedAttributes(equal record.Attrs) []string {
	names := slices.Sorted(maps.Keys(equal))
	if equal[macName].Type() != record.Bytes {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool { return name != macName && !strings.HasPrefix(name, "_") })
}

// rangeOf is the key condition of a Query over a span. DynamoDB has no
// condition with an exclusive bound above and a bound below, so BETWEEN takes
// last along and page drops it.
func rangeOf(pk record.Partition, bounds span) *expression {
	e := &expression{}
	s := func(v string) string { return e.value(&types.AttributeValueMemberS{Value: v}) }
	e.and("%s = %s", e.name(partitionKey), s(string(pk)))
	switch {
	case bounds.first != "" && bounds.last != "":
		e.and("%s BETWEEN %s AND %s", e.name(sortKey), s(bounds.first), s(bounds.last))
	case bounds.first != "":
		e.and("%s >= %s", e.name(sortKey), s(bounds.first))
	case bounds.last != "":
		e.and("%s < %s", e.name(sortKey), s(bounds.last))
	}
	return e
}

// The records of a log, one after the other, cut into pieces of limits.chunk
// bytes. uvarint and varint are as in encoding/binary:
//
//	record     LP(SK) uvarint(number of attributes) attribute…   in ascending order of names
//	attribute  LP(name) type byte value
//	value      S, B: LP(bytes) · N: varint · T: one byte, 0 or 1
//	LP(x)      uvarint(length of x) x
//
// The partition key is not there: a log can make records in its own partition
// alone. At most record.LogSize bytes for each record, so that the largest
// commit fits the actions of its final transaction (record.CheckBatch).

// logItems returns the puts of a log that holds the records.
func (s *Store) logItems(pk record.Partition, b string, records []record.Record) []action {
	var text []byte
	for _, r := range records {
		text = appendRecord(text, r)
	}
	var puts []action
	for piece := range slices.Chunk(text, s.limits.chunk) {
		item := record.Record{Key: logKey(pk, b, len(puts)), Attrs: record.Attrs{attrChunk: record.B(piece)}}
		puts = append(puts, action{table: record.Dialogues, record: item, when: condition{absent: true}})
	}
	return puts
}

func appendRecord(to []byte, r record.Record) []byte {
	to = appendBytes(to, r.Key.Item)
	to = binary.AppendUvarint(to, uint64(len(r.Attrs)))
	for _, name := range r.Names() {
		v := r.Attrs[name]
		to = append(appendBytes(to, name), byte(v.Type()))
		switch v.Type() {
		case record.String:
			to = appendBytes(to, v.Str())
		case record.Bytes:
			to = appendBytes(to, v.Bin())
		case record.Number:
			to = binary.AppendVarint(to, v.Int())
		default:
			to = append(to, v.Canonical()[0]-'0')
		}
	}
	return to
}

func appendBytes[T string | []byte](to []byte, x T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(x))), x...)
}

var errChunk = errors.New("not the records of a log")

// recordsOf reads what appendRecord wrote. Any input is safe.
func recordsOf(pk record.Partition, text []byte) ([]record.Record, error) {
	t := &chunkReader{left: text}
	var records []record.Record
	for len(t.left) > 0 && t.err == nil {
		r := record.Record{Key: record.Key{Partition: pk, Item: string(t.bytes())}, Attrs: record.Attrs{}}
		for n := t.uvarint(); n > 0 && t.err == nil; n-- {
			name := string(t.bytes())
			r.Attrs[name] = t.value()
			if name == "" || name[0] == '_' || name == "PK" || name == "SK" {
				t.err = errChunk
			}
		}
		records = append(records, r)
	}
	return records, t.err
}

// chunkReader reads until the first fault, which stays in err.
type chunkReader struct {
	left []byte
	err  error
}

func (t *chunkReader) take(n int) []byte {
	if t.err != nil || n <= 0 || n > len(t.left) {
		if n != 0 {
			t.err = errChunk
		}
		return nil
	}
	x := t.left[:n:n]
	t.left = t.left[n:]
	return x
}

func (t *chunkReader) uvarint() uint64 {
	v, n := binary.Uvarint(t.left)
	if t.take(n); n <= 0 {
		t.err = errChunk
	}
	return v
}

func (t *chunkReader) bytes() []byte {
	n := t.uvarint()
	if n > uint64(len(t.left)) {
		t.err = errChunk
		return nil
	}
	return t.take(int(n))
}

func (t *chunkReader) value() record.Value {
	kind := t.take(1)
	if t.err != nil {
		return record.Value{}
	}
	switch record.Type(kind[0]) {
	case record.String:
		return record.S(string(t.bytes()))
	case record.Bytes:
		return record.B(t.bytes())
	case record.Number:
		v, n := binary.Varint(t.left)
		if t.take(n); n <= 0 {
			t.err = errChunk
		}
		return record.N(v)
	case record.Bool:
		if b := t.take(1); t.err == nil {
			return record.T(b[0] == 1)
		}
	}
	t.err = errChunk
	return record.Value{}
}

// bornAt is below every UUIDv7 made at a time or later, and above the earlier
// ones: 48 bits of Unix milliseconds (RFC 9562, section 5.7).
func bornAt(t time.Time) string {
	ms := fmt.Sprintf("%012x", max(0, t.UnixMilli()))
	return ms[:8] + "-" + ms[8:]
}
