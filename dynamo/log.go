package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// The redo log. A commit that does not fit one transaction puts its new
// records, sealed as they are, into log items first:
//
//	PK  _log#{partition}
//	SK  {b}#{i:04d}           b: UUIDv7 of the commit; i from 0
//	    _chunk B              a piece of the records (convert.go)
//
// Its transaction then sets _pending = "{b}/{number of items}" on the meta item,
// changes the existing records, and checks that every log item exists. From
// there the commit has happened: a reader lays the log over what it reads, and
// the next writer, or the committer itself, rolls it forward: puts the records
// (must-not-exist), clears _pending, and then deletes the log.
const (
	attrPending = "_pending"
	attrChunk   = "_chunk"
	logPrefix   = "_log#"
)

// pending identifies a log and its number of items.
type pending struct {
	b     string
	items int
}

func (p pending) String() string { return p.b + "/" + strconv.Itoa(p.items) }

func pendingOf(meta record.Record) (pending, bool) {
	b, n, ok := strings.Cut(meta.Attrs[attrPending].Str(), "/")
	items, err := strconv.Atoi(n)
	return pending{b, items}, ok && err == nil
}

func logKey(pk record.Partition, b string, i int) record.Key {
	return record.Key{Partition: logPrefix + pk, Item: fmt.Sprintf("%s#%04d", b, i)}
}

// large commits through the redo log.
func (s *Store) commitLarge(ctx context.Context, writes []record.Write) error {
	pk, created, final := splitLargeCommit(writes)
	p := pending{b: s.newID()}
	puts := s.logItems(pk, p.b, created)
	p.items = len(puts)
	for _, put := range puts {
		final = append(final, action{table: record.Dialogues, record: record.Record{Key: put.record.Key}, check: true})
	}
	if !s.fits(final) {
		return fmt.Errorf("%w: a commit whose final transaction has %d actions", record.ErrTooLarge, len(final))
	}
	err := s.begin(ctx, pk, writes, created)
	if err == nil {
		err = s.putLog(ctx, puts)
	}
	if err == nil {
		err = s.settle(ctx, writes, markPending(final, p))
	}
	if err != nil {
		if c, ok := errors.AsType[*record.ConflictError](err); errors.Is(err, record.ErrBusy) || ok && c.IsOnMeta() {
			s.onLost(ctx, pk, p)
		}
		return err
	}
	// The commit has happened. If rolling it forward fails, the next writer
	// does it, and readers see it through the log.
	_ = s.drain(ctx, pk, p)
	return nil
}

// onLost handles a large commit that was rejected: it takes a lease so that
// the retry has priority. If the dialogue was erased, there is no retry and no
// sweep, so onLost deletes the log.
func (s *Store) onLost(ctx context.Context, pk record.Partition, p pending) {
	if erased := s.leases.take(ctx, s, pk); erased {
		_ = s.deleteLog(ctx, pk, p) // else record.Purger does
	}
}

// splitLargeCommit parts the writes of a large commit: new records go into the
// log, the rest into the final transaction.
func splitLargeCommit(writes []record.Write) (pk record.Partition, created []record.Record, final []action) {
	for _, w := range writes {
		a := actionOf(w)
		switch {
		case a.isOnMeta():
			pk = w.Record.Key.Partition
			final = append(final, a)
		case w.Table == record.Dialogues && w.Prev == nil:
			created = append(created, w.Record)
		default:
			final = append(final, a)
		}
	}
	return pk, created, final
}

// markPending sets _pending on the meta item of a final transaction. A large
// commit is written even under a lease of its own or of another large writer.
func markPending(final []action, p pending) []action {
	for i, a := range final {
		if !a.isOnMeta() {
			continue
		}
		final[i].record = a.record.Clone()
		final[i].record.Attrs[attrPending] = record.S(p.String())
		final[i].when.missing = slices.DeleteFunc(slices.Clone(a.when.missing), func(name string) bool { return name == attrLease })
	}
	return final
}

