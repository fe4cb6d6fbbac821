package copier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// Limits of one commit of events or pointers: it stays one plain transaction
// on the strictest store.
const (
	maxEvents     = 50
	maxEventBytes = 3 << 20
)

// putEvents copies the events of the commits to their places.
func (c *Copier) putEvents(ctx context.Context, src *source) error {
	var events []record.Record
	for _, e := range src.events {
		events = append(events, e.Writes(nil)[0].Record)
	}
	return c.putAudit(ctx, events)
}

// putPointers copies the pointers that are not there yet.
func (c *Copier) putPointers(ctx context.Context, src *source) error {
	there, err := c.To.Query(ctx, record.Query{Table: record.Audit, Partition: src.pk()})
	if err != nil {
		return err
	}
	found := make(map[string]record.Record, len(there))
	for _, r := range there {
		found[r.Key.Item] = r
	}
	var missing []record.Record
	for _, p := range src.pointers() {
		old, exists := found[p.Key.Item]
		if exists && !old.Equal(p) {
			return fmt.Errorf("%w: the audit log of the target holds another commit %s", blue.ErrConflict, p.Key.Item)
		}
		if !exists {
			missing = append(missing, p)
		}
	}
	return c.putAudit(ctx, missing)
}

// pointers leads to each of the events.
func (s *source) pointers() []record.Record {
	var pointers []record.Record
	for _, e := range s.events {
		pointers = append(pointers, e.Writes(nil)[1].Record)
	}
	return pointers
}

// putAudit puts records of the audit table that may be there already.
func (c *Copier) putAudit(ctx context.Context, records []record.Record) error {
	for len(records) > 0 {
		n, size := 0, 0
		for n < min(maxEvents, len(records)) && (n == 0 || size+records[n].Size() <= maxEventBytes) {
			size += records[n].Size()
			n++
		}
		if err := c.putChunk(ctx, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (c *Copier) putChunk(ctx context.Context, records []record.Record) error {
	missing := slices.Clone(records)
	for range 2 { // again without those that were there
		var writes []record.Write
		for _, r := range missing {
			writes = append(writes, record.Write{Table: record.Audit, Record: r})
		}
		err := c.To.Commit(ctx, writes)
		if err == nil {
			c.wrote(len(records))
			return nil
		}
		if !isConflict(err) {
			return err
		}
		if missing, err = c.absent(ctx, missing); err != nil {
			return err
		}
		if len(missing) == 0 {
			c.wrote(len(records))
			return nil
		}
	}
	return fmt.Errorf("%w: another copy is under way", blue.ErrBusy)
}

// absent returns the records that the target does not hold. ErrConflict if
// another stands at the key of one.
func (c *Copier) absent(ctx context.Context, records []record.Record) ([]record.Record, error) {
	var missing []record.Record
	for _, r := range records {
		old, err := c.To.Get(ctx, record.Audit, r.Key)
		switch {
		case errors.Is(err, blue.ErrNotFound):
			missing = append(missing, r)
		case err != nil:
			return nil, err
		case !old.Equal(r):
			return nil, fmt.Errorf("%w: the audit log of the target holds another event at %s %s", blue.ErrConflict, r.Key.Partition, r.Key.Item)
		}
	}
	return missing, nil
}

// boundary drafts the event that says what came from elsewhere.
func boundary(lease *audit.Lease, src *source) (e, void audit.Event, err error) {
	if e, err = lease.Draft(audit.Boundary, src.dialogue, src.head.Attrs["key_id"].Str(), audit.Success); err != nil {
		return e, void, err
	}
	e.RootVersion, e.ItemCount, e.ItemsDigest = src.version, int64(len(src.items)), audit.ItemsDigest(src.items)
	e.Close("")
	void, err = lease.Void(e)
	return e, void, err
}
