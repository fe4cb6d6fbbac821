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

// A relation compares the state in the target with the source.
type relation int

const (
	absent relation = iota // no dialogue, or an unfinished copy of the same dialogue
	older
	equal
	newer
)

// A target is the dialogue in the store that it is copied to.
type target struct {
	relation relation
	items    []record.Record
	meta     record.Record // without attributes if there is none
	version  uint64
}

// readTarget reads the target and compares it with the source. It returns
// ErrConflict if the target has another incarnation or branch.
func readTarget(ctx context.Context, to record.Store, src *source) (*target, error) {
	items, err := readItems(ctx, to, src.partition())
	if err != nil {
		return nil, err
	}
	t := &target{items: items, meta: record.MetaOf(items)}
	switch hasMeta := t.meta.Key.Item != ""; {
	case !hasMeta && len(items) > 0:
		return nil, fmt.Errorf("%w: the target holds items of it without meta", blue.ErrTampered)
	case !hasMeta:
		return t, nil
	case record.IsUnfinished(t.meta) && t.meta.Attrs[attrLife].Str() != src.life():
		return nil, fmt.Errorf("%w: the target holds an unfinished copy of another incarnation", blue.ErrConflict)
	case record.IsUnfinished(t.meta):
		return t, nil
	case record.IsErased(t.meta):
		return nil, fmt.Errorf("%w in the target; its id cannot be used again", blue.ErrErased)
	}
	t.version = versionOf(t.meta)
	t.relation, err = compareHistory(ctx, to, src, t)
	return t, err
}

// compareHistory compares the audit events of source and target.
func compareHistory(ctx context.Context, to record.Store, src *source, t *target) (relation, error) {
	first, err := audit.ReadCommit(ctx, to, src.dialogue, 1)
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return 0, err
	}
	if err != nil || first.EventHash != src.life() {
		return 0, fmt.Errorf("%w: the target holds another incarnation of the dialogue", blue.ErrConflict)
	}
	branched := fmt.Errorf("%w: the dialogue was written to in both stores; the target holds another version %d", blue.ErrConflict, min(t.version, src.version))
	switch {
	case t.version > src.version:
		e, err := audit.ReadCommit(ctx, to, src.dialogue, src.version)
		switch {
		case errors.Is(err, blue.ErrNotFound):
			return 0, fmt.Errorf("%w: the audit log of the target has no commit %d", blue.ErrTampered, src.version)
		case err != nil:
			return 0, err
		case e.EventHash != src.events[src.version-1].EventHash:
			return 0, branched
		}
		return newer, nil
	case t.version == 0 || src.events[t.version-1].RootHash != rootHashOf(t.meta):
		return 0, branched
	case t.version < src.version:
		return older, nil
	}
	return equal, nil
}

// copyDifference returns the writes that change the items old to the items want,
// without meta.
func copyDifference(want, old []record.Record) []record.Write {
	found := byItem(old)
	delete(found, record.Meta)
	var writes []record.Write
	for _, r := range want {
		was, exists := found[r.Key.Item]
		delete(found, r.Key.Item)
		if r.Key.Item == record.Meta || exists && was.Equal(r) {
			continue
		}
		w := record.Write{Table: record.Dialogues, Record: r}
		if exists {
			w.Prev = copyCondition(was)
		}
		writes = append(writes, w)
	}
	for _, r := range old {
		if _, extra := found[r.Key.Item]; extra {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{Key: r.Key}, Prev: copyCondition(r)})
		}
	}
	return writes
}

// copyCondition returns the attributes that prove that a record is unchanged. The
// MAC is sufficient, because it covers the other attributes.
func copyCondition(r record.Record) record.Attrs {
	if mac := r.Attrs["item_mac"]; len(mac.Bin()) > 0 {
		return record.Attrs{"item_mac": mac}
	}
	return r.Attrs
}

// Limits of one commit. Within them, each store uses a plain transaction.
const (
	maxWraps  = 50
	maxEvents = 50
	maxItems  = 80 // plus meta
	maxBytes  = 3 << 20
)

// Attributes of a placeholder meta, in addition to entity_type.
const (
	attrLife = "life" // S: source.life
	attrStep = "step" // N: number of commits, so that two concurrent copies conflict
)