// begin checks that the new records of a large commit do not exist, because
// its final transaction has no space for these checks. The result holds until
// the final transaction: only a commit creates records, and after another
// commit the condition on the meta item fails. begin reads by transactions
// because the commit that wrote the meta item might not be visible everywhere.
func (s *Store) begin(ctx context.Context, pk record.Partition, writes []record.Write, created []record.Record) error {
	meta, exists, err := s.api.get(ctx, record.Dialogues, metaKey(pk))
	if err != nil {
		return err
	}
	for _, w := range writes {
		if actionOf(w).isOnMeta() && !w.IsMet(meta, exists) {
			return &record.ConflictError{Table: record.Dialogues, Key: metaKey(pk)}
		}
	}
	if p, pending := pendingOf(meta); pending {
		if err := s.drain(ctx, pk, p); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(created, s.limits.actions) {
		keys := make([]record.Key, len(chunk))
		for i, r := range chunk {
			keys[i] = r.Key
		}
		found, err := s.snapshot(ctx, record.Dialogues, keys)
		if err != nil {
			return err
		}
		for _, r := range found {
			if len(r.Attrs) > 0 {
				return &record.ConflictError{Table: record.Dialogues, Key: r.Key}
			}
		}
	}
	s.sweep(ctx, pk, meta)
	return nil
}

// putLog puts the log items. Their keys are new, so an equal item at such a
// key was put by this commit.
func (s *Store) putLog(ctx context.Context, puts []action) error {
	for _, put := range puts {
		err := s.transact(ctx, s.newID(), []action{put})
		if err == nil {
			continue
		}
		found, exists, getErr := s.api.get(ctx, put.table, put.record.Key)
		if getErr != nil || !exists || !found.Equal(put.record) {
			return asUnavailable(err)
		}
	}
	return nil
}

// logOf returns the records of the pending log of a meta item, or none if no
// log is pending. whole is false if the log was rolled forward during the
// read.
func (s *Store) logOf(ctx context.Context, meta record.Record) (logged []record.Record, whole bool, err error) {
	p, pending := pendingOf(meta)
	if !pending {
		return nil, true, nil
	}
	return s.readLog(ctx, meta.Key.Partition, p)
}

// logQuery returns the query for the logs of a partition.
func logQuery(pk record.Partition) record.Query {
	return record.Query{Table: record.Dialogues, Partition: logPrefix + pk}
}

// readLog reads a log. It returns blue.ErrTampered if a pending log is
// incomplete, because a log is deleted only after it is certain that it is no
// longer pending.
func (s *Store) readLog(ctx context.Context, pk record.Partition, p pending) (logged []record.Record, whole bool, err error) {
	items, err := s.pages(ctx, logQuery(pk), span{p.b + "#", p.b + "$"})
	if err != nil {
		return nil, false, err
	}
	var text []byte
	for _, r := range items {
		text = append(text, r.Attrs[attrChunk].Bin()...)
	}
	logged, err = recordsOf(pk, text)
	if len(items) == p.items && err == nil {
		return logged, true, nil
	}
	still, err := s.isPending(ctx, pk, p)
	if err == nil && still {
		err = fmt.Errorf("%w: the log of the last commit to %s is damaged", blue.ErrTampered, pk)
	}
	return nil, false, err
}

func (s *Store) isPending(ctx context.Context, pk record.Partition, p pending) (bool, error) {
	meta, _, err := s.api.get(ctx, record.Dialogues, metaKey(pk))
	now, still := pendingOf(meta)
	return still && now == p, err
}

// overlayPendingLog adds the missing records of a log and sorts all records by
// sort key.
func overlayPendingLog(records, logged []record.Record) []record.Record {
	present := make(map[record.Key]bool, len(records))
	for _, r := range records {
		present[r.Key] = true
	}
	for _, r := range logged {
		if !present[r.Key] {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b record.Record) int { return strings.Compare(a.Key.Item, b.Key.Item) })
	return records
}

// drain rolls a log forward: it applies, clears and deletes the log. Several
// writers can do this at the same time. It can stop anywhere and start again.
func (s *Store) drain(ctx context.Context, pk record.Partition, p pending) error {
	logged, whole, err := s.readLog(ctx, pk, p)
	if err != nil || !whole {
		return err
	}
	if err := s.apply(ctx, pk, p, logged); err != nil {
		return err
	}
	cleared, err := s.clear(ctx, pk, p)
	if err != nil || !cleared {
		return err
	}
	return s.deleteLog(ctx, pk, p)
}

// apply puts the records of a log, must-not-exist, while it is pending.
func (s *Store) apply(ctx context.Context, pk record.Partition, p pending, logged []record.Record) error {
	guard := action{
		table: record.Dialogues, record: record.Record{Key: metaKey(pk)}, check: true,
		when: condition{equal: record.Attrs{attrPending: record.S(p.String())}},
	}
	for piece := range s.transactions(logged) {
		actions := []action{guard}
		for _, r := range piece {
			actions = append(actions, action{table: record.Dialogues, record: r, when: condition{absent: true}})
		}
		if done, err := s.applyPiece(ctx, actions); err != nil || done {
			return asUnavailable(err)
		}
	}
	return nil
}

// applyPiece puts one transaction of a log. done reports that the log is no
// longer pending because another writer has finished it.
func (s *Store) applyPiece(ctx context.Context, actions []action) (done bool, err error) {
	for len(actions) > 1 {
		err := s.transact(ctx, s.newID(), actions)
		if err == nil {
			return false, nil
		}
		r, refused := errors.AsType[*refusal](err)
		if !refused || r.isTransient() {
			return false, err
		}
		if r.causes[0] == unmet {
			return true, nil
		}
		// Some are there already, put by an earlier or another try.
		left := actions[:1:1]
		for i, a := range actions {
			if i > 0 && r.causes[i] != unmet {
				left = append(left, a)
			}
		}
		if len(left) == len(actions) {
			return false, err
		}
		actions = left
	}
	return false, nil
}

// clear removes _pending from the meta item. cleared reports that the caller
// must delete the log: it is no longer pending, and no other writer removed
// _pending.
func (s *Store) clear(ctx context.Context, pk record.Partition, p pending) (cleared bool, err error) {
	for tried := false; ; tried = true {
		meta, _, err := s.api.get(ctx, record.Dialogues, metaKey(pk))
		if now, still := pendingOf(meta); err != nil || !still || now != p {
			return tried && err == nil, err // it may have been an earlier try of this process
		}
		bare := meta.Clone()
		delete(bare.Attrs, attrPending)
		err = s.transact(ctx, s.newID(), []action{{table: record.Dialogues, record: bare, when: asRead(meta)}})
		if err == nil {
			return true, nil
		}
		if r, refused := errors.AsType[*refusal](err); !errors.Is(err, errUnknown) && (!refused || r.isTransient()) {
			return false, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
}

// deleteLog removes the items of a log that is certainly no longer pending.
func (s *Store) deleteLog(ctx context.Context, pk record.Partition, p pending) error {
	for i := range p.items {
		if err := s.deleteLogItem(ctx, logKey(pk, p.b, i)); err != nil {
			return err
		}
	}
	return nil
}

// deleteLogItem removes one item of a log. It returns nil if another writer
// has removed it.
func (s *Store) deleteLogItem(ctx context.Context, key record.Key) error {
	err := s.transact(ctx, s.newID(), []action{{table: record.Dialogues, record: record.Record{Key: key}}})
	if r, refused := errors.AsType[*refusal](err); refused && r.causes[0] == unmet {
		return nil
	}
	return asUnavailable(err)
}

// sweep removes the logs of crashed writers. It deletes each item by a
// transaction that checks that the meta item is the one just read. A plain
// delete would lose data, however old the log is, because its final
// transaction can still arrive. After this delete the final transaction fails
// on its own check of the log item.
func (s *Store) sweep(ctx context.Context, pk record.Partition, meta record.Record) {
	items, err := s.pages(ctx, logQuery(pk), span{last: bornAt(s.now().Add(-s.limits.leftover))})
	if err != nil {
		return
	}
	p, _ := pendingOf(meta)
	guard := action{table: record.Dialogues, record: record.Record{Key: metaKey(pk)}, check: true, when: asRead(meta)}
	for _, r := range items {
		if b, _, _ := strings.Cut(r.Key.Item, "#"); b == p.b {
			continue
		}
		err := s.transact(ctx, s.newID(), []action{guard, {table: record.Dialogues, record: record.Record{Key: r.Key}}})
		if r, refused := errors.AsType[*refusal](err); err != nil && (!refused || r.causes[0] == unmet) {
			return
		}
	}
}
