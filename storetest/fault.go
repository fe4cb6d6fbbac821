package storetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/superviber/blue-encrypted-store/record"
)

// Call is one call of a record store's method.
type Call struct {
	Method string // Get, Query, Commit or Index
	N      int    // number of calls of this method, this one included
	Table  record.Table
	Writes []record.Write // of a Commit
}

// A Faulty is a record store that fails where its functions return an error.
// Without functions it forwards all calls to Inner. It may be used concurrently
// after its functions are set.
type Faulty struct {
	Inner record.Store
	// Before is called first. If it returns an error, the call is not executed.
	Before func(Call) error
	// After is called when the call took effect. Its error hides the result.
	After func(Call) error
	// Read may change the records that Get and Query return.
	Read func([]record.Record) []record.Record

	mu     sync.Mutex
	counts map[string]int
	noted  noted
}

var _ record.Store = (*Faulty)(nil)

// ErrFault is the error of a planned fault. It means that the store cannot be
// reached.
var ErrFault = fmt.Errorf("%w: the connection was cut", record.ErrUnavailable)

// Heal removes all faults and sets the counters to 0.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Before, f.After, f.Read, f.counts = nil, nil, nil, nil
}

// begin counts a call.
func (f *Faulty) begin(method string, table record.Table, writes []record.Write) (Call, error) {
	f.mu.Lock()
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.counts[method]++
	c := Call{method, f.counts[method], table, writes}
	f.mu.Unlock()
	if f.Before == nil {
		return c, nil
	}
	return c, f.Before(c)
}

func (f *Faulty) end(c Call, err error) error {
	if err != nil || f.After == nil {
		return err
	}
	return f.After(c)
}

// Get implements record.Store.
func (f *Faulty) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	c, err := f.begin("Get", table, nil)
	if err != nil {
		return record.Record{}, err
	}
	r, err := f.Inner.Get(ctx, table, key)
	if err = f.end(c, err); err != nil {
		return record.Record{}, err
	}
	if f.Read != nil && table == record.Dialogues {
		records := f.Read([]record.Record{r.Clone()})
		if len(records) == 0 {
			return record.Record{}, record.ErrNotFound
		}
		r = records[0]
	}
	return r, nil
}

// Query implements record.Store.
func (f *Faulty) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	c, err := f.begin("Query", q.Table, nil)
	if err != nil {
		return nil, err
	}
	records, err := f.Inner.Query(ctx, q)
	if err = f.end(c, err); err != nil {
		return nil, err
	}
	if f.Read != nil && q.Table == record.Dialogues {
		for i := range records {
			records[i] = records[i].Clone()
		}
		records = f.Read(records)
	}
	return records, nil
}

// Commit implements record.Store.
func (f *Faulty) Commit(ctx context.Context, writes []record.Write) error {
	c, err := f.begin("Commit", writes[0].Table, writes)
	if err != nil {
		return err
	}
	err = f.Inner.Commit(ctx, writes)
	f.mu.Lock()
	f.noted.note(writes, err)
	f.mu.Unlock()
	return f.end(c, err)
}

// Index implements record.Store.
func (f *Faulty) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	c, err := f.begin("Index", record.Dialogues, nil)
	if err != nil {
		return nil, err
	}
	records, err := f.Inner.Index(ctx, index, pk)
	return records, f.end(c, err)
}

// Close implements record.Store.
func (f *Faulty) Close() error { return f.Inner.Close() }
