package copier

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// stand is how a target stands to the source.
type stand int

const (
	fresh  stand = iota // nothing, or an unfinished copy of this very dialogue
	behind              // an older state
	same
	ahead // a newer state
)

// target is what the other store holds of the dialogue.
type target struct {
	stand   stand
	items   []record.Record
	head    record.Record // no attributes if there is none
	version uint64
}

// look compares a target with the source. ErrConflict for another incarnation
// or branch.
func look(ctx context.Context, to record.Store, src *source) (*target, error) {
	items, err := to.Query(ctx, record.Query{Table: record.Dialogues, Partition: src.pk(), Exact: true})
	if err != nil {
		return nil, err
	}
	t := &target{items: items}
	var there bool
	if t.head, there = headOf(items); !there {
		if len(items) > 0 {
			return nil, fmt.Errorf("%w: the target holds items of it without meta", blue.ErrTampered)
		}
		return t, nil
	}
	if record.IsUnfinished(t.head) {
		if t.head.Attrs[attrLife].Str() != src.life() {
			return nil, fmt.Errorf("%w: the target holds an unfinished copy of another incarnation", blue.ErrConflict)
		}
		return t, nil
	}
	if record.IsErased(t.head) {
		return nil, fmt.Errorf("%w in the target; its id is not given again", blue.ErrErased)
	}
	t.version = versionOf(t.head)
	t.stand, err = compareHistory(ctx, to, src, t)
	return t, err
}

// compareHistory tells by the audit events which of the two is the older.
func compareHistory(ctx context.Context, to record.Store, src *source, t *target) (stand, error) {
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
		then, err := audit.ReadCommit(ctx, to, src.dialogue, src.version)
		switch {
		case errors.Is(err, blue.ErrNotFound):
			return 0, fmt.Errorf("%w: the audit log of the target has no commit %d", blue.ErrTampered, src.version)
		case err != nil:
			return 0, err
		case then.EventHash != src.events[src.version-1].EventHash:
			return 0, branched
		}
		return ahead, nil
	case t.version == 0 || src.events[t.version-1].RootHash != rootHash(t.head):
		return 0, branched
	case t.version < src.version:
		return behind, nil
	}
	return same, nil
}

// difference returns the writes that turn what is there into what is wanted,
// meta apart.
func difference(want, there []record.Record) []record.Write {
	found := make(map[string]record.Record, len(there))
	for _, r := range there {
		found[r.Key.Item] = r
	}
	var writes []record.Write
	for _, r := range want {
		old, exists := found[r.Key.Item]
		delete(found, r.Key.Item)
		if r.Key.Item == record.Meta || exists && old.Equal(r) {
			continue
		}
		w := record.Write{Table: record.Dialogues, Record: r}
		if exists {
			w.Prev = condition(old)
		}
		writes = append(writes, w)
	}
	for _, r := range there {
		if _, extra := found[r.Key.Item]; extra && r.Key.Item != record.Meta {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{Key: r.Key}, Prev: condition(r)})
		}
	}
	return writes
}

// condition is that a record is still the one that was read: its MAC covers
// the rest of it.
func condition(r record.Record) record.Attrs {
	if mac := r.Attrs["item_mac"]; len(mac.Bin()) > 0 {
		return record.Attrs{"item_mac": mac}
	}
	return r.Attrs
}
