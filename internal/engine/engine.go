// Package engine is the one implementation of blue.DialogueStore and
// blue.AnalyticsStore, over any record.Store.
//
// What belongs here: the codec table (how each entity kind becomes a record),
// numbering, the order of work of each request, and the redo after another
// writer was faster. What does not: rules that need no store (package blue),
// keys and ciphers (encrypted seals what passes below), a backend's client.
//
// The way of a write: load the partition, let the request change a
// transaction, commit all its records with the head conditioned as it was
// read; on a conflict, if the head has moved, once more from the start. The engine
// gives the numbers, so the keys, so the addresses that a sealing store binds
// (docs/design.md, "number above, seal in the middle, condition at the bottom").
package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// maxTries bounds the redo after conflicts on a partition's head. With n
// writers at once each needs at most n tries, so this is far above real panels.
const maxTries = 64

// Store implements blue.DialogueStore and blue.AnalyticsStore. It may be used
// concurrently.
type Store struct {
	records record.Store
	now     func() time.Time
}

var (
	_ blue.DialogueStore  = (*Store)(nil)
	_ blue.AnalyticsStore = (*Store)(nil)
)

// New returns the engine over a record store, which it does not close. now is
// the clock; nil means time.Now.
func New(records record.Store, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{records, now}
}

// Below returns the record store under an engine: what a test writes there past
// the engine is what a later version of the program would. It is no method, for
// sealed stores show theirs to users.
func Below(s *Store) record.Store { return s.records }

// partition is the PK of a dialogue in record.Dialogues.
func partition(id blue.DialogueID) record.Partition { return record.DialoguePartition(string(id)) }

// checkID refuses an id that no dialogue can have.
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
func (s *Store) Load(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	records, err := s.query(ctx, id, false)
	if err != nil {
		return nil, err
	}
	return Assemble(id, records)
}

// query reads a dialogue's records; none is ErrNotFound.
func (s *Store) query(ctx context.Context, id blue.DialogueID, forUpdate bool) ([]record.Record, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	records, err := s.records.Query(ctx, record.Query{Table: record.Dialogues, Partition: partition(id), ForUpdate: forUpdate})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("dialogue %s: %w", id, blue.ErrNotFound)
	}
	if head(records) == nil {
		return nil, fmt.Errorf("%w: dialogue %s has no meta item", blue.ErrTampered, id)
	}
	return records, nil
}

// head returns the partition's head, or nil.
func head(records []record.Record) *record.Record {
	i := slices.IndexFunc(records, func(r record.Record) bool { return r.Key.Item == record.Meta })
	if i < 0 {
		return nil
	}
	return &records[i]
}

// Get implements blue.DialogueStore.
func (s *Store) Get(ctx context.Context, id blue.DialogueID, key blue.EntityKey) (blue.Scoped[blue.Entity], error) {
	var none blue.Scoped[blue.Entity]
	if err := checkID(id); err != nil {
		return none, err
	}
	sk, err := sortKeyOf(key)
	if err != nil {
		return none, err
	}
	r, err := s.records.Get(ctx, record.Dialogues, record.Key{Partition: partition(id), Item: sk})
	if err != nil {
		return none, fmt.Errorf("%s of dialogue %s: %w", sk, id, err)
	}
	e, err := decode(id, r)
	if err != nil {
		return none, err
	}
	return blue.Scoped[blue.Entity]{Dialogue: id, Value: e}, nil
}

// Create implements blue.DialogueStore.
func (s *Store) Create(ctx context.Context, id blue.DialogueID, d blue.NewDialogue) (blue.Scoped[blue.Dialogue], error) {
	var none blue.Scoped[blue.Dialogue]
	if err := checkID(id); err != nil {
		return none, err
	}
	tx := newTransaction(id, s.now())
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
		if err = s.records.Commit(ctx, writes); !elsewhere(id, err) {
			break
		}
		if err := pause(ctx, try); err != nil {
			return none, err
		}
	}
	if err != nil {
		return none, fmt.Errorf("creating dialogue %s: %w", id, err)
	}
	return scoped(id, tx.snapshot.Dialogue), nil
}

// update runs a request against the dialogue's present state and commits what
// it changed. request may run more than once, each time on a fresh transaction.
//
// A conflict means another writer was faster if the head has moved since: the
// request is then asked again and says itself what it makes of an item that
// is there now. On a head that stands, the conflict is the answer, if what it
// names is there; else somebody's commit is just landing.
func (s *Store) update(ctx context.Context, id blue.DialogueID, request func(*transaction) error) error {
	var lost error // of the last try
	var lostOn *record.Record
	for try := range maxTries {
		records, err := s.query(ctx, id, true)
		if err != nil {
			return err
		}
		if lost != nil && head(records).Equal(*lostOn) && holds(records, lost) {
			return s.unwritten(ctx, records, lost)
		}
		tx, err := loadTransaction(id, records, s.now())
		if err == nil {
			err = request(tx)
		}
		if err != nil || tx.unchanged() {
			return s.unwritten(ctx, records, err)
		}
		writes, err := tx.writes()
		if err != nil {
			return s.unwritten(ctx, records, err)
		}
		err = s.records.Commit(ctx, writes)
		lost = nil
		switch _, conflict := errors.AsType[*record.ConflictError](err); {
		case elsewhere(id, err):
		case conflict:
			lost, lostOn = err, head(records)
		default:
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: dialogue %s: other writers were faster %d times; nothing was written", blue.ErrBusy, id, maxTries)
}

// elsewhere reports whether a commit was certainly not written for a reason that
// says nothing of its dialogue: it was voided, or a record of the audit log,
// which the store below adds, stood in its way. The same request may be asked
// again.
func elsewhere(id blue.DialogueID, err error) bool {
	if _, voided := errors.AsType[*record.VoidedError](err); voided {
		return true
	}
	conflict, ok := errors.AsType[*record.ConflictError](err)
	return ok && conflict.Key.Partition != partition(id)
}

// holds reports whether what a conflict names is among a dialogue's records.
func holds(records []record.Record, lost error) bool {
	conflict, _ := errors.AsType[*record.ConflictError](lost)
	return conflict.Table == record.Dialogues && slices.ContainsFunc(records, func(r record.Record) bool { return r.Key == conflict.Key })
}

// unwritten answers a request that read a dialogue to change it and did not.
// Even a refusal tells something of what was read, so the store below hears of
// it first.
func (s *Store) unwritten(ctx context.Context, records []record.Record, answer error) error {
	if w, ok := s.records.(record.Witness); ok {
		if err := w.Witness(ctx, records); err != nil {
			return err
		}
	}
	return answer
}

// pause waits before try number n+1: full jitter under a cap that doubles
// from 1 ms to 64 ms, so that writers of one dialogue fall out of step.
func pause(ctx context.Context, n int) error {
	most := time.Millisecond << min(n, 6)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(rand.Int64N(int64(most)))):
		return nil
	}
}

// answered is scoped for what succeeded: beside an error there is no answer,
// for it may repeat what the store below would not let anybody see.
func answered[T any](id blue.DialogueID, v T, err error) (blue.Scoped[T], error) {
	if err != nil {
		return blue.Scoped[T]{}, err
	}
	return scoped(id, v), nil
}

func scoped[T any](id blue.DialogueID, v T) blue.Scoped[T] {
	return blue.Scoped[T]{Dialogue: id, Value: v}
}
