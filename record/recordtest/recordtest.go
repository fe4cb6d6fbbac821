// Package recordtest is the conformance suite of record.Store. It has the same
// cases, with the same names, for every backend.
//
// The cases follow from the contract in package record, and their comments
// state it. They come in groups:
//
//	recordtest.go   life cycle: empty stores, closing, contexts, durability
//	conditions.go   conditions, atomic commits, malformed commits, separation
//	values.go       values, names, copies and the order of sort keys
//	part.go         queries of a part of a partition
//	index.go        the indexes
//	limits.go       the limits of keys, records and commits
//	concurrency.go  concurrent commits and reads
//	model.go        random commits, compared with a map
//
// Files, networks and crashes are not covered, because each backend has its own
// and tests them itself.
package recordtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/superviber/blue-encrypted-store/record"
)

// A Harness opens stores for the suite.
type Harness struct {
	// Open returns an empty store. The suite closes it.
	Open func(t *testing.T) record.Store
	// Reopen closes the store and returns another store with the same records.
	// If Reopen is nil, the store does not outlive its
	// process, and the case "reopen" is skipped.
	Reopen func(t *testing.T, s record.Store) record.Store
	// Skip has the names of cases that are skipped, each with the reason.
	Skip map[string]string
}

// Run runs every case of the suite as a subtest of t, each on an empty store.
func Run(t *testing.T, h Harness) {
	cases := []struct {
		name string
		run  func(t *testing.T, s record.Store)
	}{
		{"not found", notFound},
		{"order", order},
		{"partitions apart", partitionsApart},
		{"tables apart", tablesApart},
		{"keys apart", keysApart},
		{"part of a partition", partOfPartition},
		{"part in pages", partInPages},
		{"no part of a dialogue", noPartOfDialogue},
		{"must not exist", mustNotExist},
		{"prev matches", prevMatches},
		{"prev differs", prevDiffers},
		{"prev absent", prevAbsent},
		{"prev and other attributes", prevAndOthers},
		{"prev empty", prevEmpty},
		{"replaced whole", replaceWhole},
		{"delete", deleteRecord},
		{"check only", checkOnly},
		{"all or nothing", allOrNothing},
		{"conflict on meta and item", conflictOnBoth},
		{"malformed commits", malformedCommits},
		{"values", values},
		{"names", names},
		{"copies", copies},
		{"index", index},
		{"index order", indexOrder},
		{"index follows", indexFollows},
		{"limit of keys", limitOfKeys},
		{"limit of a record", limitOfRecord},
		{"limit of writes", limitOfWrites},
		{"limit of bytes", limitOfBytes},
		{"limit of changes", limitOfChanges},
		{"one winner", oneWinner},
		{"query is one moment", queryIsOneMoment},
		{"context", cancelledContext},
		{"closed", useAfterClose},
		{"model", model},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if reason, ok := h.Skip[c.name]; ok {
				t.Skip(reason)
			}
			c.run(t, open(t, h))
		})
	}
	t.Run("reopen", func(t *testing.T) { reopen(t, h) })
}

func open(t *testing.T, h Harness) record.Store {
	t.Helper()
	s := h.Open(t)
	t.Cleanup(func() { s.Close() })
	return s
}

const pk record.Partition = "dialogue#d"

func key(sk string) record.Key { return record.Key{Partition: pk, Item: sk} }

// put returns a write of a new record in Dialogues.
func put(sk string, attrs record.Attrs) record.Write {
	return record.Write{Table: record.Dialogues, Record: record.Record{Key: key(sk), Attrs: attrs}}
}

// change returns a write that replaces a record that holds prev. Without attrs
// it deletes the record.
func change(sk string, prev, attrs record.Attrs) record.Write {
	w := put(sk, attrs)
	w.Prev = prev
	return w
}

// check returns a write that is a condition only.
func check(sk string, prev record.Attrs) record.Write {
	w := change(sk, prev, nil)
	w.Check = true
	return w
}

// inTable returns the write for another table.
func inTable(table record.Table, w record.Write) record.Write {
	w.Table = table
	return w
}

// generation returns the attributes of meta after n commits.
func generation(n int) record.Attrs { return record.Attrs{"gen": record.N(int64(n))} }

// mustCommit commits the writes together with the next generation of meta.
func mustCommit(t *testing.T, s record.Store, writes ...record.Write) {
	t.Helper()
	if err := s.Commit(t.Context(), withMeta(t, s, writes)); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// withMeta appends the write of the next generation of meta.
func withMeta(t *testing.T, s record.Store, writes []record.Write) []record.Write {
	t.Helper()
	meta, err := s.Get(t.Context(), record.Dialogues, key(record.Meta))
	if errors.Is(err, record.ErrNotFound) {
		return append(writes, put(record.Meta, generation(0)))
	}
	if err != nil {
		t.Fatal(err)
	}
	gen := meta.Attrs["gen"]
	return append(writes, change(record.Meta, record.Attrs{"gen": gen}, generation(int(gen.Int())+1)))
}

// mustConflict fails the test unless the commit conflicts at table and sk and
// changes nothing.
func mustConflict(t *testing.T, s record.Store, table record.Table, sk string, writes ...record.Write) {
	t.Helper()
	before := allRecords(t, s)
	err := s.Commit(t.Context(), writes)
	conflict, ok := errors.AsType[*record.ConflictError](err)
	if !ok || !errors.Is(err, record.ErrConflict) {
		t.Fatalf("commit: %v, want a conflict", err)
	}
	if conflict.Table != table || conflict.Key != key(sk) {
		t.Errorf("the conflict is at %s %v, want %s %v", conflict.Table, conflict.Key, table, key(sk))
	}
	checkSame(t, allRecords(t, s), before)
}

// mustFail fails the test unless the commit fails with the error want and
// changes nothing.
func mustFail(t *testing.T, s record.Store, want error, writes ...record.Write) {
	t.Helper()
	before := allRecords(t, s)
	if err := s.Commit(t.Context(), writes); !errors.Is(err, want) {
		t.Fatalf("commit: %v, want %v", err, want)
	}
	checkSame(t, allRecords(t, s), before)
}

// allRecords returns the records of the partition pk in all tables.
func allRecords(t *testing.T, s record.Store) []record.Record {
	t.Helper()
	var all []record.Record
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		all = append(all, query(t, s, table, pk)...)
	}
	return all
}

