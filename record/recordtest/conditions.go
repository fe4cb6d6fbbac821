package recordtest

import (
	"fmt"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

var (
	one = record.Attrs{"n": record.N(1), "s": record.S("one"), "b": record.B([]byte{1})}
	two = record.Attrs{"n": record.N(2), "s": record.S("two"), "b": record.B([]byte{2})}
)

// Conditions, atomic commits and separation.
//
// Every write has a condition. A nil Prev requires that no record exists. Any
// other Prev, even an empty one, requires a record that holds the attributes of
// Prev with the same type and value, and may hold others. A failed condition is
// a *ConflictError with the table and key of the write, and nothing is written.
// If the condition on meta fails together with another one, the error names the
// other one.
//
// A write replaces the whole record. Without attributes it deletes the record,
// and with Check it changes nothing.
//
// Partitions are separate, and so are the tables: an equal key in another
// partition or table is another record. Commits that break the rules of
// record.CheckBatch are ErrInvalid.

func mustNotExist(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{put("a", two)})...)
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{put("a", one)})...)
	mustConflict(t, s, record.Dialogues, record.Meta, put(record.Meta, generation(9)))
}

func prevMatches(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	mustCommit(t, s, change("a", one, two))
	if r := get(t, s, record.Dialogues, "a"); !r.Equal(record.Record{Key: key("a"), Attrs: two}) {
		t.Errorf("stored %v", r.Attrs)
	}
}

func prevDiffers(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	for name, prev := range map[string]record.Attrs{
		"number":     {"n": record.N(2)},
		"string":     {"s": record.S("one ")},
		"bytes":      {"b": record.B([]byte{1, 0})},
		"type":       {"n": record.S("1")},
		"bool":       {"n": record.T(true)},
		"no such":    {"x": record.N(1)},
		"one of two": {"n": record.N(1), "s": record.S("two")},
		"case":       {"S": record.S("one")},
	} {
		t.Run(name, func(t *testing.T) {
			mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{change("a", prev, two)})...)
		})
	}
}

func prevAbsent(t *testing.T, s record.Store) {
	mustCommit(t, s)
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{change("a", one, two)})...)
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{change("a", record.Attrs{}, two)})...)
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{change("a", one, nil)})...)
}

func prevAndOthers(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	mustCommit(t, s, change("a", record.Attrs{"s": record.S("one")}, two))
	mustCommit(t, s, change("a", record.Attrs{"b": record.B([]byte{2})}, one))
}

func prevEmpty(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	mustCommit(t, s, change("a", record.Attrs{}, two))
	if r := get(t, s, record.Dialogues, "a"); !r.Attrs["n"].Equal(record.N(2)) {
		t.Errorf("stored %v", r.Attrs)
	}
}

func replaceWhole(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	mustCommit(t, s, change("a", one, record.Attrs{"only": record.T(false)}))
	if r := get(t, s, record.Dialogues, "a"); len(r.Attrs) != 1 {
		t.Errorf("attributes of the old record remain: %v", r.Names())
	}
}

func deleteRecord(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one), put("b", one))
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{change("a", two, nil)})...)
	mustCommit(t, s, change("a", one, nil))
	if got := sortKeys(query(t, s, record.Dialogues, pk)); len(got) != 2 || got[0] != "b" {
		t.Errorf("left after the delete: %q", got)
	}
	mustCommit(t, s, put("a", two))
	mustCommit(t, s, change("a", record.Attrs{}, nil))
}

func checkOnly(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	mustCommit(t, s, check("a", record.Attrs{"n": record.N(1)}), check("b", nil))
	if got := sortKeys(query(t, s, record.Dialogues, pk)); len(got) != 2 {
		t.Errorf("checks changed the stored records: %q", got)
	}
	if r := get(t, s, record.Dialogues, "a"); !r.Equal(record.Record{Key: key("a"), Attrs: one}) {
		t.Errorf("a check changed the record: %v", r.Attrs)
	}
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{check("a", two), put("c", one)})...)
	mustConflict(t, s, record.Dialogues, "a", withMeta(t, s, []record.Write{put("c", one), check("a", nil)})...)
}

func allOrNothing(t *testing.T, s record.Store) {
	mustCommit(t, s, put("last", one), put("changed", one), put("deleted", one))
	writes := withMeta(t, s, nil)
	for i := range 50 {
		writes = append(writes, put(fmt.Sprintf("new#%02d", i), one))
	}
	writes = append(writes,
		inTable(record.Audit, put("event", one)),
		change("changed", one, two),
		change("deleted", one, nil),
		put("last", two))
	mustConflict(t, s, record.Dialogues, "last", writes...)
	// The same with a last write that conflicts in the other table.
	writes = append(writes[:len(writes)-1], inTable(record.Audit, change("last", one, two)))
	mustConflict(t, s, record.Audit, "last", writes...)
	// Without the last write, the commit succeeds.
	if err := s.Commit(t.Context(), writes[:len(writes)-1]); err != nil {
		t.Fatal(err)
	}
}

func conflictOnBoth(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one), put("b", one))
	stale := change(record.Meta, generation(7), generation(8))
	mustConflict(t, s, record.Dialogues, "b", stale, put("new", one), put("b", two), put("a", two))
	mustConflict(t, s, record.Dialogues, "a", put("a", two), stale)
	mustConflict(t, s, record.Dialogues, record.Meta, put("new", one), stale, put("new2", one))
	// In another table, the sort key "meta" has no special meaning.
	mustCommit(t, s, inTable(record.Audit, put(record.Meta, one)))
	mustConflict(t, s, record.Audit, record.Meta, stale, inTable(record.Audit, put(record.Meta, two)))
}

