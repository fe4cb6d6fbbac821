package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// The erasure of a dialogue uses no key and no plaintext, so it works if the key
// is lost. Its steps are in an order in which a crash cannot bring anything back:
//
//	erase intent    the event, before anything is destroyed
//	BeginErase      the key header becomes erasing: no key can be stored any more
//	tombstone       replaces meta: no commit can succeed any more
//	Destroy         deletes the wrapped keys: nothing can be decrypted any more
//	delete          deletes all other items in batches, then the leftovers of commits
//	scrub           removes deleted bytes from the files of the store
//	erase success   the event, with the number of items and their digest
//	FinishErase     the key header becomes erased
//
// Each step finds out what is done already. If a run is stopped, the same run
// again finishes it. The tombstone is a record of table Dialogues:
//
//	PK, SK        those of meta
//	entity_type   S  erased
//	erased_at     S  when the tombstone was written
//	items         N  records destroyed so far, with meta
//	items_digest  B  32 bytes: SHA-256(digest so far ‖ audit.ItemsDigest(batch)), for each batch
//
// It has no attribute of an index, so no list shows it.
const (
	attrEntity = "entity_type"
	attrErased = "erased_at"
	attrItems  = "items"
	attrDigest = "items_digest"
)

// maxAttempts is the number of consecutive attempts of a step that may be lost
// to other writers.
const maxAttempts = 64

// A DialogueReport says what was erased of a dialogue, by one run and the runs
// before it.
type DialogueReport struct {
	Dialogue   blue.DialogueID `json:"dialogue"`
	Items      int64           `json:"items"`        // stored records, with meta
	Digest     string          `json:"items_digest"` // over them, 64 hex digits
	Wraps      []string        `json:"wraps"`        // SHA-256 of each wrapped key, 64 hex digits
	StartedAt  string          `json:"started_at"`
	FinishedAt string          `json:"finished_at"`
	Already    bool            `json:"already"` // nothing was left to do, and Event is empty
	Event      Event           `json:"event"`   // of the outcome
}

// A dialogueErasure is one run.
type dialogueErasure struct {
	s          *seal.Store
	o          *seal.Operation
	id         string
	onlyHolder string        // the user who must be the only holder, or ""
	tombstone  record.Record // as stored
	since      time.Time     // when this run first saw the tombstone
	report     DialogueReport
}

// eraseDialogue erases a dialogue. The error is keys.ErrShared if onlyHolder is
// not "" and another user holds the dialogue too. Other errors are those of
// Service.Dialogue.
func eraseDialogue(ctx context.Context, s *seal.Store, id blue.DialogueID, onlyHolder string) (DialogueReport, error) {
	if _, err := blue.ParseDialogueID(string(id)); err != nil {
		return DialogueReport{}, err
	}
	r := &dialogueErasure{s: s, id: string(id), onlyHolder: onlyHolder, report: DialogueReport{Dialogue: id}}
	if err := s.Run(ctx, "erase", audit.Erase, r.id, r.run); err != nil {
		return r.report, fmt.Errorf("erasing dialogue %s: %w", id, err)
	}
	return r.report, nil
}

func (r *dialogueErasure) run(ctx context.Context, o *seal.Operation) error {
	r.o = o
	isDone, err := r.readState(ctx)
	if err != nil || isDone {
		return err
	}
	if err := o.Record(ctx, audit.Intent, seal.NoDetails); err != nil {
		return err
	}
	o.Started = true
	if _, err := r.s.Ring.BeginErase(ctx, r.id, r.onlyHolder); err != nil {
		return err
	}
	if err := retryLost(ctx, func() error { return r.putTombstone(ctx) }); err != nil {
		return err
	}
	if err := r.s.Ring.DestroyWraps(ctx, r.id); err != nil {
		return err
	}
	if err := r.deleteItems(ctx); err != nil {
		return err
	}
	if err := r.purge(ctx); err != nil {
		return err
	}
	if err := scrub(ctx, r.s.Records); err != nil {
		return err
	}
	stored, err := o.Conclude(ctx, func(e *audit.Event) {
		e.ItemCount, e.ItemsDigest = r.tombstone.Attrs[attrItems].Int(), r.tombstone.Attrs[attrDigest].Bin()
	})
	if err != nil {
		return err
	}
	r.report.Event = placeOf(&stored)
	entry, err := r.s.Ring.FinishErase(ctx, r.id)
	if err == nil {
		r.fillReport(entry)
	}
	return err
}

