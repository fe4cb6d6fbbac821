// Package memory is a record.Store that keeps records in maps under a mutex.
//
// It serves tests, and it is the reference for authors of other backends. Its
// records are lost when the process ends. The embedded backend with files is
// package sqlite. The cases that every backend must pass are in
// record/recordtest.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/superviber/blue-encrypted-store/record"
)

// A Store is a record.Store in memory. Create one with [New].
type Store struct {
	mu     sync.RWMutex
	tables map[record.Table]table // nil once closed
}

// table maps partitions to sort keys to attributes.
type table map[record.Partition]map[string]record.Attrs

var _ record.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{tables: map[record.Table]table{
		record.Dialogues: {},
		record.Audit:     {},
		record.Keys:      {},
	}}
}

// Get implements [record.Store]. The result shares no memory with the store.
func (s *Store) Get(ctx context.Context, name record.Table, key record.Key) (record.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.table(ctx, name)
	if err != nil {
		return record.Record{}, err
	}
	attrs, ok := t[key.Partition][key.Item]
	if !ok {
		return record.Record{}, fmt.Errorf("%w: record %s %s", record.ErrNotFound, key.Partition, key.Item)
	}
	return record.Record{Key: key, Attrs: deepCopy(attrs)}, nil
}

// Query implements [record.Store]. The result shares no memory with the store.
func (s *Store) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if err := record.CheckQuery(q); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.table(ctx, q.Table)
	if err != nil {
		return nil, err
	}
	partition := t[q.Partition]
	sks := slices.Sorted(maps.Keys(partition))
	sks = slices.DeleteFunc(sks, func(sk string) bool { return sk <= q.After })
	if q.Limit > 0 {
		sks = sks[:min(q.Limit, len(sks))]
	}
	records := make([]record.Record, 0, len(sks))
	for _, sk := range sks {
		records = append(records, record.Record{
			Key:   record.Key{Partition: q.Partition, Item: sk},
			Attrs: deepCopy(partition[sk]),
		})
	}
	return records, nil
}

// Commit implements [record.Store]. If the condition on the meta item and another
// condition fail, the ConflictError names the other one.
func (s *Store) Commit(ctx context.Context, writes []record.Write) error {
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.table(ctx, writes[0].Table); err != nil {
		return err
	}
	err := record.CheckConditions(writes, func(w record.Write) (record.Attrs, bool, error) {
		attrs, exists := s.tables[w.Table][w.Record.Key.Partition][w.Record.Key.Item]
		return attrs, exists, nil
	})
	if err != nil {
		return err
	}
	for _, w := range writes {
		s.apply(w)
	}
	return nil
}

// apply applies one write. The caller must hold the mutex.
func (s *Store) apply(w record.Write) {
	k := w.Record.Key
	t := s.tables[w.Table]
	switch {
	case w.Check:
	case len(w.Record.Attrs) == 0:
		delete(t[k.Partition], k.Item)
		if len(t[k.Partition]) == 0 {
			delete(t, k.Partition)
		}
	default:
		if t[k.Partition] == nil {
			t[k.Partition] = map[string]record.Attrs{}
		}
		t[k.Partition][k.Item] = deepCopy(w.Record.Attrs)
	}
}

// Index implements [record.Store]. It leaves out binary attributes, because other
// backends do not return them.
func (s *Store) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	if index != record.ByStatus && index != record.ByTensionStatus && index != record.ByExpert {
		return nil, fmt.Errorf("%w: record: unknown index %q", record.ErrInvalid, index)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.table(ctx, record.Dialogues)
	if err != nil {
		return nil, err
	}
	first, second := string(index)+"PK", string(index)+"SK"
	var records []record.Record
	for p, partition := range t {
		for sk, attrs := range partition {
			if pk == "" || !attrs[first].Equal(record.S(pk)) || attrs[second].Str() == "" {
				continue
			}
			attrs = maps.Clone(attrs)
			maps.DeleteFunc(attrs, func(_ string, v record.Value) bool { return v.Type() == record.Bytes })
			records = append(records, record.Record{Key: record.Key{Partition: p, Item: sk}, Attrs: attrs})
		}
	}
	slices.SortFunc(records, func(a, b record.Record) int {
		return cmp.Or(
			cmp.Compare(a.Attrs[second].Str(), b.Attrs[second].Str()),
			cmp.Compare(a.Key.Partition, b.Key.Partition),
			cmp.Compare(a.Key.Item, b.Key.Item))
	})
	return records, nil
}

// Close implements [record.Store]. The records are lost.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = nil
	return nil
}

// table returns a table. It returns an error if the context has ended or the
// store is closed. The caller must hold the mutex.
func (s *Store) table(ctx context.Context, name record.Table) (table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.tables == nil {
		return nil, fmt.Errorf("%w: the store is closed", record.ErrUnavailable)
	}
	t, ok := s.tables[name]
	if !ok {
		return nil, fmt.Errorf("%w: record: unknown table %q", record.ErrInvalid, name)
	}
	return t, nil
}

// deepCopy returns a copy of attributes and bytes, so that the caller and the
// store share no memory.
func deepCopy(attrs record.Attrs) record.Attrs {
	c := make(record.Attrs, len(attrs))
	for name, v := range attrs {
		if v.Type() == record.Bytes {
			v = record.B(bytes.Clone(v.Bin()))
		}
		c[name] = v
	}
	return c
}
