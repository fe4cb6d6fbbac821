package copier_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/copier"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

const dialogue blue.DialogueID = "how-large-is-a-muffin"

type sealed = *encrypted.Store

// A fixture opens any number of stores with one key.
type fixture struct {
	*testing.T
	umk string
}

func newFixture(t *testing.T) fixture { return fixture{t, filepath.Join(t.TempDir(), "umk.key")} }

func (w fixture) open(records record.Store) sealed {
	always := func(context.Context) (bool, error) { return true, nil }
	return encrypted.New(records, localfile.Open(w.umk, &localfile.Options{MayCreate: always}), "muffin", audit.NewLog(records, "muffin", nil), nil)
}

func (w fixture) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w fixture) fails(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("got the error %v; want %v", err, want)
	}
}

// round stores one round of some entities.
func (w fixture) round(s blue.DialogueStore, n blue.Round, entities int) {
	w.Helper()
	b := blue.RoundBatch{Round: n, Score: 1, Drafts: map[blue.Kind][]blue.Draft{}}
	for i := range entities {
		b.Drafts[blue.KindTension] = append(b.Drafts[blue.KindTension], blue.Draft{Label: fmt.Sprint("label ", i), Text: "text"})
	}
	_, err := s.RegisterRound(w.Context(), dialogue, b)
	w.ok(err)
}

// seed returns a store in memory with a dialogue of 12 commits.
func (w fixture) seed() *memory.Store {
	w.Helper()
	records := memory.New()
	s := w.open(records)
	_, err := s.Create(w.Context(), dialogue, blue.NewDialogue{Title: "How large is a muffin?"})
	w.ok(err)
	for n := range 11 {
		w.round(s, blue.Round(n), 3)
	}
	return records
}

func copyTo(w fixture, from, to record.Store) (copier.Result, error) {
	c := &copier.Copier{From: from, To: to, Log: audit.NewLog(to, "muffin", nil)}
	return c.Copy(w.Context(), dialogue)
}

// dump returns the records of the dialogue in a table, by key.
func (w fixture) dump(s record.Store, table record.Table) []record.Record {
	w.Helper()
	records, err := s.Query(w.Context(), record.Query{Table: table, Partition: record.DialoguePartition(string(dialogue))})
	w.ok(err)
	return records
}

// sameIn compares a table of two stores byte by byte.
func (w fixture) sameIn(a, b record.Store, table record.Table) {
	w.Helper()
	x, y := w.dump(a, table), w.dump(b, table)
	if len(x) != len(y) || len(x) == 0 {
		w.Fatalf("%s: %d and %d records", table, len(x), len(y))
	}
	for i := range x {
		if !x[i].Equal(y[i]) {
			w.Fatalf("%s: %s differs", table, x[i].Key.Item)
		}
	}
}

// whole fails the test unless the target has a complete copy.
func (w fixture) whole(from, to record.Store) {
	w.Helper()
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		w.sameIn(from, to, table)
	}
	_, err := w.open(to).Verify(w.Context(), dialogue)
	w.ok(err)
	_, err = audit.ReadCommits(w.Context(), to, string(dialogue))
	w.ok(err)
}

func TestCopy(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	got, err := copyTo(w, from, to)
	w.ok(err)
	if got.Status != "copied" || got.Version != 12 || got.Events != 12 || got.Wraps != 1 || got.Items != len(w.dump(from, record.Dialogues)) {
		t.Errorf("got %+v", got)
	}
	w.whole(from, to)
}

// TestAgain copies twice. The second run must write nothing, not even an event.
func TestAgain(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	first, err := copyTo(w, from, to)
	w.ok(err)
	commits := 0
	again, err := copyTo(w, from, &storetest.Faulty{Inner: to, After: func(c storetest.Call) error {
		if c.Method == "Commit" {
			commits++
		}
		return nil
	}})
	w.ok(err)
	first.Status = "already there"
	if again != first || commits != 0 {
		t.Errorf("got %+v with %d commits; want %+v with none", again, commits, first)
	}
}

// TestSourceUntouched copies from a store that refuses every write.
func TestSourceUntouched(t *testing.T) {
	w := newFixture(t)
	from := &storetest.Faulty{Inner: w.seed(), Before: func(c storetest.Call) error {
		if c.Method == "Commit" {
			return errors.New("the source was written to")
		}
		return nil
	}}
	_, err := copyTo(w, from, memory.New())
	w.ok(err)
}

// TestBoundary compares the boundary event with the items of the source.
func TestBoundary(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	var event record.Record
	spy := &storetest.Faulty{Inner: to, After: func(c storetest.Call) error {
		for _, r := range c.Writes {
			if r.Record.Attrs["operation"].Str() == string(audit.Boundary) {
				event = r.Record
			}
		}
		return nil
	}}
	got, err := copyTo(w, from, spy)
	w.ok(err)
	e, err := audit.ReadEvent(t.Context(), to, event.Attrs["chain"].Str(), uint64(event.Attrs["seq"].Int()))
	w.ok(err)
	if e.RootVersion != 12 || e.ItemCount != int64(got.Items) || fmt.Sprintf("%x", e.ItemsDigest) != got.Digest || e.Dialogue != string(dialogue) || e.RootHash != "" {
		t.Errorf("the boundary event is %+v", e)
	}
}