// batchLen returns the number of writes for the next commit, at most max and at
// most maxBytes. It returns at least 1 if there is a write.
func batchLen(writes []record.Write, max int) int {
	n, size := 0, 0
	for n < min(max, len(writes)) && (n == 0 || size+writes[n].Record.Size() <= maxBytes) {
		size += writes[n].Record.Size()
		n++
	}
	return n
}

// byItem returns records by their sort keys.
func byItem(records []record.Record) map[string]record.Record {
	found := make(map[string]record.Record, len(records))
	for _, r := range records {
		found[r.Key.Item] = r
	}
	return found
}

// putKeys copies the wrapped keys that the target does not have. Every commit
// requires that the key header of the target is active, so no key is stored after
// an erasure has begun there.
func (c *Copier) putKeys(ctx context.Context, src *source) error {
	records, err := c.To.Query(ctx, record.Query{Table: record.Keys, Partition: src.partition()})
	if err != nil {
		return err
	}
	found := byItem(records)
	isActive := record.Write{
		Table: record.Keys, Check: true, Record: record.Record{Key: src.keyHeader.Key}, Prev: record.Attrs{attrState: record.S(stateActive)},
	}
	header := record.Write{Table: record.Keys, Record: src.keyHeader}
	if old, exists := found[keyHeaderItem]; exists {
		if err := checkActive(old); err != nil {
			return fmt.Errorf("in the target: %w", err)
		}
		header.Prev = old.Attrs
		if src.keyHeader.Attrs[attrActive].Int() <= old.Attrs[attrActive].Int() {
			header = isActive
		}
	}
	var writes []record.Write
	for _, r := range src.userKeys {
		// If a user has another key in the target, the wraps of the source could
		// not be unwrapped there.
		old, err := c.To.Get(ctx, record.Keys, r.Key)
		switch {
		case errors.Is(err, record.ErrNotFound):
			writes = append(writes, record.Write{Table: record.Keys, Record: r})
		case err != nil:
			return err
		case !old.Equal(r):
			return fmt.Errorf("%w: the target holds another key at %s", blue.ErrConflict, r.Key.Partition)
		}
	}
	for _, r := range src.wraps {
		old, exists := found[r.Key.Item]
		if exists && !old.Equal(r) {
			return fmt.Errorf("%w: the target holds another key at %s", blue.ErrConflict, r.Key.Item)
		}
		if !exists {
			writes = append(writes, record.Write{Table: record.Keys, Record: r})
		}
	}
	for len(writes) > 0 || !header.Check {
		n := min(maxWraps, len(writes))
		if err := c.To.Commit(ctx, append([]record.Write{header}, writes[:n]...)); err != nil {
			return err
		}
		c.addProgress(n)
		writes, header = writes[n:], isActive
	}
	return nil
}

// putEvents copies the events of the commits with their chains and seqs.
func (c *Copier) putEvents(ctx context.Context, src *source) error {
	var writes []record.Write
	for _, e := range src.events {
		writes = append(writes, e.Writes(nil)[0])
	}
	return c.putAudit(ctx, writes)
}

// putPointers copies the pointers that the target does not have.
func (c *Copier) putPointers(ctx context.Context, src *source) error {
	records, err := c.To.Query(ctx, record.Query{Table: record.Audit, Partition: src.partition()})
	if err != nil {
		return err
	}
	found := byItem(records)
	var missing []record.Write
	for _, e := range src.events {
		w := e.Writes(nil)[1]
		old, exists := found[w.Record.Key.Item]
		if exists && !old.Equal(w.Record) {
			return fmt.Errorf("%w: the audit log of the target holds another commit %s", blue.ErrConflict, w.Record.Key.Item)
		}
		if !exists {
			missing = append(missing, w)
		}
	}
	return c.putAudit(ctx, missing)
}

// putAudit stores records of the audit table, some of which can exist.
func (c *Copier) putAudit(ctx context.Context, writes []record.Write) error {
	for len(writes) > 0 {
		n := batchLen(writes, maxEvents)
		batch := writes[:n]
		for tries := 0; len(batch) > 0; tries++ {
			if tries == 2 {
				return fmt.Errorf("%w: another copy of the dialogue is in progress", blue.ErrBusy)
			}
			err := c.To.Commit(ctx, batch)
			if err == nil {
				break
			}
			if _, conflict := errors.AsType[*record.ConflictError](err); !conflict {
				return err
			}
			if batch, err = c.missing(ctx, batch); err != nil {
				return err
			}
		}
		c.addProgress(n)
		writes = writes[n:]
	}
	return nil
}