func query(t *testing.T, s record.Store, table record.Table, partition record.Partition) []record.Record {
	t.Helper()
	records, err := s.Query(t.Context(), record.Query{Table: table, Partition: partition})
	if err != nil {
		t.Fatalf("query of %s: %v", table, err)
	}
	return records
}

func get(t *testing.T, s record.Store, table record.Table, sk string) record.Record {
	t.Helper()
	r, err := s.Get(t.Context(), table, key(sk))
	if err != nil {
		t.Fatalf("get of %s: %v", sk, err)
	}
	if r.Key != key(sk) {
		t.Fatalf("get of %s: another key, %v", sk, r.Key)
	}
	return r
}

// checkSame fails the test if the records differ. Nil and empty are the same.
func checkSame(t *testing.T, got, want []record.Record) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("records (-want +got):\n%.2000s", diff)
	}
}

func sortKeys(records []record.Record) []string {
	keys := []string{}
	for _, r := range records {
		keys = append(keys, r.Key.Item)
	}
	return keys
}

// The life cycle of a store.
//
// A missing record is ErrNotFound, a missing partition is an empty result, and
// an unknown table is ErrInvalid. A context that has ended stops every call, and
// a commit with such a context writes nothing. After Close every call returns
// ErrUnavailable. A durable store returns the same records after it is reopened.

func notFound(t *testing.T, s record.Store) {
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		if _, err := s.Get(t.Context(), table, key("tension#00#01")); !errors.Is(err, record.ErrNotFound) {
			t.Errorf("get from %s: %v, want ErrNotFound", table, err)
		}
		if records := query(t, s, table, pk); len(records) != 0 {
			t.Errorf("query of a missing partition of %s: %d records", table, len(records))
		}
	}
	mustCommit(t, s, put("tension#00#01", record.Attrs{"a": record.N(1)}))
	for _, k := range []record.Key{key("tension#00#0"), key("TENSION#00#01"), {Partition: pk + "2", Item: "tension#00#01"}} {
		if _, err := s.Get(t.Context(), record.Dialogues, k); !errors.Is(err, record.ErrNotFound) {
			t.Errorf("get of %v: %v, want ErrNotFound", k, err)
		}
	}
	if _, err := s.Get(t.Context(), "blue_other", key("x")); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("get from an unknown table: %v, want ErrInvalid", err)
	}
	if _, err := s.Query(t.Context(), record.Query{Table: "blue_other", Partition: pk}); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("query of an unknown table: %v, want ErrInvalid", err)
	}
}

func reopen(t *testing.T, h Harness) {
	if h.Reopen == nil {
		t.Skip("the store does not outlive its process")
	}
	s := open(t, h)
	mustCommit(t, s, put("a", every), inTable(record.Audit, put("event#1", every)))
	mustCommit(t, s, change("a", record.Attrs{"n": every["n"]}, record.Attrs{"b": record.B([]byte("x"))}), put("b", every))
	if err := s.Commit(t.Context(), []record.Write{inTable(record.Keys, put("header", every))}); err != nil {
		t.Fatal(err)
	}
	want := allRecords(t, s)
	s = h.Reopen(t, s)
	t.Cleanup(func() { s.Close() })
	checkSame(t, allRecords(t, s), want)
	mustCommit(t, s, put("c", every))
}

func cancelledContext(t *testing.T, s record.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, []record.Write{put(record.Meta, generation(0))}); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v, want %v", err, context.Canceled)
	}
	if _, err := s.Query(ctx, record.Query{Table: record.Dialogues, Partition: pk}); !errors.Is(err, context.Canceled) {
		t.Errorf("query: %v, want %v", err, context.Canceled)
	}
	if n := len(allRecords(t, s)); n != 0 {
		t.Errorf("a commit with a cancelled context stored %d records", n)
	}
	mustCommit(t, s, put("a", generation(0)))
}

func useAfterClose(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", generation(0)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := s.Get(t.Context(), record.Dialogues, key("a"))
	_, queryErr := s.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: pk})
	_, indexErr := s.Index(t.Context(), record.ByStatus, "x")
	commitErr := s.Commit(t.Context(), []record.Write{put(record.Meta, generation(0))})
	for call, err := range map[string]error{"get": getErr, "query": queryErr, "index": indexErr, "commit": commitErr} {
		if !errors.Is(err, record.ErrUnavailable) {
			t.Errorf("%s after close: %v, want ErrUnavailable", call, err)
		}
	}
}

// numbered returns n sort keys in order.
func numbered(prefix string, n int) []string {
	sks := make([]string, n)
	for i := range sks {
		sks[i] = fmt.Sprintf("%s#%05d", prefix, i)
	}
	return sks
}
