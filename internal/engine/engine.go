// Package engine implements blue.DialogueStore and blue.AnalyticsStore over any
// record.Store.
//
// It turns entities into records, gives numbers, orders the work of each
// request, and repeats a request that lost to another writer. The rules of a
// dialogue are in package blue. Encryption is in package encrypted, which
// seals the records on their way to a backend.
//
// An Engine runs each request as a transaction on the loaded snapshot. The codec
// encodes an entity as a record and decodes it, by one entry for each kind.
//
// A write loads the partition of the dialogue and lets the request change a
// transaction. It then commits all records at once, under the condition that the meta
// item is as it was read. If another writer has changed the meta item, the
// request runs again. The engine picks the numbers, because a sealing store
// binds each ciphertext to the address that contains the number
// (docs/design.md).
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// maxTries is the number of tries after conflicts on a meta item. With n
// concurrent writers each needs at most n tries, so 64 is far above real panels.
const maxTries = 64

// Engine implements blue.DialogueStore and blue.AnalyticsStore. It may be used
// concurrently.
type Engine struct {
	records record.Store
	now     func() time.Time
}

var (
	_ blue.DialogueStore  = (*Engine)(nil)
	_ blue.AnalyticsStore = (*Engine)(nil)
)

// New returns the engine over records, which the caller closes. now is the
// clock of the stored times; nil means time.Now.
func New(records record.Store, now func() time.Time) *Engine {
	if now == nil {
		now = time.Now
	}
	return &Engine{records, now}
}

// dialoguePartition returns the partition of a dialogue.
func dialoguePartition(id blue.DialogueID) record.Partition {
	return record.DialoguePartition(string(id))
}

// checkID returns blue.ErrInvalid for an id that no dialogue can have.
func checkID(id blue.DialogueID) error {
	if _, err := blue.ParseDialogueID(string(id)); err != nil {
		return err
	}
	if composed := norm.NFC.String(string(id)); composed != string(id) {
		return fmt.Errorf("%w: dialogue id %q is not in Unicode normalisation form C; %q is", blue.ErrInvalid, id, composed)
	}
	return nil
}

// Load implements blue.DialogueStore.
func (e *Engine) Load(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	records, err := e.query(ctx, id, false)
	if err != nil {
		return nil, err
	}
	return Assemble(id, records)
}

// query reads the records of a dialogue. Errors: blue.ErrInvalid for the id,
// blue.ErrNotFound without records, blue.ErrTampered without a meta item, and
// the errors of the record store.
func (e *Engine) query(ctx context.Context, id blue.DialogueID, forUpdate bool) ([]record.Record, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	records, err := e.records.Query(ctx, record.Query{Table: record.Dialogues, Partition: dialoguePartition(id), ForUpdate: forUpdate})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("dialogue %s: %w", id, blue.ErrNotFound)
	}
	if dialogueMeta(records) == nil {
		return nil, fmt.Errorf("%w: dialogue %s has no meta item", blue.ErrTampered, id)
	}
	return records, nil
}

// dialogueMeta returns the meta item, or nil.
func dialogueMeta(records []record.Record) *record.Record {
	i := slices.IndexFunc(records, func(r record.Record) bool { return r.Key.Item == record.Meta })
	if i < 0 {
		return nil
	}
	return &records[i]
}

// Get implements blue.DialogueStore.
func (e *Engine) Get(ctx context.Context, id blue.DialogueID, key blue.EntityKey) (blue.Scoped[blue.Entity], error) {
	var none blue.Scoped[blue.Entity]
	if err := checkID(id); err != nil {
		return none, err
	}
	item, err := itemOf(key)
	if err != nil {
		return none, err
	}
	r, err := e.records.Get(ctx, record.Dialogues, record.Key{Partition: dialoguePartition(id), Item: item})
	if err != nil {
		return none, fmt.Errorf("%s of dialogue %s: %w", item, id, err)
	}
	entity, err := decodeEntity(id, r)
	if err != nil {
		return none, err
	}
	return blue.Scoped[blue.Entity]{Dialogue: id, Value: entity}, nil
}

