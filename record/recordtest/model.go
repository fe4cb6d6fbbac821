package recordtest

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/superviber/blue-encrypted-store/record"
)

// place is a key in a table.
type place struct {
	table record.Table
	sk    string
}

// The model.
//
// A map and a second implementation of the conditions predict the result of
// random commits. The store must return the predicted result and hold the
// predicted records after each commit.

// model commits random batches to the store and to the map.
func model(t *testing.T, s record.Store) {
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		partition := record.DialoguePartition(strconv.Itoa(runs)) // each run uses a new partition
		stored := map[place]record.Attrs{}
		for range rapid.IntRange(1, 8).Draw(rt, "commits") {
			writes := drawBatch(rt, partition, stored)
			want := predict(stored, writes)
			compareAnswer(rt, s.Commit(t.Context(), writes), want, partition)
			if want == nil {
				applyTo(stored, writes)
			}
			compareStored(rt, t, s, partition, stored)
		}
	})
}

func drawBatch(rt *rapid.T, partition record.Partition, stored map[place]record.Attrs) []record.Write {
	tables := []record.Table{record.Dialogues, record.Audit}
	places := []place{{record.Dialogues, record.Meta}}
	if rapid.IntRange(0, 5).Draw(rt, "of keys") == 0 {
		tables, places = []record.Table{record.Keys}, nil
	}
	for range rapid.IntRange(1, 6).Draw(rt, "writes") {
		p := place{rapid.SampledFrom(tables).Draw(rt, "table"), rapid.SampledFrom([]string{"a", "b", "b\x00", "meta", "é"}).Draw(rt, "sk")}
		if !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	places = rapid.Permutation(places).Draw(rt, "order")
	writes := make([]record.Write, len(places))
	for i, p := range places {
		writes[i] = drawWrite(rt, partition, p, stored)
	}
	return writes
}

func drawWrite(rt *rapid.T, partition record.Partition, p place, stored map[place]record.Attrs) record.Write {
	w := record.Write{Table: p.table, Record: record.Record{Key: record.Key{Partition: partition, Item: p.sk}}}
	now, exists := stored[p]
	if wrong := rapid.IntRange(0, 7).Draw(rt, "wrong condition") == 0; wrong != exists {
		w.Prev = record.Attrs{}
		for _, name := range slices.Sorted(maps.Keys(now)) {
			if rapid.Bool().Draw(rt, "in prev") {
				w.Prev[name] = now[name]
			}
		}
		if rapid.IntRange(0, 7).Draw(rt, "wrong value") == 0 {
			w.Prev[rapid.SampledFrom(attrNames).Draw(rt, "name")] = drawValue(rt)
		}
	}
	isMeta := p == place{record.Dialogues, record.Meta}
	what := rapid.IntRange(0, 4).Draw(rt, "what")
	switch {
	case what == 0 && !isMeta:
		w.Check = true
	case what == 1 && w.Prev != nil:
	default:
		w.Record.Attrs = rapid.MapOfN(rapid.SampledFrom(attrNames), rapid.Custom(drawValue), 1, 4).Draw(rt, "attrs")
	}
	return w
}

var attrNames = []string{"a", "b", "é", "GSI1PK", "n\x00"}

func drawValue(rt *rapid.T) record.Value {
	switch rapid.IntRange(0, 3).Draw(rt, "type") {
	case 0:
		return record.N(rapid.Int64().Draw(rt, "number"))
	case 1:
		return record.T(rapid.Bool().Draw(rt, "bool"))
	case 2:
		return record.B(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "bytes"))
	}
	return record.S(rapid.StringOfN(rapid.Rune(), 0, 10, -1).Draw(rt, "text"))
}

// predict returns the place of the conflict, or nil for a commit that succeeds.
// It does not use Write.IsMet, so that it is an independent implementation.
func predict(stored map[place]record.Attrs, writes []record.Write) *place {
	var onMeta *place
	for _, w := range writes {
		p := place{w.Table, w.Record.Key.Item}
		now, exists := stored[p]
		holds := exists == (w.Prev != nil)
		for name, v := range w.Prev {
			holds = holds && now[name].Type() != 0 && now[name].Type() == v.Type() && string(now[name].Canonical()) == string(v.Canonical())
		}
		switch {
		case holds:
		case p == place{record.Dialogues, record.Meta}:
			onMeta = &p
		default:
			return &p
		}
	}
	return onMeta
}

// applyTo applies the writes to the map.
func applyTo(stored map[place]record.Attrs, writes []record.Write) {
	for _, w := range writes {
		p := place{w.Table, w.Record.Key.Item}
		switch {
		case w.Check:
		case len(w.Record.Attrs) == 0:
			delete(stored, p)
		default:
			stored[p] = w.Record.Attrs
		}
	}
}

func compareAnswer(rt *rapid.T, err error, want *place, partition record.Partition) {
	if want == nil {
		if err != nil {
			rt.Fatalf("commit: %v, want success", err)
		}
		return
	}
	conflict, ok := errors.AsType[*record.ConflictError](err)
	if !ok {
		rt.Fatalf("commit: %v, want a conflict at %v", err, *want)
	}
	if conflict.Table != want.table || conflict.Key != (record.Key{Partition: partition, Item: want.sk}) {
		rt.Fatalf("commit: a conflict at %s %v, want %v", conflict.Table, conflict.Key, *want)
	}
}

func compareStored(rt *rapid.T, t *testing.T, s record.Store, partition record.Partition, stored map[place]record.Attrs) {
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		var want []string
		for p := range stored {
			if p.table == table {
				want = append(want, p.sk)
			}
		}
		slices.Sort(want)
		got, err := s.Query(t.Context(), record.Query{Table: table, Partition: partition})
		if err != nil {
			rt.Fatalf("query of %s: %v", table, err)
		}
		if !slices.Equal(sortKeys(got), want) && len(got)+len(want) > 0 {
			rt.Fatalf("%s holds %q, want %q", table, sortKeys(got), want)
		}
		for _, r := range got {
			if attrs := stored[place{table, r.Key.Item}]; !r.Equal(record.Record{Key: r.Key, Attrs: attrs}) {
				rt.Fatalf("%s %q holds %v, want %v", table, r.Key.Item, r.Attrs, attrs)
			}
		}
	}
}
