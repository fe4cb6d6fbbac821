package copier

import (
	"context"
	"errors"
	"fmt"

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
	t := &target{items: items}
	var ok bool
	t.meta, ok = metaOf(items)
	switch {
	case !ok && len(items) > 0:
		return nil, fmt.Errorf("%w: the target holds items of it without meta", blue.ErrTampered)
	case !ok:
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

// difference returns the writes that change the items old to the items want,
// without meta.
func difference(want, old []record.Record) []record.Write {
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
			w.Prev = condition(was)
		}
		writes = append(writes, w)
	}
	for _, r := range old {
		if _, extra := found[r.Key.Item]; extra {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{Key: r.Key}, Prev: condition(r)})
		}
	}
	return writes
}

// condition returns the attributes that prove that a record is unchanged. The MAC
// is sufficient, because it covers the other attributes.
func condition(r record.Record) record.Attrs {
	if mac := r.Attrs["item_mac"]; len(mac.Bin()) > 0 {
		return record.Attrs{"item_mac": mac}
	}
	return r.Attrs
}
