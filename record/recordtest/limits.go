package recordtest

import (
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// The limits.
//
// The limits of package record apply to every backend. Data of exactly the
// limit is stored and returned unchanged. One byte, write or change more is
// ErrTooLarge, and nothing is written. Sizes are counted in bytes.

func limitOfKeys(t *testing.T, s record.Store) {
	at := func(pkSize, skSize int) []record.Write {
		partition := record.Partition(strings.Repeat("p", pkSize))
		writes := []record.Write{put(record.Meta, one), put(strings.Repeat("s", skSize), one)}
		for i := range writes {
			writes[i].Record.Key.Partition = partition
		}
		return writes
	}
	mustFail(t, s, record.ErrTooLarge, at(record.MaxPartition+1, 5)...)
	mustFail(t, s, record.ErrTooLarge, at(5, record.MaxItem+1)...)
	if err := s.Commit(t.Context(), at(record.MaxPartition, record.MaxItem)); err != nil {
		t.Fatalf("keys of the largest size: %v", err)
	}
	got := query(t, s, record.Dialogues, record.Partition(strings.Repeat("p", record.MaxPartition)))
	if len(got) != 2 || len(got[1].Key.Item) != record.MaxItem {
		t.Errorf("query lists %d records", len(got))
	}
	// The limit counts bytes, not characters.
	mustFail(t, s, record.ErrTooLarge, put(record.Meta, one), put(strings.Repeat("é", record.MaxItem/2)+"x", one))
}

// attrsOfSize returns attributes with which the record at sk has exactly size bytes.
func attrsOfSize(sk string, size int) record.Attrs {
	attrs := record.Attrs{"n": record.N(1), "b": record.B(nil)}
	rest := size - record.Record{Key: key(sk), Attrs: attrs}.Size()
	attrs["b"] = record.B(make([]byte, rest))
	return attrs
}

func limitOfRecord(t *testing.T, s record.Store) {
	mustCommit(t, s, put("a", attrsOfSize("a", record.MaxRecord)))
	mustFail(t, s, record.ErrTooLarge, withMeta(t, s, []record.Write{put("b", attrsOfSize("b", record.MaxRecord+1))})...)
	if r := get(t, s, record.Dialogues, "a"); r.Size() != record.MaxRecord {
		t.Errorf("the largest record is returned with %d bytes", r.Size())
	}
	text := record.Attrs{"s": record.S(strings.Repeat("\x01", record.MaxRecord-100))} // six times as long in JSON
	mustCommit(t, s, put("c", text))
	if r := get(t, s, record.Dialogues, "c"); !r.Attrs["s"].Equal(text["s"]) {
		t.Error("a long text is returned with changes")
	}
}

func limitOfWrites(t *testing.T, s record.Store) {
	writes := []record.Write{put(record.Meta, generation(0))}
	for _, sk := range numbered("claim", record.MaxBatch) {
		writes = append(writes, put(sk, one))
	}
	mustFail(t, s, record.ErrTooLarge, writes...)
	if err := s.Commit(t.Context(), writes[:record.MaxBatch]); err != nil {
		t.Fatalf("the largest commit: %v", err)
	}
	if n := len(query(t, s, record.Dialogues, pk)); n != record.MaxBatch {
		t.Errorf("%d records are stored, want %d", n, record.MaxBatch)
	}
}

func limitOfBytes(t *testing.T, s record.Store) {
	meta := put(record.Meta, generation(0))
	at := func(total int) []record.Write {
		writes := []record.Write{meta}
		left := total - meta.Record.Size()
		for _, sk := range numbered("claim", total/record.MaxRecord+1) {
			size := min(left, record.MaxRecord)
			writes = append(writes, put(sk, attrsOfSize(sk, size)))
			left -= size
		}
		return writes
	}
	mustFail(t, s, record.ErrTooLarge, at(record.MaxBatchBytes+1)...)
	if err := s.Commit(t.Context(), at(record.MaxBatchBytes)); err != nil {
		t.Fatalf("the largest commit: %v", err)
	}
	total := 0
	for _, r := range query(t, s, record.Dialogues, pk) {
		total += r.Size()
	}
	if total != record.MaxBatchBytes {
		t.Errorf("%d bytes are stored, want %d", total, record.MaxBatchBytes)
	}
}

// limitOfChanges counts meta and checks as changes.
func limitOfChanges(t *testing.T, s record.Store) {
	sks := numbered("claim", record.MaxChanges)
	var writes []record.Write
	for _, sk := range sks {
		writes = append(writes, put(sk, one))
	}
	mustCommit(t, s, writes...)
	writes = withMeta(t, s, nil)
	for i, sk := range sks {
		if i%2 == 0 {
			writes = append(writes, change(sk, one, two))
		} else {
			writes = append(writes, check(sk, one))
		}
	}
	mustFail(t, s, record.ErrTooLarge, writes...)
	if err := s.Commit(t.Context(), writes[:record.MaxChanges]); err != nil {
		t.Fatalf("the largest commit: %v", err)
	}
}
