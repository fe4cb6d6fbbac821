package encrypted

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// An erasure takes no key and no plaintext, so it works where the key is gone.
// Its steps, in an order that loses nothing a crash could bring back:
//
//	erase intent        the event, before anything is destroyed
//	BeginErase          the key head turns erasing: no key can be put any more
//	tombstone           in the place of meta: no commit can land any more
//	Destroy             the wrapped keys go: nothing can be opened any more
//	delete              all other items, some at a time, then the store's own leftovers
//	scrub               the store's files, where deleted bytes stay in them
//	erase success       the event, with the number of items and their digest
//	FinishErase         the key head turns erased
//
// Each step finds by itself what is done already; so stopped anywhere, the same
// run again finishes. The tombstone, a record of blue_dialogues:
//
//	PK, SK        as those of meta
//	entity_type   S  erased
//	erased_at     S  when the tombstone was put
//	items         N  records destroyed so far, meta included
//	items_digest  B  32, folded over them: SHA-256(digest so far ‖ audit.ItemsDigest(batch))
//
// It carries no attribute of an index, so no list shows it.
const (
	attrEntity = "entity_type"
	attrErased = "erased_at"
	attrItems  = "items"
	attrDigest = "items_digest"

	timeLayout = record.TimeLayout
)

// EventPlace says where an event stands.
type EventPlace struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Hash  string `json:"event_hash"`
}

// Erasure says what was erased, by this run and those before it.
type Erasure struct {
	Dialogue   blue.DialogueID `json:"dialogue"`
	Items      int64           `json:"items"`        // stored records, meta included
	Digest     string          `json:"items_digest"` // 64 hex digits
	Wraps      []string        `json:"wraps"`        // SHA-256 of each wrapped key, 64 hex digits
	StartedAt  string          `json:"started_at"`
	FinishedAt string          `json:"finished_at"`
	Already    bool            `json:"already"` // there was nothing left to do, and Event is empty
	Event      EventPlace      `json:"event"`   // of the outcome
}

// Erase destroys a dialogue for good: its wrapped keys, then its items. What
// stays is the tombstone, the audit log, and a line in the registry of
// erasures. Afterwards every use is blue.ErrErased, and the id is never given
// again. It needs no key. Run again it goes on where it was stopped, or changes
// nothing. Copies elsewhere are not reached: package erasure lists them.
//
// Errors: ErrNotFound where there is no trace of such a dialogue; ErrBusy when
// other writers, or readers of the files, were in the way: run it again;
// ErrAudit; ErrInvalid; the store's own.
func (e *EncryptedStore[S, K]) Erase(ctx context.Context, id blue.DialogueID) (Erasure, error) {
	return e.sealing.erase(ctx, id, "")
}

// ReplayErasures erases again what the registry of erasures names, as must be
// done after a restore of the data before anybody uses it. What is erased
// already comes back with Already set. It goes on after an error and returns
// them joined.
func (e *EncryptedStore[S, K]) ReplayErasures(ctx context.Context) ([]Erasure, error) {
	lines, err := e.sealing.ring.Erasures(ctx)
	if err != nil {
		return nil, err
	}
	var all []Erasure
	var errs []error
	for _, line := range lines {
		done, err := e.sealing.erase(ctx, blue.DialogueID(line.Dialogue), "")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, done)
	}
	return all, errors.Join(errs...)
}

// eraser is one run.
type eraser struct {
	s      *sealing
	o      *operation
	alone  string        // the user who must be its only holder; "" if that does not matter
	tomb   record.Record // as it stands, once it does
	since  time.Time     // when this run saw it first
	report Erasure
}

// erase is Erase; keys.ErrShared where alone is not "" and another user holds the
// dialogue too.
func (s *sealing) erase(ctx context.Context, id blue.DialogueID, alone string) (Erasure, error) {
	if _, err := blue.ParseDialogueID(string(id)); err != nil {
		return Erasure{}, err
	}
	ctx, o := s.operate(ctx, "erase", audit.Erase, string(id))
	r := &eraser{s: s, o: o, alone: alone, report: Erasure{Dialogue: id}}
	if err := o.end(ctx, r.all(ctx)); err != nil {
		return r.report, fmt.Errorf("erasing dialogue %s: %w", id, err)
	}
	return r.report, nil
}

