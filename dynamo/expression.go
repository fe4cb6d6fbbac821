package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/record"
)

// macName is the attribute that represents all other attributes of a sealed
// record (docs/format.md §5) except those whose names begin with '_'.
const macName = "item_mac"

// expression is the text of a condition with the values of its placeholders.
// Names and values are never part of the text, because names can be reserved
// words or contain any character.
type expression struct {
	terms  []string
	names  map[string]string
	values map[string]types.AttributeValue
}

func newExpression() *expression {
	return &expression{names: map[string]string{}, values: map[string]types.AttributeValue{}}
}

// name returns the placeholder of an attribute's name.
func (e *expression) name(name string) string {
	for p, n := range e.names {
		if n == name {
			return p
		}
	}
	p := fmt.Sprintf("#a%d", len(e.names))
	e.names[p] = name
	return p
}

func (e *expression) value(v types.AttributeValue) string {
	p := fmt.Sprintf(":v%d", len(e.values))
	e.values[p] = v
	return p
}

func (e *expression) and(format string, args ...any) {
	e.terms = append(e.terms, fmt.Sprintf(format, args...))
}

func (e *expression) text() *string { return aws.String(strings.Join(e.terms, " AND ")) }

// nameMap and valueMap are nil where empty, which DynamoDB wants.
func (e *expression) nameMap() map[string]string {
	if len(e.names) == 0 {
		return nil
	}
	return e.names
}

func (e *expression) valueMap() map[string]types.AttributeValue {
	if len(e.values) == 0 {
		return nil
	}
	return e.values
}

// expressionOf is a condition in DynamoDB's words. It is at most 4 KB and 300
// operators long ("Service quotas", expression parameters): a sealed record
// needs one comparison, an unsealed one has about twenty attributes.
func expressionOf(c condition) *expression {
	e := newExpression()
	if c.absent {
		e.and("attribute_not_exists(%s)", e.name(partitionKey))
		return e
	}
	for _, name := range compared(c.equal) {
		v := c.equal[name]
		if v.Type() == 0 {
			e.and("attribute_not_exists(%s)", e.name(partitionKey)) // no item has it
			e.and("attribute_exists(%s)", e.name(partitionKey))
			continue
		}
		e.and("%s = %s", e.name(storedName(name, v)), e.value(toValue(v)))
	}
	if len(e.terms) == 0 {
		e.and("attribute_exists(%s)", e.name(partitionKey))
	}
	for _, name := range slices.Sorted(slices.Values(c.missing)) {
		e.and("attribute_not_exists(%s)", e.name(name))
	}
	return e
}

// compared returns the names that a condition compares, in order.
func compared(equal record.Attrs) []string {
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
	e := newExpression()
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
