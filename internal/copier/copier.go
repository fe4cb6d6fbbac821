// Package copier copies encrypted dialogues from one record store to another. It
// copies items, wrapped keys and audit events byte by byte, so it needs no key.
//
// The package reads the source, checks what the target has, and orders the
// writes. It decrypts nothing (see encrypted), and it does not select dialogues
// (see cmd/blue-store).
//
// A Copier compares the source with the target, and writes the difference.
//
// # Order
//
// A copy that was interrupted is completed by another run. At no time does the
// target show a part of a dialogue:
//
//  1. The wrapped keys. Without items they have no effect.
//  2. The audit events, each with its chain and seq. No pointer leads to them yet.
//  3. One commit with meta, all items, the first and the newest pointers of the
//     audit log, and the boundary event.
//  4. The other pointers. A load and Verify need none of them. Only the report
//     of damaged items does.
//
// If step 3 is too large for one commit, items are stored in pieces first. Until
// the last commit stores the real meta, the partition has a placeholder meta
// ([record.Unfinished]), and readers ignore the rest of the partition.
//
// # The same dialogue
//
// Without a key, the copier compares two states by the audit log. The event of
// the first commit identifies the incarnation of a dialogue, because its hash
// covers a random chain and the sealed root. The event of each commit has the
// hash of the root at that time. If the target has another incarnation or
// another branch, Copy returns ErrConflict and leaves the target unchanged. If
// the target has an older state, one commit updates it.
package copier

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Status is what Copy did.
type Status string

// The statuses of a Result.
const (
	statusCopied  Status = "copied"        // the target did not have the dialogue
	statusUpdated Status = "updated"       // the target had an older state
	statusPresent Status = "already there" // the target had this state
)

// A Result describes the dialogue that the target has after Copy.
type Result struct {
	Status  Status `json:"status"`
	Items   int    `json:"items"`   // number of items, meta included
	Version uint64 `json:"version"` // root_version, the number of commits
	Events  int    `json:"events"`  // number of audit events of the commits
	Wraps   int    `json:"wraps"`   // number of wrapped keys
	Digest  string `json:"digest"`  // audit.ItemsDigest, 64 hex digits
}

// A Copier copies dialogues from one store to another. Its methods must not be
// called concurrently.
type Copier struct {
	From, To record.Store // From is only read
	// Log writes the boundary events. It must be a log of To.
	Log *audit.Log
	// Progress receives the number of written records and their approximate
	// total. It may be nil.
	Progress func(done, total int)

	done, total int
}

// Copy copies one dialogue, and then compares the target with the source, record
// by record. It returns:
//
//   - ErrNotFound if From does not have the dialogue
//   - ErrConflict if To has another incarnation, another branch, a newer state
//     or other keys. The dialogue in To is unchanged
//   - ErrTampered if items and audit log of From do not match
//   - ErrSealed if From does not have the wrapped key of an item
//   - ErrErased if the dialogue is erased or being erased in one of the stores
//   - ErrTooLarge if To has an older state and the update needs more than one
//     commit
//   - ErrBusy if another process changed the dialogue or copies it too
//   - errors of the stores and of the log
func (c *Copier) Copy(ctx context.Context, id blue.DialogueID) (Result, error) {
	src, err := readSource(ctx, c.From, id)
	if err != nil {
		return Result{}, fmt.Errorf("reading dialogue %s of the source: %w", id, err)
	}
	c.done, c.total = 0, len(src.items)+2*len(src.events)+len(src.wraps)+1
	status, err := c.write(ctx, src)
	if err == nil {
		err = c.compare(ctx, src)
	}
	if err != nil {
		return Result{}, fmt.Errorf("copying dialogue %s: %w", id, err)
	}
	return Result{status, len(src.items), src.version, len(src.events), len(src.wraps), hex.EncodeToString(audit.ItemsDigest(src.items))}, nil
}

func (c *Copier) write(ctx context.Context, src *source) (Status, error) {
	t, err := readTarget(ctx, c.To, src)
	if err != nil {
		return "", err
	}
	if t.relation == newer {
		if err := c.putPointers(ctx, src); err != nil { // an interrupted copy can have left them out
			return "", err
		}
		return "", fmt.Errorf("%w: the target holds version %d, the source version %d", blue.ErrConflict, t.version, src.version)
	}
	if err := c.putKeys(ctx, src); err != nil {
		return "", err
	}
	status := statusPresent
	if t.relation != equal {
		if err := c.putEvents(ctx, src); err != nil {
			return "", err
		}
		if err := c.putItems(ctx, src, t); err != nil {
			return "", err
		}
		status = statusCopied
		if t.relation == older {
			status = statusUpdated
		}
	}
	return status, c.putPointers(ctx, src)
}

// compare reads the target again and compares every item byte by byte.
func (c *Copier) compare(ctx context.Context, src *source) error {
	items, err := readItems(ctx, c.To, src.partition())
	if err != nil {
		return err
	}
	if !record.MetaOf(items).Equal(src.meta) {
		return fmt.Errorf("%w: another process changed the target during the copy", blue.ErrBusy)
	}
	if diff := copyDifference(src.items, items); len(diff) > 0 {
		return fmt.Errorf("%w: %s of the target differs from the source", blue.ErrTampered, diff[0].Record.Key.Item)
	}
	return nil
}

// addProgress counts written records and reports them.
func (c *Copier) addProgress(n int) {
	c.done += n
	if c.Progress != nil {
		c.Progress(min(c.done, c.total), c.total)
	}
}

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
	s.meta = record.MetaOf(s.items)
	s.version = versionOf(s.meta)
	switch {
	case s.meta.Key.Item == "":
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