func malformedCommits(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one))
	meta := withMeta(t, s, nil)[0]
	other := put("x", one)
	other.Record.Key.Partition = "dialogue#e"
	written := check("a", one)
	written.Record.Attrs = two
	attr := func(name string, v record.Value) record.Write { return put("x", record.Attrs{name: v}) }
	empty := func(k record.Key) record.Write {
		return record.Write{Table: record.Dialogues, Record: record.Record{Key: k, Attrs: one}}
	}
	for name, writes := range map[string][]record.Write{
		"nothing":           {},
		"no meta":           {put("x", one)},
		"meta only checked": {put("x", one), check(record.Meta, generation(0))},
		"meta of audit":     {put("x", one), inTable(record.Audit, put(record.Meta, one))},
		"two partitions":    {meta, other},
		"keys and data":     {meta, inTable(record.Keys, put("x", one))},
		"keys and audit":    {inTable(record.Audit, put("x", one)), inTable(record.Keys, put("x", one))},
		"a key twice":       {meta, put("x", one), put("x", two)},
		"unknown table":     {meta, inTable("blue_other", put("x", one))},
		"delete, no prev":   {meta, put("x", nil)},
		"check and write":   {meta, written},
		"no PK":             {meta, empty(record.Key{Item: "x"})},
		"no SK":             {meta, empty(record.Key{Partition: pk})},
		"attribute PK":      {meta, attr("PK", record.S("x"))},
		"attribute SK":      {meta, attr("SK", record.S("x"))},
		"no name":           {meta, attr("", record.S("x"))},
		"name of a store":   {meta, attr("_x", record.S("x"))},
		"no value":          {meta, attr("x", record.Value{})},
		"text not UTF-8":    {meta, attr("x", record.S("\xff"))},
		"name not UTF-8":    {meta, attr("\xff", record.S("x"))},
		"key not UTF-8":     {meta, put("x\xff", one)},
		"half a surrogate":  {meta, attr("x", record.S("\xed\xa0\x80"))},
	} {
		t.Run(name, func(t *testing.T) { mustFail(t, s, record.ErrInvalid, writes...) })
	}
}

func partitionsApart(t *testing.T, s record.Store) {
	partitions := []record.Partition{"dialogue#a", "dialogue#a#", "dialogue#A", "dialogue#aa", "dialogue#ä", "dialogue#a\x00", "dialogue#%", "dialogue#_"}
	for _, p := range partitions {
		w := put(record.Meta, record.Attrs{"of": record.S(string(p))})
		w.Record.Key.Partition = p
		if err := s.Commit(t.Context(), []record.Write{w}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range partitions {
		got := query(t, s, record.Dialogues, p)
		checkSame(t, got, []record.Record{{Key: record.Key{Partition: p, Item: record.Meta}, Attrs: record.Attrs{"of": record.S(string(p))}}})
	}
}

func tablesApart(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", one), inTable(record.Audit, put("a", two)))
	if r := get(t, s, record.Audit, "a"); !r.Attrs["n"].Equal(record.N(2)) {
		t.Errorf("audit holds %v", r.Attrs)
	}
	if r := get(t, s, record.Dialogues, "a"); !r.Attrs["n"].Equal(record.N(1)) {
		t.Errorf("dialogues hold %v", r.Attrs)
	}
	// An audit event of another partition, and one without other writes.
	event := inTable(record.Audit, put("b", one))
	event.Record.Key.Partition = "chain"
	mustCommit(t, s, event)
	event.Record.Key.Item = "c"
	if err := s.Commit(t.Context(), []record.Write{event}); err != nil {
		t.Errorf("a commit of one audit event: %v", err)
	}
	if got := sortKeys(query(t, s, record.Audit, "chain")); len(got) != 2 {
		t.Errorf("the chain holds %q", got)
	}
}

func keysApart(t *testing.T, s record.Store) {
	commit := func(writes ...record.Write) error {
		for i := range writes {
			writes[i].Table = record.Keys
		}
		return s.Commit(t.Context(), writes)
	}
	active := record.Attrs{"state": record.S("active"), "active_version": record.N(1)}
	if err := commit(put("header", active), put("wrap#0000000001#u", one)); err != nil {
		t.Fatal(err)
	}
	if err := commit(put("wrap#0000000002#u", one), check("header", record.Attrs{"state": record.S("active")})); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, put("a", one))
	if got := sortKeys(query(t, s, record.Keys, pk)); len(got) != 3 {
		t.Errorf("keys hold %q", got)
	}
	if got := sortKeys(query(t, s, record.Dialogues, pk)); len(got) != 2 {
		t.Errorf("dialogues hold %q", got)
	}
	erased := record.Attrs{"state": record.S("erased")}
	if err := commit(change("header", active, erased), change("wrap#0000000001#u", one, nil), change("wrap#0000000002#u", one, nil)); err != nil {
		t.Fatal(err)
	}
	mustConflict(t, s, record.Keys, "header", inTable(record.Keys, put("wrap#0000000003#u", one)),
		inTable(record.Keys, check("header", record.Attrs{"state": record.S("active")})))
}