func (r *eraser) all(ctx context.Context) error {
	done, err := r.look(ctx)
	if err != nil || done {
		return err
	}
	if err := r.o.note(ctx, audit.Intent, func(*audit.Event) {}); err != nil {
		return err
	}
	r.o.read = true // a failure from here on is one of an erasure
	for _, step := range []func(context.Context) error{r.begin, r.bury, r.destroy, r.clear, r.purge, r.s.scrub, r.conclude, r.finish} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look tells a dialogue that is erased already, and one that never was.
func (r *eraser) look(ctx context.Context) (done bool, err error) {
	status, err := r.s.ring.Status(ctx, r.o.dialogue)
	keyless := errors.Is(err, blue.ErrNotFound)
	if err != nil && !keyless {
		return false, err
	}
	if status.Active > 0 {
		r.o.keyID = fmt.Sprintf("dek#%s#%d", r.o.dialogue, status.Active)
	}
	items, err := r.s.inner.Query(ctx, r.partition())
	damaged := errors.Is(err, blue.ErrTampered) // what the store lays over it; there is something
	if err != nil && !damaged {
		return false, err
	}
	if status.State == stateErased && len(status.Standing()) == 0 && len(items) == 1 && record.IsErased(items[0]) {
		return r.isDone(ctx, items[0])
	}
	if !keyless || damaged || len(items) > 0 {
		return false, nil
	}
	_, err = audit.ReadCommit(ctx, r.s.inner, r.o.dialogue, 1)
	if errors.Is(err, blue.ErrTampered) {
		return false, nil
	}
	return false, err
}

// isDone fills the report from the registry, if there is nothing left to do.
func (r *eraser) isDone(ctx context.Context, tomb record.Record) (bool, error) {
	if p, ok := r.s.inner.(record.Purger); ok {
		if left, err := p.Leftovers(ctx, tomb.Key.Partition); err != nil || left > 0 {
			return false, err
		}
	}
	lines, err := r.s.ring.Erasures(ctx)
	if err != nil {
		return false, err
	}
	for _, line := range lines {
		if line.Dialogue == r.o.dialogue && line.State == stateErased {
			r.tomb, r.report.Already = tomb, true
			r.tell(line)
			return true, nil
		}
	}
	return false, nil
}

// tell fills the report from the registry and the tombstone.
func (r *eraser) tell(line keys.Erasure) {
	r.report.Wraps, r.report.StartedAt, r.report.FinishedAt = line.Wraps, line.StartedAt, line.FinishedAt
	r.report.Items = r.tomb.Attrs[attrItems].Int()
	r.report.Digest = hex.EncodeToString(r.tomb.Attrs[attrDigest].Bin())
}

func (r *eraser) begin(ctx context.Context) error {
	_, err := r.s.ring.BeginErase(ctx, r.o.dialogue, r.alone)
	return err
}

func (r *eraser) destroy(ctx context.Context) error { return r.s.ring.Destroy(ctx, r.o.dialogue) }

// finish is the last step: only who has seen all of the others through says so.
func (r *eraser) finish(ctx context.Context) error {
	line, err := r.s.ring.FinishErase(ctx, r.o.dialogue)
	if err == nil {
		r.tell(line)
	}
	return err
}

func (r *eraser) partition() record.Query {
	return record.Query{Table: record.Dialogues, Partition: headKey(r.o.dialogue).Partition, ForUpdate: true}
}

// bury puts the tombstone in the place of meta as it is read.
func (r *eraser) bury(ctx context.Context) error {
	return r.inTurn(ctx, func() error {
		if err := r.purge(ctx); err != nil { // a commit whose rest is lost would stand in the way
			return err
		}
		items, err := r.s.inner.Query(ctx, r.partition())
		if err != nil {
			return err
		}
		meta := headAmong(items)
		if record.IsErased(meta) {
			r.tomb, r.since = meta, time.Now()
			return nil
		}
		put := record.Write{Table: record.Dialogues, Record: record.Record{Key: headKey(r.o.dialogue), Attrs: record.Attrs{
			attrEntity: record.S(record.Erased),
			attrErased: record.S(r.s.now().UTC().Format(timeLayout)),
			attrItems:  record.N(0),
			attrDigest: record.B(make([]byte, sha256.Size)),
		}}}
		if meta.Key.Item != "" {
			put.Prev = asFound(meta)
			put.Record = counted(put.Record, []record.Record{meta})
		}
		if err := r.s.inner.Commit(ctx, []record.Write{put}); err != nil {
			return err
		}
		r.tomb, r.since = put.Record, time.Now()
		return nil
	})
}

// counted returns a tombstone that also counts these records.
func counted(tomb record.Record, destroyed []record.Record) record.Record {
	next := tomb.Clone()
	digest := sha256.Sum256(append(append([]byte(nil), tomb.Attrs[attrDigest].Bin()...), audit.ItemsDigest(destroyed)...))
	next.Attrs[attrItems] = record.N(tomb.Attrs[attrItems].Int() + int64(len(destroyed)))
	next.Attrs[attrDigest] = record.B(digest[:])
	return next
}

// maxFound bounds in bytes what a condition repeats of a record without a MAC.
const maxFound = 4 << 10

// asFound is the condition that a record is the one that was read: its MAC, or,
// of one that has none, its attributes as far as they fit. Under a tombstone
// nobody can change it any more; the condition is for the digest, which must
// name what was destroyed.
func asFound(r record.Record) record.Attrs {
	if mac := r.Attrs[attrMAC]; len(mac.Bin()) == macSize {
		return record.Attrs{attrMAC: mac}
	}
	found, size := record.Attrs{}, 0
	for _, name := range r.Names() {
		v := r.Attrs[name]
		if size += len(name) + len(v.Canonical()); size > maxFound {
			break
		}
		found[name] = v
	}
	return found
}

// clear deletes all items but the tombstone, until none is found.
func (r *eraser) clear(ctx context.Context) error {
	for {
		left, err := r.others(ctx)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			settled, err := r.settled(ctx)
			if settled || err != nil {
				return err
			}
			continue
		}
		if err := r.inTurn(ctx, func() error { return r.delete(ctx) }); err != nil {
			return err
		}
	}
}

