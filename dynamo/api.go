package dynamo

import (
	"context"

	"github.com/superviber/blue-encrypted-store/record"
)

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
