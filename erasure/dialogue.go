package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
// Each step detects the work of earlier runs. If a run is stopped, the same run
// again finishes it. The tombstone is a record of table Dialogues:
//
//	PK, SK        as meta
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

// A DialogueReport reports the erasure of a dialogue by one run and the runs
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
	s          *seal.Sealer
	o          *seal.Operation
	id         string
	onlyHolder string        // the user who must be the only holder, or ""
	tombstone  record.Record // as stored
	since      time.Time     // when this run first saw the tombstone
	report     DialogueReport
}

// eraseDialogue erases a dialogue. The error is keys.ErrShared if onlyHolder is
// not "" and another user holds the dialogue too. It returns the other errors of
// Service.Dialogue too.
func eraseDialogue(ctx context.Context, s *seal.Sealer, id blue.DialogueID, onlyHolder string) (DialogueReport, error) {
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
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := r.s.Ring.BeginErase(ctx, r.id, r.onlyHolder); return err },
		func(ctx context.Context) error { return retryLost(ctx, r.putTombstone) },
		func(ctx context.Context) error { return r.s.Ring.DestroyWraps(ctx, r.id) },
		r.deleteItems,
		r.purge,
		func(ctx context.Context) error { return scrubErased(ctx, r.s.Records) },
		r.conclude,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	entry, err := r.s.Ring.FinishErase(ctx, r.id)
	if err == nil {
		r.fillReport(entry)
	}
	return err
}

// conclude stores the event of success.
func (r *dialogueErasure) conclude(ctx context.Context) error {
	stored, err := r.o.Conclude(ctx, func(e *audit.Event) {
		e.ItemCount, e.ItemsDigest = r.tombstone.Attrs[attrItems].Int(), r.tombstone.Attrs[attrDigest].Bin()
	})
	r.report.Event = placeOf(&stored)
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
		left, err := leftovers(ctx, r.s.Records, items[0].Key.Partition)
		if err != nil || left > 0 {
			return false, err
		}
		entry, err := registryEntry(ctx, r.s.Ring, r.id)
		if isDone = err == nil && entry.State == seal.StateErased; isDone {
			r.tombstone, r.report.Already = items[0], true
			r.fillReport(entry)
		}
		if errors.Is(err, blue.ErrNotFound) {
			err = nil
		}
		return isDone, err
	}
	if hasNoKeys && !isDamaged && len(items) == 0 {
		if _, err := audit.ReadCommit(ctx, r.s.Records, r.id, 1); !errors.Is(err, blue.ErrTampered) {
			return false, err
		}
	}
	return false, nil
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
	meta := record.MetaOf(items)
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
// which must name the destroyed records.
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

// maxBatch is the number of items that one commit deletes, below
// record.MaxChanges.
const maxBatch = 80

// deleteItems deletes all items but the tombstone, until none is found. On a
// record.Unsteady store, an item that was committed just before the tombstone
// can appear later. There it waits for that time and reads again.
func (r *dialogueErasure) deleteItems(ctx context.Context) error {
	for {
		found := 0
		err := retryLost(ctx, func(ctx context.Context) (err error) {
			found, err = r.deleteFound(ctx)
			return err
		})
		if err != nil {
			return err
		}
		u, isUnsteady := r.s.Records.(record.Unsteady)
		switch {
		case found > 0:
		case !isUnsteady || r.since.IsZero():
			return nil
		default:
			_, over := u.Settle()
			if err := retry.Sleep(ctx, time.Until(r.since.Add(over))); err != nil {
				return err
			}
			r.since = time.Time{}
		}
	}
}

// deleteFound deletes the items that are stored now and returns their number.
// Each commit counts in the tombstone what it deletes.
func (r *dialogueErasure) deleteFound(ctx context.Context) (found int, err error) {
	items, err := r.s.Records.Query(ctx, r.query())
	if err != nil {
		return 0, err
	}
	r.tombstone = record.MetaOf(items)
	if !record.IsErased(r.tombstone) {
		return 0, fmt.Errorf("%w: the tombstone was taken away; run it again", blue.ErrBusy)
	}
	items = slices.DeleteFunc(items, func(item record.Record) bool { return item.Key.Item == record.Meta })
	for batch := range slices.Chunk(items, maxBatch) {
		next := countInto(r.tombstone, batch)
		writes := []record.Write{{Table: record.Dialogues, Record: next, Prev: r.tombstone.Attrs}}
		for _, item := range batch {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{Key: item.Key}, Prev: conditionOn(item)})
		}
		if err := r.s.Records.Commit(ctx, writes); err != nil {
			return 0, err
		}
		r.tombstone = next
	}
	return len(items), nil
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

// scrubErased removes deleted bytes from the files of the store, if it has files.
func scrubErased(ctx context.Context, records record.Store) error {
	if files, ok := records.(record.Scrubber); ok {
		return files.Scrub(ctx)
	}
	return nil
}

// retryLost repeats a step while its commit is lost to other writers.
func retryLost(ctx context.Context, step func(context.Context) error) error {
	for n := range maxAttempts {
		if err := step(ctx); !seal.IsLost(err) {
			return err
		}
		if err := retry.Writers.Wait(ctx, n); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other writers were first %d times; run it again to continue", blue.ErrBusy, maxAttempts)
}