// readState reports whether the dialogue is erased already, and then fills the
// report. The error is blue.ErrNotFound if the dialogue never existed.
func (r *dialogueErasure) readState(ctx context.Context) (isDone bool, err error) {
	status, err := r.s.Ring.Status(ctx, r.id)
	hasNoKeys := errors.Is(err, blue.ErrNotFound)
	if err != nil && !hasNoKeys {
		return false, err
	}
	if status.Active > 0 {
		r.o.KeyID = fmt.Sprintf("dek#%s#%d", r.id, status.Active)
	}
	items, err := r.s.Records.Query(ctx, r.query())
	isDamaged := errors.Is(err, blue.ErrTampered) // the store found items and cannot read them
	if err != nil && !isDamaged {
		return false, err
	}
	if status.State == seal.StateErased && len(status.Fingerprints()) == 0 && len(items) == 1 && record.IsErased(items[0]) {
		if left, err := leftovers(ctx, r.s.Records, items[0].Key.Partition); err != nil || left > 0 {
			return false, err
		}
		entry, err := registryEntry(ctx, r.s.Ring, r.id)
		if err == nil && entry.State == seal.StateErased {
			r.tombstone, r.report.Already = items[0], true
			r.fillReport(entry)
			return true, nil
		}
		if errors.Is(err, blue.ErrNotFound) {
			err = nil
		}
		return false, err
	}
	if !hasNoKeys || isDamaged || len(items) > 0 {
		return false, nil
	}
	_, err = audit.ReadCommit(ctx, r.s.Records, r.id, 1)
	if errors.Is(err, blue.ErrTampered) {
		return false, nil
	}
	return false, err
}

// fillReport fills the report from the registry and the tombstone.
func (r *dialogueErasure) fillReport(entry keys.Erasure) {
	r.report.Wraps, r.report.StartedAt, r.report.FinishedAt = entry.Wraps, entry.StartedAt, entry.FinishedAt
	r.report.Items = r.tombstone.Attrs[attrItems].Int()
	r.report.Digest = hex.EncodeToString(r.tombstone.Attrs[attrDigest].Bin())
}

func (r *dialogueErasure) query() record.Query {
	return record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(r.id), ForUpdate: true}
}

// putTombstone replaces meta by the tombstone.
func (r *dialogueErasure) putTombstone(ctx context.Context) error {
	if err := r.purge(ctx); err != nil { // the rest of a lost commit would block the tombstone
		return err
	}
	items, err := r.s.Records.Query(ctx, r.query())
	if err != nil {
		return err
	}
	meta := metaOf(items)
	if record.IsErased(meta) {
		r.tombstone, r.since = meta, time.Now()
		return nil
	}
	put := record.Write{Table: record.Dialogues, Record: record.Record{Key: record.MetaKey(r.id), Attrs: record.Attrs{
		attrEntity: record.S(record.Erased),
		attrErased: record.S(r.s.Now().UTC().Format(record.TimeLayout)),
		attrItems:  record.N(0),
		attrDigest: record.B(make([]byte, sha256.Size)),
	}}}
	if meta.Key.Item != "" {
		put.Prev = conditionOn(meta)
		put.Record = countInto(put.Record, []record.Record{meta})
	}
	if err := r.s.Records.Commit(ctx, []record.Write{put}); err != nil {
		return err
	}
	r.tombstone, r.since = put.Record, time.Now()
	return nil
}

// countInto returns a tombstone that also counts the destroyed records.
func countInto(tombstone record.Record, destroyed []record.Record) record.Record {
	next := tombstone.Clone()
	digest := sha256.Sum256(append(append([]byte(nil), tombstone.Attrs[attrDigest].Bin()...), audit.ItemsDigest(destroyed)...))
	next.Attrs[attrItems] = record.N(tombstone.Attrs[attrItems].Int() + int64(len(destroyed)))
	next.Attrs[attrDigest] = record.B(digest[:])
	return next
}

