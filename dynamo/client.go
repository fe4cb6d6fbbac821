package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/record"
)

// client is api over the SDK. It may be used concurrently.
//
// The SDK sends a read up to 3 times and then returns ErrUnavailable. A
// transaction is sent once for each call. It is sent again only if it was
// certainly not executed (no connection, or a signature refused because of the
// clock). A response that leaves the result open must reach the protocol as
// errUnknown, because a refusal of the second attempt does not determine the
// result of the first, which can still be in flight.
type client struct{ *conn.Conn }

var _ api = (*client)(nil)

// maxSnapshot is how many items TransactGetItems takes.
const maxSnapshot = 100

func (c *client) get(ctx context.Context, table record.Table, key record.Key) (record.Record, bool, error) {
	name, err := c.Table(table)
	if err != nil || !storableKey(key) {
		return record.Record{}, false, err
	}
	out, err := c.API.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: keyItem(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return record.Record{}, false, c.readFault(ctx, err, table)
	}
	if len(out.Item) == 0 {
		return record.Record{}, false, nil
	}
	return fromItem(out.Item), true, nil
}

func storableKey(k record.Key) bool {
	return storable(string(k.Partition), record.MaxPartition) && storable(k.Item, record.MaxItem)
}

func (c *client) page(ctx context.Context, table record.Table, pk record.Partition, bounds span, after string, limit int) ([]record.Record, string, error) {
	name, err := c.Table(table)
	if err != nil || !storable(string(pk), record.MaxPartition) {
		return nil, "", err
	}
	e := rangeOf(pk, bounds)
	in := &dynamodb.QueryInput{
		TableName: name, ConsistentRead: aws.Bool(true),
		KeyConditionExpression: e.text(), ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}
	if limit > 0 {
		in.Limit = aws.Int32(int32(min(limit, math.MaxInt32)))
	}
	if after != "" {
		in.ExclusiveStartKey = keyItem(record.Key{Partition: pk, Item: after})
	}
	out, err := c.API.Query(ctx, in)
	if err != nil {
		return nil, "", c.readFault(ctx, err, table)
	}
	records := fromItems(out.Items)
	if n := len(records); n > 0 && bounds.last != "" && records[n-1].Key.Item == bounds.last {
		return records[:n-1], "", nil
	}
	return nextPage(records, out.LastEvaluatedKey, pk)
}

// nextPage is a page with the sort key to continue after, "" for the last one.
func nextPage(records []record.Record, last item, pk record.Partition) ([]record.Record, string, error) {
	next := attributeText(last[sortKey])
	if len(last) > 0 && (next == "" || attributeText(last[partitionKey]) != string(pk)) {
		return nil, "", repeatedPageError(string(pk))
	}
	return records, next, nil
}

func fromItems(items []item) []record.Record {
	var records []record.Record
	for _, i := range items {
		records = append(records, fromItem(i))
	}
	return records
}

// transact may be repeated with the same token and the same actions. Answers:
// nil: it took effect, now or by an earlier request with this token; a
// *refusal: this request took none and takes none; ErrUnavailable and
// ErrTooLarge: the same, and trying again does not help; errUnknown: anything
// may be true.
//
// DynamoDB remembers a token for ten minutes after the request ended, and only
// if it took effect. TransactionInProgressException, for a request with this
// token that is being executed now, is errUnknown too.
func (c *client) transact(ctx context.Context, token string, actions []action) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if isSingleEventPut(actions) {
		return c.put(ctx, actions)
	}
	in := &dynamodb.TransactWriteItemsInput{}
	if token != "" {
		in.ClientRequestToken = aws.String(token)
	}
	for _, a := range actions {
		name, err := c.Table(a.table)
		if err != nil {
			return err
		}
		in.TransactItems = append(in.TransactItems, toWrite(name, a))
	}
	_, err := c.API.TransactWriteItems(ctx, in, conn.RetryIfNotExecuted)
	if err != nil {
		return c.writeFault(err, actions)
	}
	return nil
}

// isSingleEventPut reports whether a transaction is the put of one new audit
// event. It costs half as a PutItem. That has no token and needs none: events are
// never deleted, so its condition alone keeps a second copy out.
func isSingleEventPut(actions []action) bool {
	return len(actions) == 1 && actions[0].table == record.Audit && actions[0].when.absent && len(actions[0].record.Attrs) > 0
}

func (c *client) put(ctx context.Context, actions []action) error {
	name, err := c.Table(actions[0].table)
	if err != nil {
		return err
	}
	w := toWrite(name, actions[0]).Put
	_, err = c.API.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: name, Item: w.Item, ConditionExpression: w.ConditionExpression,
		ExpressionAttributeNames: w.ExpressionAttributeNames, ExpressionAttributeValues: w.ExpressionAttributeValues,
	}, conn.RetryIfNotExecuted)
	if err != nil {
		return c.writeFault(err, actions)
	}
	return nil
}

func toWrite(table *string, a action) types.TransactWriteItem {
	e := expressionOf(a.when)
	switch {
	case a.check:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: table, Key: keyItem(a.record.Key), ConditionExpression: e.text(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		}}
	case len(a.record.Attrs) == 0:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: table, Key: keyItem(a.record.Key), ConditionExpression: e.text(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		}}
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: table, Item: toItem(a.record), ConditionExpression: e.text(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}}
}