// others returns the items that stand beside the tombstone.
func (r *eraser) others(ctx context.Context) ([]record.Record, error) {
	items, err := r.s.inner.Query(ctx, r.partition())
	if err != nil {
		return nil, err
	}
	tomb := headAmong(items)
	if !record.IsErased(tomb) {
		return nil, fmt.Errorf("%w: the tombstone was taken away; run it again", blue.ErrBusy)
	}
	r.tomb = tomb
	left := make([]record.Record, 0, len(items))
	for _, item := range items {
		if item.Key.Item != record.Meta {
			left = append(left, item)
		}
	}
	return left, nil
}

// maxDeleted is how many items go in one commit, below record.MaxChanges.
const maxDeleted = 80

// delete deletes what is there now. Each commit counts in the tombstone what it
// takes away.
func (r *eraser) delete(ctx context.Context) error {
	left, err := r.others(ctx)
	for err == nil && len(left) > 0 {
		batch := left[:min(maxDeleted, len(left))]
		left = left[len(batch):]
		next := counted(r.tomb, batch)
		writes := []record.Write{{Table: record.Dialogues, Record: next, Prev: r.tomb.Attrs}}
		for _, item := range batch {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{Key: item.Key}, Prev: asFound(item)})
		}
		if err = r.s.inner.Commit(ctx, writes); err == nil {
			r.tomb = next
		}
	}
	return err
}

// settled reports whether a partition that is read as empty is empty. On a
// store where an item that was committed just before the tombstone may be seen
// later, it waits that long and lets the partition be read once more.
func (r *eraser) settled(ctx context.Context) (bool, error) {
	u, unsteady := r.s.inner.(record.Unsteady)
	if !unsteady || r.since.IsZero() {
		return true, nil
	}
	_, over := u.Settle()
	wait := time.NewTimer(time.Until(r.since.Add(over)))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-wait.C:
		r.since = time.Time{}
		return false, nil
	}
}

// inTurn does a step again from its start while others are faster.
func (r *eraser) inTurn(ctx context.Context, step func() error) error {
	for lost := range maxLost {
		err := step()
		if !faster(err) {
			return err
		}
		if err := pause(ctx, lost); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other writers were faster %d times; run it again, it goes on", blue.ErrBusy, maxLost)
}

func (r *eraser) purge(ctx context.Context) error {
	if p, ok := r.s.inner.(record.Purger); ok {
		return p.Purge(ctx, headKey(r.o.dialogue).Partition)
	}
	return nil
}

// scrub removes from the store's files what was deleted, where it has any.
func (s *sealing) scrub(ctx context.Context) error {
	if files, ok := s.inner.(record.Scrubber); ok {
		return files.Scrub(ctx)
	}
	return nil
}

// conclude stores the event of the outcome.
func (r *eraser) conclude(ctx context.Context) error {
	place, err := r.o.outcome(ctx, func(e *audit.Event) {
		e.ItemCount, e.ItemsDigest = r.tomb.Attrs[attrItems].Int(), r.tomb.Attrs[attrDigest].Bin()
	})
	r.report.Event = place
	return err
}

// outcome stores the success of an operation and returns where.
func (o *operation) outcome(ctx context.Context, fill func(*audit.Event)) (EventPlace, error) {
	var stored *audit.Event
	err := o.note(ctx, audit.Success, func(e *audit.Event) {
		fill(e)
		stored = e
	})
	if err != nil {
		return EventPlace{}, err
	}
	o.landed = true
	return EventPlace{Chain: stored.Chain, Seq: stored.Seq, Hash: stored.EventHash}, nil
}
