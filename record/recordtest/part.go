package recordtest

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// Queries of a part of a partition.
//
// In Audit and Keys, a query with After and Limit returns the first Limit
// records (0 means all) whose sort key is greater than After. After need not be
// the key of a record. A partition of Dialogues is always read whole, because a
// part of it cannot be verified.

// storeAll stores records with the given sort keys in a table other than Dialogues.
func storeAll(t *testing.T, s record.Store, table record.Table, sks []string, attrs record.Attrs) {
	t.Helper()
	var writes []record.Write
	for _, sk := range sks {
		writes = append(writes, inTable(table, put(sk, attrs)))
	}
	if err := s.Commit(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
}

// partOfPartition queries every part of two small partitions.
func partOfPartition(t *testing.T, s record.Store) {
	sks := []string{"a", "a\x00", "a#1", "b", "ba", "é"} // in byte order
	for _, table := range []record.Table{record.Audit, record.Keys} {
		storeAll(t, s, table, sks, every)
		after := append([]string{"", "\x00", "0", "aa", "a#0", "zz", "\U0010FFFF", strings.Repeat("b", record.MaxItem)}, sks...)
		for _, a := range after {
			for _, limit := range []int{0, 1, 2, len(sks), len(sks) + 1, math.MaxInt} {
				want := slices.DeleteFunc(slices.Clone(sks), func(sk string) bool { return sk <= a })
				if limit > 0 {
					want = want[:min(limit, len(want))]
				}
				got, err := s.Query(t.Context(), record.Query{Table: table, Partition: pk, After: a, Limit: limit})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(sortKeys(got), want) && len(got)+len(want) > 0 {
					t.Errorf("%s after %.20q, at most %d: %q, want %q", table, a, limit, sortKeys(got), want)
				}
				for _, r := range got {
					if !r.Equal(record.Record{Key: key(r.Key.Item), Attrs: every}) {
						t.Errorf("%s %q differs from the record that was stored", table, r.Key.Item)
					}
				}
			}
		}
		got, err := s.Query(t.Context(), record.Query{Table: table, Partition: "dialogue#none", After: "a", Limit: 3})
		if err != nil || len(got) != 0 {
			t.Errorf("a part of a missing partition: %d records, %v", len(got), err)
		}
	}
}

// partInPages reads a partition of 2.4 MB in parts. Some parts are larger than
// one response of a server (DynamoDB: 1 MB), others are smaller.
func partInPages(t *testing.T, s record.Store) {
	sks := numbered("event", 24)
	attrs := record.Attrs{"b": record.B(bytes.Repeat([]byte("x"), 100<<10))}
	storeAll(t, s, record.Audit, sks[:12], attrs)
	storeAll(t, s, record.Audit, sks[12:], attrs)
	for _, limit := range []int{1, 7, 20, 24, 25} {
		var got []string
		for after := ""; ; after = got[len(got)-1] {
			part, err := s.Query(t.Context(), record.Query{Table: record.Audit, Partition: pk, After: after, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			if len(part) == 0 {
				break
			}
			if want := min(limit, len(sks)-len(got)); len(part) != want {
				t.Fatalf("a part of %d records, want %d", len(part), want)
			}
			got = append(got, sortKeys(part)...)
		}
		if !slices.Equal(got, sks) {
			t.Errorf("in parts of %d: %q", limit, got)
		}
	}
}

// noPartOfDialogue queries with malformed or forbidden selections.
func noPartOfDialogue(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", generation(0)))
	for _, q := range []record.Query{
		{Table: record.Dialogues, After: "a"}, {Table: record.Dialogues, Limit: 1}, {Table: record.Dialogues, After: "a", Exact: true},
		{Table: record.Audit, Limit: -1}, {Table: record.Keys, After: strings.Repeat("b", record.MaxItem+1)}, {Table: record.Audit, After: "a\xff"},
	} {
		q.Partition = pk
		if got, err := s.Query(t.Context(), q); !errors.Is(err, record.ErrInvalid) || len(got) > 0 {
			t.Errorf("%+.40v: %d records, %v; want ErrInvalid", q, len(got), err)
		}
	}
}