// snapshot takes at most 100 keys and 4 MB. It returns *refusal if a
// transaction was in the way (contended) or capacity was exhausted
// (throttled).
func (c *client) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	name, err := c.Table(table)
	if err != nil {
		return nil, err
	}
	if len(keys) > maxSnapshot {
		return nil, fmt.Errorf("%w: dynamo: a snapshot of %d items; at most %d are read at once", record.ErrInvalid, len(keys), maxSnapshot)
	}
	records := make([]record.Record, len(keys))
	in := &dynamodb.TransactGetItemsInput{}
	var asked []int
	for i, k := range keys {
		records[i].Key = k
		if storableKey(k) {
			in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: name, Key: keyItem(k)}})
			asked = append(asked, i)
		}
	}
	if len(asked) == 0 {
		return records, ctx.Err()
	}
	out, err := c.API.TransactGetItems(ctx, in)
	if err != nil {
		return nil, c.readFault(ctx, err, table)
	}
	if len(out.Responses) != len(asked) {
		return nil, fmt.Errorf("%w: dynamo: %d answers for %d items", record.ErrUnavailable, len(out.Responses), len(asked))
	}
	for i, r := range out.Responses {
		if len(r.Item) > 0 {
			records[asked[i]] = fromItem(r.Item)
		}
	}
	return records, nil
}

// index lists what a global secondary index holds now, which lags behind. The
// records hold the attributes that the index projects (tables/definition.go), in the
// order of the contract: DynamoDB leaves ties to chance.
func (c *client) index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	if index != record.ByStatus && index != record.ByTensionStatus && index != record.ByExpert {
		return nil, fmt.Errorf("%w: record: unknown index %q", record.ErrInvalid, index)
	}
	if !storable(string(pk), record.MaxPartition) {
		return nil, ctx.Err()
	}
	name, err := c.Table(record.Dialogues)
	if err != nil {
		return nil, err
	}
	first, second := string(index)+partitionKey, string(index)+sortKey
	e := &expression{}
	e.and("%s = %s", e.name(first), e.value(&types.AttributeValueMemberS{Value: pk}))
	in := &dynamodb.QueryInput{
		TableName: name, IndexName: aws.String(string(index)),
		KeyConditionExpression: e.text(), ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}
	records, pages := []record.Record(nil), onward{what: fmt.Sprintf("index %s of table %s", index, *name)}
	for {
		out, err := c.API.Query(ctx, in)
		if err != nil {
			return nil, c.readFault(ctx, err, record.Dialogues)
		}
		records = append(records, fromItems(out.Items)...)
		if len(out.LastEvaluatedKey) == 0 {
			break
		}
		if err := pages.past(out.LastEvaluatedKey); err != nil {
			return nil, err
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	slices.SortFunc(records, func(a, b record.Record) int {
		return cmp.Or(strings.Compare(a.Attrs[second].Str(), b.Attrs[second].Str()),
			cmp.Compare(a.Key.Partition, b.Key.Partition), strings.Compare(a.Key.Item, b.Key.Item))
	})
	return records, nil
}

// api is what the protocol needs of DynamoDB, in our words. client implements
// it with the SDK; the simulation in the tests implements it with a model that
// loses, delays and doubles messages. Records carry the store's own attributes
// too, whose names begin with '_'.
type api interface {
	// get is a strongly consistent GetItem; exists is false for no item.
	get(ctx context.Context, table record.Table, key record.Key) (r record.Record, exists bool, err error)
	// page returns one page of a strongly consistent Query over the sort keys from
	// first (inclusive) to last (exclusive, "" for no bound), at most limit
	// records (0: the size of a page). next is "" at the end, else the sort key to
	// begin after. No item needs to exist at next.
	page(ctx context.Context, table record.Table, pk record.Partition, bounds span, after string, limit int) (records []record.Record, next string, err error)
	// transact sends a TransactWriteItems. It returns *refusal with the failed
	// conditions, or errUnknown if the result is not known.
	transact(ctx context.Context, token string, actions []action) error
	// snapshot is TransactGetItems: the items as of one moment; a missing
	// one has no attributes.
	snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error)
	// index is a Query on an index, all pages.
	index(ctx context.Context, index record.Index, pk string) ([]record.Record, error)
}

// span bounds the sort keys of a Query.
type span struct{ first, last string }

// action is one action of a transaction: a Put if record has attributes, a
// Delete if not, a ConditionCheck with check.
type action struct {
	table  record.Table
	record record.Record
	check  bool
	when   condition
}

// condition is a condition on the item at the key of the action.
type condition struct {
	absent  bool         // no item
	equal   record.Attrs // an item, with these attributes; empty: any item
	missing []string     // and without these attributes
}

// publicItem takes the store's own attributes off a record.
func publicItem(r record.Record) record.Record {
	isOwn := func(name string) bool { return strings.HasPrefix(name, "_") }
	for name := range r.Attrs {
		if isOwn(name) {
			r = r.Clone() // most records have none
			maps.DeleteFunc(r.Attrs, func(name string, _ record.Value) bool { return isOwn(name) })
			break
		}
	}
	return r
}

func publicItems(records []record.Record) []record.Record {
	for i, r := range records {
		records[i] = publicItem(r)
	}
	return records
}

// onward follows a response that comes in pages. A page can be empty or short
// and still not be the last one. Only the key of the next page shows whether
// it is the last. onward detects a server that returns the same key twice,
// which would cause an endless loop.
type onward struct {
	what string // the subject of the read, for the error
	seen map[string]bool
}

// past records a key to resume after. All its attributes are texts. It returns
// ErrUnavailable if the key was recorded before.
func (o *onward) past(key item) error {
	var place strings.Builder
	for _, name := range slices.Sorted(maps.Keys(key)) {
		fmt.Fprintf(&place, "%q%q", name, attributeText(key[name]))
	}
	if o.seen[place.String()] {
		return repeatedPageError(o.what)
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[place.String()] = true
	return nil
}

// repeatedPageError returns the error for repeated pages, or for a page without the
// key of the next one.
func repeatedPageError(what string) error {
	return fmt.Errorf("%w: dynamo: the pages of %s do not advance", record.ErrUnavailable, what)
}
