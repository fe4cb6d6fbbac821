package copier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// Records and attributes of blue_keys (package keys).
const (
	keyHeaderItem = "head"
	attrState     = "state"
	stateActive   = "active"
	attrActive    = "active_version"
	// wrapSize is the size in bytes of a secret that is wrapped under a user's
	// key. A secret that was granted in KMS is longer.
	wrapSize = 60
)

// A source is a dialogue in the store that it is copied from.
type source struct {
	dialogue  string
	items     []record.Record // in key order, meta included
	meta      record.Record
	version   uint64 // root_version of meta: the number of its commits
	keyHeader record.Record
	wraps     []record.Record
	userKeys  []record.Record // the stored keys of users, under which wraps are encrypted
	events    []audit.Event   // of its commits, by version
}

func (s *source) partition() record.Partition { return record.DialoguePartition(s.dialogue) }

// life returns the hash of the event of the first commit. It identifies the
// incarnation and is equal in all copies.
func (s *source) life() string { return s.events[0].EventHash }

// maxReads is how often a dialogue is read if its keys change during the read.
const maxReads = 16

// readSource reads a dialogue, and then the audit log. So an event that is
// missing then is missing.
func readSource(ctx context.Context, from record.Store, id blue.DialogueID) (*source, error) {
	if _, err := blue.ParseDialogueID(string(id)); err != nil {
		return nil, err
	}
	for range maxReads {
		s := &source{dialogue: string(id)}
		changed, err := s.readItemsAndKeys(ctx, from)
		if err != nil {
			return nil, err
		}
		if !changed {
			return s, s.readEvents(ctx, from)
		}
	}
	return nil, fmt.Errorf("%w: its keys changed during each of %d reads", blue.ErrBusy, maxReads)
}

// readItemsAndKeys reads items and keys of one moment. Every change of a
// dialogue's keys changes their header (package keys, attribute turn). So if the
// header is the same before and after, the keys match the items. changed is true
// if it differs: a rotation can have deleted keys of items that were read.
func (s *source) readItemsAndKeys(ctx context.Context, from record.Store) (changed bool, err error) {
	before, err := from.Get(ctx, record.Keys, record.Key{Partition: s.partition(), Item: keyHeaderItem})
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		return false, err
	}
	if s.items, err = readItems(ctx, from, s.partition()); err != nil {
		return false, err
	}
	if err := s.checkItems(); err != nil {
		return false, err
	}
	keys, err := from.Query(ctx, record.Query{Table: record.Keys, Partition: s.partition()})
	if err != nil {
		return false, err
	}
	for _, r := range keys {
		switch {
		case r.Key.Item == keyHeaderItem:
			s.keyHeader = r
		case strings.HasPrefix(r.Key.Item, "wrap#"):
			s.wraps = append(s.wraps, r)
		}
	}
	if !maps.EqualFunc(before.Attrs, s.keyHeader.Attrs, record.Value.Equal) {
		return true, nil
	}
	if err := s.checkKeys(); err != nil {
		return false, err
	}
	return false, s.readUserKeys(ctx, from)
}

// readItems returns the items of a dialogue in key order.
func readItems(ctx context.Context, store record.Store, p record.Partition) ([]record.Record, error) {
	return store.Query(ctx, record.Query{Table: record.Dialogues, Partition: p, Exact: true})
}

// checkItems sets meta and version. It returns an error if the items are not a
// complete dialogue.
func (s *source) checkItems() error {
	if len(s.items) == 0 {
		return blue.ErrNotFound
	}
	var ok bool
	s.meta, ok = metaOf(s.items)
	s.version = versionOf(s.meta)
	switch {
	case !ok:
		return fmt.Errorf("%w: it has no meta", blue.ErrTampered)
	case record.IsUnfinished(s.meta):
		return fmt.Errorf("%w: it is an unfinished copy", blue.ErrBusy)
	case record.IsErased(s.meta):
		return blue.ErrErased
	case s.version == 0:
		return fmt.Errorf("%w: it has no sealed root", blue.ErrTampered)
	}
	return nil
}

func versionOf(meta record.Record) uint64 { return uint64(max(0, meta.Attrs["root_version"].Int())) }

func rootHashOf(meta record.Record) string { return audit.RootHash(meta.Attrs["root_sealed"].Bin()) }

func metaOf(items []record.Record) (meta record.Record, ok bool) {
	i := slices.IndexFunc(items, func(r record.Record) bool { return r.Key.Item == record.Meta })
	if i < 0 {
		return meta, false
	}
	return items[i], true
}

// checkKeys returns ErrSealed if the wrapped key of an item is missing, and
// ErrErased if the keys are being destroyed.
func (s *source) checkKeys() error {
	if s.keyHeader.Attrs == nil || len(s.wraps) == 0 {
		return fmt.Errorf("%w: it has no wrapped key", blue.ErrSealed)
	}
	if err := checkActive(s.keyHeader); err != nil {
		return err
	}
	wrapped := map[string]bool{} // by key id, dek#{dialogue}#{version}
	for _, w := range s.wraps {  // wrap#{version:010d}#{user}
		digits, _, _ := strings.Cut(strings.TrimPrefix(w.Key.Item, "wrap#"), "#")
		wrapped["dek#"+s.dialogue+"#"+strings.TrimLeft(digits, "0")] = true
	}
	for _, r := range s.items {
		if id := r.Attrs["key_id"].Str(); !wrapped[id] {
			return fmt.Errorf("%w: the wrapped key %.160q of %s is missing", blue.ErrSealed, id, r.Key.Item)
		}
	}
	return nil
}

// checkActive returns ErrErased unless the key header is active.
func checkActive(keyHeader record.Record) error {
	if state := keyHeader.Attrs[attrState].Str(); state != stateActive {
		return fmt.Errorf("%w: the state of its keys is %q", blue.ErrErased, state)
	}
	return nil
}

// readUserKeys reads the stored keys of the users, under which wraps are
// encrypted. A provider that derives these keys stores none.
func (s *source) readUserKeys(ctx context.Context, from record.Store) error {
	for _, wrap := range s.wraps {
		key := record.Key{Partition: record.UserPartition(wrap.Attrs["user"].Str()), Item: "kek"}
		if len(wrap.Attrs["wrapped"].Bin()) > wrapSize || slices.ContainsFunc(s.userKeys, func(r record.Record) bool { return r.Key == key }) {
			continue
		}
		r, err := from.Get(ctx, record.Keys, key)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s.userKeys = append(s.userKeys, r)
	}
	return nil
}

// readEvents reads the events of all commits and compares the newest with meta.
func (s *source) readEvents(ctx context.Context, from record.Store) error {
	events, err := audit.ReadCommits(ctx, from, s.dialogue)
	if uint64(len(events)) < s.version {
		if err == nil {
			err = fmt.Errorf("%w: the audit log has %d of %d commits", blue.ErrTampered, len(events), s.version)
		}
		return err
	}
	s.events = events[:s.version] // there are more if a writer committed since
	if s.events[s.version-1].RootHash != rootHashOf(s.meta) {
		return fmt.Errorf("%w: the newest event of the audit log belongs to another meta", blue.ErrTampered)
	}
	return nil
}