// TestForward copies new and changed items of a newer state in one commit. A
// client of the target must see a newer version, not a rollback.
func TestForward(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	_, err := copyTo(w, from, to)
	w.ok(err)
	w.round(w.open(from), 11, 5)
	_, err = w.open(from).Transition(t.Context(), dialogue, blue.Transition{ID: blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}, To: "addressed"})
	w.ok(err)
	got, err := copyTo(w, from, to)
	w.ok(err)
	if got.Status != "updated" || got.Version != 14 {
		t.Errorf("got %+v", got)
	}
	w.whole(from, to)
}

// TestBothWays continues a dialogue in the target and copies it back.
func TestBothWays(t *testing.T) {
	w := newFixture(t)
	from, to := w.seed(), memory.New()
	_, err := copyTo(w, from, to)
	w.ok(err)
	w.round(w.open(to), 11, 5)
	_, err = copyTo(w, from, to)
	w.fails(err, blue.ErrConflict)
	_, err = copyTo(w, to, from)
	w.ok(err)
	w.whole(to, from)
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w fixture, from, to record.Store)
		want   error
	}{
		"no such dialogue": {func(w fixture, from, _ record.Store) { remove(w, from, record.Dialogues, "") }, blue.ErrNotFound},
		"another incarnation": {func(w fixture, _, to record.Store) {
			_, err := w.open(to).Create(w.Context(), dialogue, blue.NewDialogue{Title: "Another"})
			w.ok(err)
		}, blue.ErrConflict},
		"branched": {func(w fixture, from, to record.Store) {
			_, err := copyTo(w, from, to)
			w.ok(err)
			w.round(w.open(from), 11, 1)
			w.round(w.open(to), 11, 2)
		}, blue.ErrConflict},
		"branched, the target is newer": {func(w fixture, from, to record.Store) {
			_, err := copyTo(w, from, to)
			w.ok(err)
			w.round(w.open(from), 11, 1)
			w.round(w.open(to), 11, 2)
			w.round(w.open(to), 12, 2)
		}, blue.ErrConflict},
		"another key in the target": {func(w fixture, _, to record.Store) {
			w.ok(to.Commit(w.Context(), []record.Write{{Table: record.Keys, Record: record.Record{
				Key: record.DialogueKey(string(dialogue), "wrap#0000000001#muffin"), Attrs: record.Attrs{"wrapped": record.B([]byte{1})}}}}))
		}, blue.ErrConflict},
		"erasing":        {func(w fixture, from, _ record.Store) { setState(w, from, "erasing") }, blue.ErrErased},
		"meta is gone":   {func(w fixture, from, _ record.Store) { remove(w, from, record.Dialogues, "meta") }, blue.ErrTampered},
		"no wrapped key": {func(w fixture, from, _ record.Store) { remove(w, from, record.Keys, "wrap#0000000001#muffin") }, blue.ErrSealed},
		"a wrapped key is gone": {func(w fixture, from, _ record.Store) {
			_, err := w.open(from).Rotate(w.Context(), dialogue)
			w.ok(err)
			w.ok(from.Commit(w.Context(), []record.Write{{Table: record.Keys, Record: record.Record{
				Key: record.DialogueKey(string(dialogue), "wrap#0000000003#muffin"), Attrs: record.Attrs{"wrapped": record.B([]byte{1})}}}}))
			remove(w, from, record.Keys, "wrap#0000000002#muffin")
		}, blue.ErrSealed},
		"an audit pointer is gone": {func(w fixture, from, _ record.Store) { remove(w, from, record.Audit, "000000000003") }, blue.ErrTampered},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			from, to := w.seed(), memory.New()
			c.change(w, from, to)
			before := w.dump(to, record.Dialogues)
			_, err := copyTo(w, from, to)
			w.fails(err, c.want)
			after := w.dump(to, record.Dialogues)
			if len(before) != len(after) {
				t.Errorf("%d items before, %d after", len(before), len(after))
			}
			for i := range before {
				if !before[i].Equal(after[i]) {
					t.Errorf("%s was changed", before[i].Key.Item)
				}
			}
		})
	}
}

// remove deletes one record of the dialogue, or all.
func remove(w fixture, s record.Store, table record.Table, sk string) {
	w.Helper()
	for _, r := range w.dump(s, table) {
		if sk == "" || r.Key.Item == sk {
			deleteRecord(w, s, table, r)
		}
	}
}

func deleteRecord(w fixture, s record.Store, table record.Table, r record.Record) {
	w.Helper()
	writes := []record.Write{{Table: table, Record: record.Record{Key: r.Key}, Prev: r.Attrs}}
	if table == record.Dialogues && r.Key.Item != record.Meta {
		for _, m := range w.dump(s, table) {
			if m.Key.Item == record.Meta {
				writes = append(writes, record.Write{Table: table, Record: m, Prev: m.Attrs})
			}
		}
		if len(writes) == 1 { // meta was deleted before: store one and delete it again
			meta := record.Record{Key: record.Key{Partition: r.Key.Partition, Item: record.Meta}, Attrs: record.Attrs{"x": record.N(1)}}
			w.ok(s.Commit(w.Context(), []record.Write{{Table: table, Record: meta}, writes[0]}))
			w.ok(s.Commit(w.Context(), []record.Write{{Table: table, Record: record.Record{Key: meta.Key}, Prev: meta.Attrs}}))
			return
		}
	}
	w.ok(s.Commit(w.Context(), writes))
}

func setState(w fixture, s record.Store, state string) {
	w.Helper()
	for _, r := range w.dump(s, record.Keys) {
		if r.Key.Item == "head" {
			changed := r.Clone()
			changed.Attrs["state"] = record.S(state)
			w.ok(s.Commit(w.Context(), []record.Write{{Table: record.Keys, Record: changed, Prev: r.Attrs}}))
		}
	}
}