// Create implements blue.DialogueStore.
func (e *Engine) Create(ctx context.Context, id blue.DialogueID, d blue.NewDialogue) (blue.Scoped[blue.Dialogue], error) {
	var none blue.Scoped[blue.Dialogue]
	if err := checkID(id); err != nil {
		return none, err
	}
	tx := newTransaction(id, e.now())
	tx.snapshot.Dialogue = blue.Dialogue{
		ID: id, Status: blue.StatusOpen, CreatedAt: tx.now,
		Title: d.Title, Question: d.Question, OutputDir: d.OutputDir, Background: d.Background,
		DomainID: d.DomainID, EthosID: d.EthosID, Calibrated: d.Calibrated,
	}
	if err := tx.step(d.Step); err != nil {
		return none, err
	}
	writes, err := tx.writes()
	if err != nil {
		return none, err
	}
	for try := range maxTries {
		if err = e.records.Commit(ctx, writes); !isUnrelatedConflict(id, err) {
			break
		}
		if err := retry.Writers.Wait(ctx, try); err != nil {
			return none, err
		}
	}
	if err != nil {
		return none, fmt.Errorf("creating dialogue %s: %w", id, err)
	}
	return blue.Scoped[blue.Dialogue]{Dialogue: id, Value: tx.snapshot.Dialogue}, nil
}

// change runs a request as update does and returns its answer. It returns no
// answer with an error, because the answer can hold data whose read the store
// below refused to record.
func change[T any](ctx context.Context, e *Engine, id blue.DialogueID, request func(tx *transaction, answer *T) error) (blue.Scoped[T], error) {
	var answer T
	err := e.update(ctx, id, func(tx *transaction) error { return request(tx, &answer) })
	if err != nil {
		return blue.Scoped[T]{}, err
	}
	return blue.Scoped[T]{Dialogue: id, Value: answer}, nil
}

