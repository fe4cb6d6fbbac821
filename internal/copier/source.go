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

// source is a dialogue as one store holds it.
type source struct {
	dialogue string
	items    []record.Record // in key order, meta included
	head     record.Record   // meta
	version  uint64          // root_version of meta: the number of its commits
	keyHead  record.Record
	wraps    []record.Record
	userKeys []record.Record // stored keys of users, under which wraps lie
	events   []audit.Event   // of its commits, by version
}

func (s *source) pk() record.Partition { return record.DialoguePartition(s.dialogue) }

// life names the incarnation, the same in all copies: the hash of the event of
// its first commit.
func (s *source) life() string { return s.events[0].EventHash }

// maxReads bounds how often a dialogue is read again because its keys changed
// meanwhile.
const maxReads = 16

// read reads a dialogue, and the audit log after it: what the log lacks then is
// missing.
func read(ctx context.Context, from record.Store, id blue.DialogueID) (*source, error) {
	if _, err := blue.ParseDialogueID(string(id)); err != nil {
		return nil, err
	}
	for range maxReads {
		s := &source{dialogue: string(id)}
		again, err := s.readSealed(ctx, from)
		if err != nil {
			return nil, err
		}
		if !again {
			return s, s.readEvents(ctx, from)
		}
	}
	return nil, fmt.Errorf("%w: its keys changed %d times while it was read", blue.ErrBusy, maxReads)
}

// readSealed reads items and keys as of one moment. Every change of a dialogue's
// keys renews their head (package keys, attribute turn); so with the same head
// before and after, the keys are those under which the items lay. again says
// that it was another: a rotation that ended in between took keys away that the
// items were still sealed under when they were read.
func (s *source) readSealed(ctx context.Context, from record.Store) (again bool, err error) {
	before, err := from.Get(ctx, record.Keys, record.Key{Partition: s.pk(), Item: keyHead})
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		return false, err
	}
	if err := s.readItems(ctx, from); err != nil {
		return false, err
	}
	if err := s.readKeys(ctx, from); err != nil {
		return false, err
	}
	if !maps.EqualFunc(before.Attrs, s.keyHead.Attrs, record.Value.Equal) {
		return true, nil
	}
	if err := s.checkKeys(); err != nil {
		return false, err
	}
	return false, s.readUserKeys(ctx, from)
}

func (s *source) readItems(ctx context.Context, from record.Store) (err error) {
	if s.items, err = from.Query(ctx, record.Query{Table: record.Dialogues, Partition: s.pk(), Exact: true}); err != nil {
		return err
	}
	if len(s.items) == 0 {
		return blue.ErrNotFound
	}
	var ok bool
	if s.head, ok = headOf(s.items); !ok {
		return fmt.Errorf("%w: it has no meta", blue.ErrTampered)
	}
	if record.IsUnfinished(s.head) {
		return fmt.Errorf("%w: it is itself a copy that was not finished", blue.ErrBusy)
	}
	if record.IsErased(s.head) {
		return blue.ErrErased
	}
	if s.version = versionOf(s.head); s.version == 0 {
		return fmt.Errorf("%w: it has no sealed root", blue.ErrTampered)
	}
	return nil
}

func versionOf(head record.Record) uint64 { return uint64(max(0, head.Attrs["root_version"].Int())) }

func headOf(items []record.Record) (record.Record, bool) {
	for _, r := range items {
		if r.Key.Item == record.Meta {
			return r, true
		}
	}
	return record.Record{}, false
}

func (s *source) readKeys(ctx context.Context, from record.Store) error {
	keys, err := from.Query(ctx, record.Query{Table: record.Keys, Partition: s.pk()})
	if err != nil {
		return err
	}
	for _, r := range keys {
		switch {
		case r.Key.Item == keyHead:
			s.keyHead = r
		case strings.HasPrefix(r.Key.Item, "wrap#"):
			s.wraps = append(s.wraps, r)
		}
	}
	return nil
}

// checkKeys refuses a dialogue that has no wrapped key for one of its items.
func (s *source) checkKeys() error {
	if s.keyHead.Attrs == nil || len(s.wraps) == 0 {
		return fmt.Errorf("%w: there is no wrapped key of it", blue.ErrSealed)
	}
	if err := checkActive(s.keyHead); err != nil {
		return err
	}
	held := map[string]bool{}
	for _, w := range s.wraps {
		held[s.keyID(w)] = true
	}
	for _, r := range s.items {
		if id := r.Attrs["key_id"].Str(); !held[id] {
			return fmt.Errorf("%w: there is no wrapped key %.160q, under which %s is sealed", blue.ErrSealed, id, r.Key.Item)
		}
	}
	return nil
}

// keyID returns what items call the key in a wrap: of wrap#{version, ten
// digits}#{user}, dek#{dialogue}#{version}.
func (s *source) keyID(wrap record.Record) string {
	digits, _, _ := strings.Cut(strings.TrimPrefix(wrap.Key.Item, "wrap#"), "#")
	return "dek#" + s.dialogue + "#" + strings.TrimLeft(digits, "0")
}

// underUserKey is the size of a wrap that lies under a user's key; one that was
// granted in KMS is longer (package keys).
const underUserKey = 60

// readUserKeys reads the stored keys of the users, under which wraps lie. A
// provider that derives them stores none.
func (s *source) readUserKeys(ctx context.Context, from record.Store) error {
	for _, wrap := range s.wraps {
		at := record.Key{Partition: record.UserPartition(wrap.Attrs["user"].Str()), Item: "kek"}
		if len(wrap.Attrs["wrapped"].Bin()) > underUserKey || slices.ContainsFunc(s.userKeys, func(r record.Record) bool { return r.Key == at }) {
			continue
		}
		r, err := from.Get(ctx, record.Keys, at)
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

// checkActive refuses a dialogue whose keys are being destroyed, or are.
func checkActive(head record.Record) error {
	if state := head.Attrs[attrState].Str(); state != stateActive {
		return fmt.Errorf("%w: the state of its keys is %q", blue.ErrErased, state)
	}
	return nil
}

// readEvents reads the events of all commits and compares the newest with meta.
func (s *source) readEvents(ctx context.Context, from record.Store) error {
	events, err := audit.ReadCommits(ctx, from, s.dialogue)
	if uint64(len(events)) < s.version {
		if err == nil {
			err = fmt.Errorf("%w: the audit log holds %d of %d commits", blue.ErrTampered, len(events), s.version)
		}
		return err
	}
	s.events = events[:s.version] // more, if it was written to meanwhile
	if newest := s.events[s.version-1]; newest.RootHash != rootHash(s.head) {
		return fmt.Errorf("%w: the newest event of the audit log belongs to another meta", blue.ErrTampered)
	}
	return nil
}

func rootHash(head record.Record) string { return audit.RootHash(head.Attrs["root_sealed"].Bin()) }
