package recordtest

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// queryIndex returns the records of an index partition.
func queryIndex(t *testing.T, s record.Store, index record.Index, partition string) []record.Record {
	t.Helper()
	records, err := s.Index(t.Context(), index, partition)
	if err != nil {
		t.Fatalf("index %s: %v", index, err)
	}
	return records
}

// The indexes.
//
// An index lists the records of Dialogues, of all partitions, whose first index
// attribute is a string equal to the index partition and whose second one is a
// non-empty string. It orders them by the second attribute, then by partition,
// then by sort key, all in byte order. Changes and deletes of a record change
// its entry. Binary attributes are not guaranteed.

func index(t *testing.T, s record.Store) {
	for _, i := range []record.Index{record.ByStatus, record.ByTensionStatus, record.ByExpert} {
		first, second := string(i)+"PK", string(i)+"SK"
		other := "GSI1PK"
		if other == first {
			other = "GSI2PK"
		}
		mustCommit(t, s,
			put(first+"in", record.Attrs{first: record.S("open"), second: record.S("1"), "entity_type": record.N(7), "updated_at": record.T(true)}),
			put(first+"other partition", record.Attrs{first: record.S("closed"), second: record.S("1")}),
			put(first+"case", record.Attrs{first: record.S("Open"), second: record.S("1")}),
			put(first+"half", record.Attrs{first: record.S("open")}),
			put(first+"other half", record.Attrs{second: record.S("1")}),
			put(first+"neither", record.Attrs{other: record.S("open"), "n": record.N(1)}),
			put(first+"number", record.Attrs{first: record.N(1), second: record.S("1")}),
			put(first+"number second", record.Attrs{first: record.S("open"), second: record.N(1)}),
			put(first+"binary", record.Attrs{first: record.B([]byte("open")), second: record.S("1")}),
			inTable(record.Audit, put(first+"audit", record.Attrs{first: record.S("open"), second: record.S("1")})),
			put(first+"empty", record.Attrs{first: record.S("empty"), second: record.S("")}),
			put(first+"empty first", record.Attrs{first: record.S(""), second: record.S("1")}),
			put(first+"odd", record.Attrs{first: record.S("\x00'\"é%"), second: record.S("1")}))
		got := queryIndex(t, s, i, "open")
		if len(got) != 1 || got[0].Key != key(first+"in") {
			t.Fatalf("index %s lists %v", i, got)
		}
		if a := got[0].Attrs; !a["entity_type"].Equal(record.N(7)) || !a["updated_at"].True() || !a[second].Equal(record.S("1")) {
			t.Errorf("index %s lists the attributes %v", i, a)
		}
		for partition, n := range map[string]int{"closed": 1, "Open": 1, "1": 0, "empty": 0, "\x00'\"é%": 1, "\x00": 0, "": 0, "absent": 0} {
			if got := queryIndex(t, s, i, partition); len(got) != n {
				t.Errorf("index %s lists %d records for %q, want %d", i, len(got), partition, n)
			}
		}
	}
	if _, err := s.Index(t.Context(), "GSI4", "x"); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("an unknown index: %v, want ErrInvalid", err)
	}
}

func indexOrder(t *testing.T, s record.Store) {
	type place struct {
		second    string
		partition record.Partition
		sk        string
	}
	var want []place
	for _, second := range []string{"2026-01-02", " ", "a", "Z", "a\x00", "é", "🙂", "\ufffd"} {
		for _, partition := range []record.Partition{"dialogue#b", "dialogue#a", "dialogue#é"} {
			for _, sk := range []string{"y", "x"} {
				want = append(want, place{second, partition, sk + "#" + second})
			}
		}
	}
	for _, partition := range []record.Partition{"dialogue#b", "dialogue#a", "dialogue#é"} {
		writes := []record.Write{put(record.Meta, generation(0))}
		for _, p := range want {
			if p.partition == partition {
				writes = append(writes, put(p.sk, record.Attrs{"GSI2PK": record.S("open"), "GSI2SK": record.S(p.second)}))
			}
		}
		for i := range writes {
			writes[i].Record.Key.Partition = partition
		}
		if err := s.Commit(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(want, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.partition, b.partition), cmp.Compare(a.sk, b.sk))
	})
	var got []place
	for _, r := range queryIndex(t, s, record.ByTensionStatus, "open") {
		got = append(got, place{r.Attrs["GSI2SK"].Str(), r.Key.Partition, r.Key.Item})
	}
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

// indexFollows changes and deletes records: their entries move and disappear.
func indexFollows(t *testing.T, s record.Store) {
	attrs := func(status string) record.Attrs {
		return record.Attrs{"GSI1PK": record.S(status), "GSI1SK": record.S("1"), "n": record.N(1)}
	}
	mustCommit(t, s, put("a", attrs("open")), put("b", attrs("open")))
	mustCommit(t, s, change("a", attrs("open"), attrs("closed")))
	if open, closed := sortKeys(queryIndex(t, s, record.ByStatus, "open")), sortKeys(queryIndex(t, s, record.ByStatus, "closed")); !slices.Equal(open, []string{"b"}) || !slices.Equal(closed, []string{"a"}) {
		t.Fatalf("after a change: open %q, closed %q", open, closed)
	}
	mustCommit(t, s, change("a", attrs("closed"), record.Attrs{"n": record.N(1)}), change("b", attrs("open"), nil))
	for _, status := range []string{"open", "closed"} {
		if got := queryIndex(t, s, record.ByStatus, status); len(got) != 0 {
			t.Errorf("%s still lists %q", status, sortKeys(got))
		}
	}
}
