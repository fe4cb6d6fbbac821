package engine

import (
	"fmt"
	"reflect"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// A transaction is one try of one request: the dialogue as it was read, and
// the entities that the request puts.
type transaction struct {
	id       blue.DialogueID
	now      time.Time
	snapshot *blue.Snapshot            // as read; the request can change Dialogue
	before   map[string]*record.Record // by sort key, as read
	put      []blue.Entity             // new and changed ones, in order, each once
	places   map[string]int            // sort key → index in put
	touched  bool                      // the dialogue itself changed
}

// newTransaction begins a dialogue that does not exist yet.
func newTransaction(id blue.DialogueID, now time.Time) *transaction {
	return &transaction{
		id: id, now: now.UTC(),
		snapshot: &blue.Snapshot{Dialogue: blue.Dialogue{ID: id}},
		before:   map[string]*record.Record{}, places: map[string]int{},
		touched: true,
	}
}

// loadTransaction begins a request on the records of a dialogue. Its time is
// later than the dialogue's last change, so every commit changes the meta
// item, also when the clock does not advance.
func loadTransaction(id blue.DialogueID, records []record.Record, now time.Time) (*transaction, error) {
	tx := newTransaction(id, now)
	tx.touched = false
	for i, r := range records {
		tx.before[r.Key.Item] = &records[i]
	}
	var err error
	if tx.snapshot, err = Assemble(id, records); err != nil {
		return nil, err
	}
	if last := tx.snapshot.Dialogue.UpdatedAt; !tx.now.After(last) {
		tx.now = last.Add(time.Nanosecond)
	}
	return tx, nil
}

// isUnchanged reports whether there is nothing to commit.
func (tx *transaction) isUnchanged() bool { return len(tx.put) == 0 && !tx.touched }

// add puts an entity that must not exist yet. It returns blue.ErrConflict if
// the entity exists.
func (tx *transaction) add(e blue.Entity) error {
	sk := SortKey(e)
	if _, pending := tx.places[sk]; pending || tx.before[sk] != nil {
		return fmt.Errorf("%w: dialogue %s already has %s with other content; nothing was written", blue.ErrConflict, tx.id, sk)
	}
	tx.keep(e)
	return nil
}

// keep puts an entity, new or changed. It replaces an entity that was put
// under the same key. The entity's UpdatedAt is set here, so that answers hold
// it.
func (tx *transaction) keep(e blue.Entity) {
	reflect.ValueOf(e).Elem().FieldByName("UpdatedAt").Set(reflect.ValueOf(tx.now))
	sk := SortKey(e)
	if i, ok := tx.places[sk]; ok {
		tx.put[i] = e
		return
	}
	tx.places[sk] = len(tx.put)
	tx.put = append(tx.put, e)
}

// addEvent adds the event of a numbered entity. Further events of one entity
// at one time get the suffixes -01, -02 and so on (docs/format.md).
func (tx *transaction) addEvent(e blue.Event) (*blue.Event, error) {
	e.CreatedAt = tx.now
	base := tx.now.Format(record.TimeLayout)
	for n := range 100 {
		e.Stamp = base
		if n > 0 {
			e.Stamp += fmt.Sprintf("-%02d", n)
		}
		if err := tx.add(&e); err == nil {
			return &e, nil
		}
	}
	return nil, fmt.Errorf("%w: more than 100 events of %s in one request", blue.ErrTooLarge, e.Of)
}

// step advances an import (blue.Step): each operation of a source is taken
// once, in order. It returns blue.ErrConflict for an earlier operation and
// blue.ErrInvalid for one that comes too soon.
func (tx *transaction) step(s *blue.Step) error {
	if s == nil {
		return nil
	}
	d := &tx.snapshot.Dialogue
	progress := d.Imports[s.Source]
	switch {
	case s.Op < progress.Done:
		return fmt.Errorf("%w: operation %d of this source was imported before", blue.ErrConflict, s.Op)
	case s.Op > progress.Done:
		return fmt.Errorf("%w: operation %d of this source cannot come before operation %d", blue.ErrInvalid, s.Op, progress.Done)
	}
	progress.Done++
	if d.Imports == nil {
		d.Imports = map[string]blue.ImportProgress{}
	}
	d.Imports[s.Source] = progress
	tx.touched = true
	return nil
}

// writes returns the commit: the meta item first, then the put entities.
func (tx *transaction) writes() ([]record.Write, error) {
	tx.snapshot.Dialogue.UpdatedAt = tx.now
	entities := append([]blue.Entity{&tx.snapshot.Dialogue}, tx.put...)
	writes := make([]record.Write, 0, len(entities))
	for _, e := range entities {
		w := record.Write{Table: record.Dialogues}
		before := tx.before[SortKey(e)]
		var err error
		if w.Record, err = encodeEntity(tx.id, e, before); err != nil {
			return nil, err
		}
		if before != nil {
			w.Prev = before.Attrs
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// find returns a numbered entity, put or read. It can be changed and kept.
func (tx *transaction) find(id blue.EntityID) (blue.Contributed, bool) {
	sk, _ := itemOf(id.Key()) // "" for an unknown kind, which has no place
	if i, ok := tx.places[sk]; ok {
		return tx.put[i].(blue.Contributed), true
	}
	return tx.snapshot.Find(id)
}

// lastEvent returns the newest event of an entity as read, or nil.
func (tx *transaction) lastEvent(id blue.EntityID) *blue.Event {
	var last *blue.Event
	for _, e := range tx.snapshot.Events {
		if e.Of == id && (last == nil || !e.CreatedAt.Before(last.CreatedAt)) {
			last = e
		}
	}
	return last
}