// missing returns the writes whose records the target does not have. It returns
// ErrConflict if the target has a different record for a key.
func (c *Copier) missing(ctx context.Context, writes []record.Write) ([]record.Write, error) {
	var missing []record.Write
	for _, w := range writes {
		key := w.Record.Key
		old, err := c.To.Get(ctx, record.Audit, key)
		switch {
		case errors.Is(err, blue.ErrNotFound):
			missing = append(missing, w)
		case err != nil:
			return nil, err
		case !old.Equal(w.Record):
			return nil, fmt.Errorf("%w: the audit log of the target holds another event at %s %s", blue.ErrConflict, key.Partition, key.Item)
		}
	}
	return missing, nil
}

// putItems stores items, meta, pointers and boundary event in one commit. If that
// is too large, it stores items in pieces first. It never updates an older state
// in pieces, because readers use that state.
func (c *Copier) putItems(ctx context.Context, src *source, t *target) error {
	writes := copyDifference(src.items, t.items)
	err := c.finish(ctx, src, t, writes)
	if errors.Is(err, blue.ErrTooLarge) && t.relation == absent && len(writes) > 0 {
		for more := true; more; more = batchLen(writes, maxItems) < len(writes) {
			if writes, err = c.putPiece(ctx, src, t, writes); err != nil {
				return err
			}
		}
		err = c.finish(ctx, src, t, writes)
	}
	if errors.Is(err, blue.ErrTooLarge) && t.relation == older {
		return fmt.Errorf("the target holds version %d, too far behind version %d for one commit; copy into an empty store: %w", t.version, src.version, err)
	}
	return err
}

// putPiece stores some items under a placeholder meta, and returns the remaining
// writes.
func (c *Copier) putPiece(ctx context.Context, src *source, t *target, writes []record.Write) ([]record.Write, error) {
	placeholder := record.Record{Key: src.meta.Key, Attrs: record.Attrs{
		"entity_type": record.S(record.Unfinished), attrLife: record.S(src.life()), attrStep: record.N(t.meta.Attrs[attrStep].Int() + 1),
	}}
	n := batchLen(writes, maxItems)
	piece := append([]record.Write{{Table: record.Dialogues, Record: placeholder, Prev: t.meta.Attrs}}, writes[:n]...)
	if err := c.To.Commit(ctx, piece); err != nil {
		return nil, err
	}
	t.meta = placeholder
	c.addProgress(n)
	return writes[n:], nil
}

// nearest is the number of the newest pointers in the commit of meta. With them,
// a reader finds the events of the last commits at once.
const nearest = 9

// finish makes the commit with the real meta, which makes the dialogue or its new
// state visible. It retries twice if its position in the audit log was voided.
func (c *Copier) finish(ctx context.Context, src *source, t *target, writes []record.Write) (err error) {
	meta := record.Write{Table: record.Dialogues, Record: src.meta}
	if t.meta.Attrs != nil {
		meta.Prev = copyCondition(t.meta)
	}
	all := append([]record.Write{meta}, writes...)
	for i, e := range src.events {
		version := uint64(i) + 1
		if version > t.version && (version == 1 || version+nearest > src.version) {
			all = append(all, e.Writes(nil)[1])
		}
	}
	for range 3 {
		lease, leaseErr := c.Log.Lease(ctx)
		if leaseErr != nil {
			return leaseErr
		}
		event, void, draftErr := boundary(lease, src)
		if draftErr != nil {
			lease.Failed()
			return draftErr
		}
		err = c.To.Commit(ctx, slices.Concat(all, event.Writes(&void)))
		lease.End(err, event, void)
		if err == nil {
			c.addProgress(len(all) + 1)
		}
		if _, voided := errors.AsType[*record.VoidedError](err); !voided {
			return err
		}
	}
	return err
}

// boundary returns the event that records the copy, and its void.
func boundary(lease *audit.Lease, src *source) (e, void audit.Event, err error) {
	if e, err = lease.Draft(audit.Boundary, src.dialogue, src.meta.Attrs["key_id"].Str(), audit.Success); err != nil {
		return e, void, err
	}
	e.RootVersion, e.ItemCount, e.ItemsDigest = src.version, int64(len(src.items)), audit.ItemsDigest(src.items)
	e.Close("")
	void, err = lease.Void(e)
	return e, void, err
}