// update runs a request against the present state of the dialogue and commits
// what it changed. The request can run more than once, each time on a new transaction.
//
// After a conflict, update reads the dialogue again. If the meta item has
// changed, another writer won, and the request decides again. If the meta item is
// the same, the conflict is the answer, provided that the record it names is
// there. Otherwise a commit of another writer is in progress, and update
// retries.
//
// Errors: the errors of query, of the request and of the record store;
// blue.ErrBusy after maxTries conflicts.
func (e *Engine) update(ctx context.Context, id blue.DialogueID, request func(*transaction) error) error {
	var lost error // the conflict of the last try
	var lostOn *record.Record
	for try := range maxTries {
		records, err := e.query(ctx, id, true)
		if err != nil {
			return err
		}
		if lost != nil && dialogueMeta(records).Equal(*lostOn) && hasConflicting(records, lost) {
			return e.witness(ctx, records, lost)
		}
		tx, err := loadTransaction(id, records, e.now())
		if err == nil {
			err = request(tx)
		}
		if err != nil || tx.isUnchanged() {
			return e.witness(ctx, records, err)
		}
		writes, err := tx.writes()
		if err != nil {
			return e.witness(ctx, records, err)
		}
		err = e.records.Commit(ctx, writes)
		_, isConflict := errors.AsType[*record.ConflictError](err)
		switch lost = nil; {
		case isUnrelatedConflict(id, err):
		case isConflict:
			lost, lostOn = err, dialogueMeta(records)
		default:
			return err
		}
		if err := retry.Writers.Wait(ctx, try); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: dialogue %s: other writers were faster %d times; nothing was written", blue.ErrBusy, id, maxTries)
}

// isUnrelatedConflict reports whether a commit failed before writing for a
// reason that does not concern the dialogue: it was voided, or a record of the
// audit log was in the way. Retrying is safe.
func isUnrelatedConflict(id blue.DialogueID, err error) bool {
	if _, voided := errors.AsType[*record.VoidedError](err); voided {
		return true
	}
	conflict, ok := errors.AsType[*record.ConflictError](err)
	return ok && conflict.Key.Partition != dialoguePartition(id)
}

// hasConflicting reports whether the record that a conflict names is among the
// records of a dialogue.
func hasConflicting(records []record.Record, err error) bool {
	conflict, _ := errors.AsType[*record.ConflictError](err)
	return conflict.Table == record.Dialogues && slices.ContainsFunc(records, func(r record.Record) bool { return r.Key == conflict.Key })
}

// witness answers a request that read a dialogue and wrote nothing. A refusal
// reveals data that was read, so the store below records the read first.
func (e *Engine) witness(ctx context.Context, records []record.Record, answer error) error {
	if w, ok := e.records.(record.Witness); ok {
		if err := w.Witness(ctx, records); err != nil {
			return err
		}
	}
	return answer
}

// List implements blue.AnalyticsStore with one index read per status. The rows
// come from clear attributes, are not verified, and need no key.
func (e *Engine) List(ctx context.Context) ([]blue.Listed, error) {
	all := []blue.Listed{}
	for _, status := range blue.KindDialogue.Statuses() {
		rows, err := e.ListStatus(ctx, status)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// ListStatus implements blue.AnalyticsStore.
func (e *Engine) ListStatus(ctx context.Context, status blue.Status) ([]blue.Listed, error) {
	if !blue.KindDialogue.HasStatus(status) {
		return nil, fmt.Errorf("%w: a dialogue is never %q", blue.ErrInvalid, status)
	}
	rows, err := list(ctx, e, record.ByStatus, byStatus(status), func(id blue.DialogueID, e blue.Entity, _ string, r record.Attrs) (row blue.Listed, ok bool) {
		_, ok = e.(*blue.Dialogue)
		return blue.Listed{
			ID: id, Status: status, UpdatedAt: r["updated_at"].Str(),
			TotalRounds: r["total_rounds"].Int(), TotalAlignment: r["total_alignment"].Int(),
		}, ok
	})
	slices.Reverse(rows)
	return rows, err
}

// ListTensions implements blue.AnalyticsStore.
func (e *Engine) ListTensions(ctx context.Context, status blue.Status) ([]blue.ListedTension, error) {
	if !blue.KindTension.HasStatus(status) {
		return nil, fmt.Errorf("%w: a tension is never %q", blue.ErrInvalid, status)
	}
	rows, err := list(ctx, e, record.ByTensionStatus, byTensionStatus(status), func(id blue.DialogueID, e blue.Entity, rest string, r record.Attrs) (row blue.ListedTension, ok bool) {
		t, ok := e.(*blue.Tension)
		if !ok || entryOfKind(blue.KindTension).setKey(t, id, rest) != nil {
			return row, false
		}
		return blue.ListedTension{Dialogue: id, ID: t.ID, Status: status, UpdatedAt: r["updated_at"].Str()}, true
	})
	slices.SortStableFunc(rows, func(a, b blue.ListedTension) int {
		return cmp.Or(strings.Compare(string(a.Dialogue), string(b.Dialogue)), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return rows, err
}

// ListExpert implements blue.AnalyticsStore.
func (e *Engine) ListExpert(ctx context.Context, slug blue.ExpertSlug) ([]blue.ListedActivity, error) {
	slug, err := blue.ParseExpertSlug(string(slug))
	if err != nil {
		return nil, err
	}
	rows, err := list(ctx, e, record.ByExpert, byExpertPartition(slug), func(id blue.DialogueID, e blue.Entity, rest string, r record.Attrs) (row blue.ListedActivity, ok bool) {
		row = blue.ListedActivity{Dialogue: id, Kind: e.EntityKind(), UpdatedAt: r["updated_at"].Str()}
		if _, isExpert := e.(*blue.Expert); isExpert {
			row.Round, row.Tier = blue.Round(r["first_round"].Int()), blue.Tier(r["tier"].Str())
			return row, true
		}
		if _, ok = e.(*blue.Move); ok {
			row.Round, _, row.Seq, ok = parseMoveRest(rest)
			row.MoveType = blue.MoveType(r["move_type"].Str())
		}
		return row, ok
	})
	slices.SortStableFunc(rows, func(a, b blue.ListedActivity) int {
		return cmp.Or(strings.Compare(string(a.Dialogue), string(b.Dialogue)),
			strings.Compare(string(a.Kind), string(b.Kind)), // expert before move
			cmp.Compare(a.Round, b.Round), cmp.Compare(a.Seq, b.Seq))
	})
	return rows, err
}

// list reads a partition of an index and makes a row of each record that read
// accepts. read gets the dialogue, an entity of the record's kind without
// values, what follows the prefix of the sort key, and the attributes. Rows of
// an index are hints, so list ignores a record that no encoder wrote.
func list[T any](ctx context.Context, e *Engine, index record.Index, partition string,
	read func(id blue.DialogueID, e blue.Entity, rest string, attrs record.Attrs) (T, bool)) ([]T, error) {
	records, err := e.records.Index(ctx, index, partition)
	if err != nil {
		return nil, err
	}
	rows := make([]T, 0, len(records))
	for _, r := range records {
		id, isDialogue := r.Key.Partition.Dialogue()
		en := entryOf(r.Key.Item)
		if !isDialogue || en == nil {
			continue
		}
		if row, ok := read(blue.DialogueID(id), en.fresh(), strings.TrimPrefix(r.Key.Item, en.prefix), r.Attrs); ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// NextID implements blue.AnalyticsStore.
func (e *Engine) NextID(ctx context.Context, title string) (blue.DialogueID, error) {
	slug, err := blue.SlugID(title)
	if err != nil {
		return "", err
	}
	rows, err := e.List(ctx)
	if err != nil {
		return "", err
	}
	ids := slug.Candidates()
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return "", err
		}
		if !slices.ContainsFunc(rows, func(row blue.Listed) bool { return row.ID == id }) {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: too many dialogues with similar titles: %s to %s-%d are taken", blue.ErrRefused, slug, slug, len(ids))
}
