package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/superviber/blue-encrypted-store/record"
)

// Table returns a store as the table of keys. Whoever may not read or write a
// record there may not have the key: what the store calls record.ErrDenied is
// ErrDenied besides.
func Table(store record.Store) record.Store { return table{store} }

type table struct{ record.Store }

func (t table) Get(ctx context.Context, of record.Table, key record.Key) (record.Record, error) {
	r, err := t.Store.Get(ctx, of, key)
	return r, denied(err)
}

func (t table) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	all, err := t.Store.Query(ctx, q)
	return all, denied(err)
}

func (t table) Commit(ctx context.Context, writes []record.Write) error {
	return denied(t.Store.Commit(ctx, writes))
}

func denied(err error) error {
	if errors.Is(err, record.ErrDenied) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}
