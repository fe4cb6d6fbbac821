package storetest

import (
	"context"
	"fmt"

	"github.com/superviber/blue-encrypted-store/record"
)

// chains is a store that reads each audit chain once. The first Get of an event
// queries the whole chain, so that a server receives one request for each chain
// and not for each event.
type chains struct {
	record.Store
	read map[record.Partition]map[string]record.Record // by PK, then SK
}

func (c *chains) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	if _, isEvent := key.Partition.Chain(); table != record.Audit || !isEvent {
		return c.Store.Get(ctx, table, key)
	}
	if err := c.fetch(ctx, key.Partition); err != nil {
		return record.Record{}, err
	}
	r, ok := c.read[key.Partition][key.Item]
	if !ok {
		return record.Record{}, fmt.Errorf("%w: record %s %s", record.ErrNotFound, key.Partition, key.Item)
	}
	return r, nil
}

func (c *chains) fetch(ctx context.Context, pk record.Partition) error {
	if c.read[pk] != nil {
		return nil
	}
	all, err := c.Store.Query(ctx, record.Query{Table: record.Audit, Partition: pk})
	if err != nil {
		return err
	}
	if c.read == nil {
		c.read = map[record.Partition]map[string]record.Record{}
	}
	c.read[pk] = map[string]record.Record{}
	for _, r := range all {
		c.read[pk][r.Key.Item] = r
	}
	return nil
}