// maxCondition bounds in bytes the condition on a record without a MAC.
const maxCondition = 4 << 10

// conditionOn returns the condition that a record is still the one that was
// read: its MAC, or, without a MAC, as many attributes as fit. No writer can
// change a record under a tombstone. The condition keeps the digest correct,
// which must name what was destroyed.
func conditionOn(r record.Record) record.Attrs {
	if mac := seal.Identifying(r); mac != nil {
		return mac
	}
	found, size := record.Attrs{}, 0
	for _, name := range r.Names() {
		v := r.Attrs[name]
		if size += len(name) + len(v.Canonical()); size > maxCondition {
			break
		}
		found[name] = v
	}
	return found
}

// deleteItems deletes all items but the tombstone, until none is found. On a
// record.Unsteady store, an item that was committed just before the tombstone
// can appear later. There it waits for that time and reads once again.
func (r *dialogueErasure) deleteItems(ctx context.Context) error {
	for {
		left, err := r.readOthers(ctx)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			if err := retryLost(ctx, func() error { return r.deleteBatches(ctx) }); err != nil {
				return err
			}
			continue
		}
		u, isUnsteady := r.s.Records.(record.Unsteady)
		if !isUnsteady || r.since.IsZero() {
			return nil
		}
		_, over := u.Settle()
		if err := retry.Sleep(ctx, time.Until(r.since.Add(over))); err != nil {
			return err
		}
		r.since = time.Time{}
	}
}

// readOthers returns the items other than the tombstone.
func (r *dialogueErasure) readOthers(ctx context.Context) ([]record.Record, error) {
	items, err := r.s.Records.Query(ctx, r.query())
	if err != nil {
		return nil, err
	}
	r.tombstone = metaOf(items)
	if !record.IsErased(r.tombstone) {
		return nil, fmt.Errorf("%w: the tombstone was taken away; run it again", blue.ErrBusy)
	}
	left := make([]record.Record, 0, len(items))
	for _, item := range items {
		if item.Key.Item != record.Meta {
			left = append(left, item)
		}
	}
	return left, nil
}

// maxBatch is the number of items that one commit deletes, below
// record.MaxChanges.
const maxBatch = 80

// deleteBatches deletes the items that are stored now. Each commit counts in the
// tombstone what it deletes.
func (r *dialogueErasure) deleteBatches(ctx context.Context) error {
	left, err := r.readOthers(ctx)
	for err == nil && len(left) > 0 {
		batch := left[:min(maxBatch, len(left))]
		left = left[len(batch):]
		next := countInto(r.tombstone, batch)
		writes := []record.Write{{Table: record.Dialogues, Record: next, Prev: r.tombstone.Attrs}}
		for _, item := range batch {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{Key: item.Key}, Prev: conditionOn(item)})
		}
		if err = r.s.Records.Commit(ctx, writes); err == nil {
			r.tombstone = next
		}
	}
	return err
}

func (r *dialogueErasure) purge(ctx context.Context) error {
	if p, ok := r.s.Records.(record.Purger); ok {
		return p.Purge(ctx, record.DialoguePartition(r.id))
	}
	return nil
}

// leftovers counts the leftovers of commits to a partition.
func leftovers(ctx context.Context, records record.Store, pk record.Partition) (int, error) {
	if p, ok := records.(record.Purger); ok {
		return p.Leftovers(ctx, pk)
	}
	return 0, nil
}

// scrub removes deleted bytes from the files of the store, if it has files.
func scrub(ctx context.Context, records record.Store) error {
	if files, ok := records.(record.Scrubber); ok {
		return files.Scrub(ctx)
	}
	return nil
}

// retryLost repeats a step while its commit is lost to other writers.
func retryLost(ctx context.Context, step func() error) error {
	for n := range maxAttempts {
		if err := step(); !seal.IsLost(err) {
			return err
		}
		if err := retry.Writers.Wait(ctx, n); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other writers were first %d times; run it again to continue", blue.ErrBusy, maxAttempts)
}

// metaOf returns the meta item of a partition, or a zero record.
func metaOf(items []record.Record) record.Record {
	for _, r := range items {
		if r.Key.Item == record.Meta {
			return r
		}
	}
	return record.Record{}
}
