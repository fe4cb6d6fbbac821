package dynamo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// The records of a log, one after the other, cut into pieces of limits.chunk
// bytes. uvarint and varint are as in encoding/binary:
//
//	record     LP(SK) uvarint(number of attributes) attribute…   in ascending order of names
//	attribute  LP(name) type byte value
//	value      S, B: LP(bytes) · N: varint · T: one byte, 0 or 1
//	LP(x)      uvarint(length of x) x
//
// The partition key is not there: a log can make records in its own partition
// alone. At most record.LogSize bytes for each record, so that the largest
// commit fits the actions of its final transaction (record.CheckBatch).

// logItems returns the puts of a log that holds the records.
func (s *Store) logItems(pk record.Partition, b string, records []record.Record) []action {
	var text []byte
	for _, r := range records {
		text = appendRecord(text, r)
	}
	var puts []action
	for piece := range slices.Chunk(text, s.limits.chunk) {
		item := record.Record{Key: logKey(pk, b, len(puts)), Attrs: record.Attrs{attrChunk: record.B(piece)}}
		puts = append(puts, action{table: record.Dialogues, record: item, when: condition{absent: true}})
	}
	return puts
}

func appendRecord(to []byte, r record.Record) []byte {
	to = appendBytes(to, r.Key.Item)
	to = binary.AppendUvarint(to, uint64(len(r.Attrs)))
	for _, name := range r.Names() {
		v := r.Attrs[name]
		to = append(appendBytes(to, name), byte(v.Type()))
		switch v.Type() {
		case record.String:
			to = appendBytes(to, v.Str())
		case record.Bytes:
			to = appendBytes(to, v.Bin())
		case record.Number:
			to = binary.AppendVarint(to, v.Int())
		default:
			to = append(to, v.Canonical()[0]-'0')
		}
	}
	return to
}

func appendBytes[T string | []byte](to []byte, x T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(x))), x...)
}

var errChunk = errors.New("not the records of a log")

// recordsOf reads what appendRecord wrote. Any input is safe.
func recordsOf(pk record.Partition, text []byte) ([]record.Record, error) {
	t := &chunkReader{left: text}
	var records []record.Record
	for len(t.left) > 0 && t.err == nil {
		r := record.Record{Key: record.Key{Partition: pk, Item: string(t.bytes())}, Attrs: record.Attrs{}}
		for n := t.uvarint(); n > 0 && t.err == nil; n-- {
			name := string(t.bytes())
			r.Attrs[name] = t.value()
			if name == "" || name[0] == '_' || name == "PK" || name == "SK" {
				t.err = errChunk
			}
		}
		records = append(records, r)
	}
	return records, t.err
}

// chunkReader reads until the first fault, which stays in err.
type chunkReader struct {
	left []byte
	err  error
}

func (t *chunkReader) take(n int) []byte {
	if t.err != nil || n <= 0 || n > len(t.left) {
		if n != 0 {
			t.err = errChunk
		}
		return nil
	}
	x := t.left[:n:n]
	t.left = t.left[n:]
	return x
}

func (t *chunkReader) uvarint() uint64 {
	v, n := binary.Uvarint(t.left)
	if t.take(n); n <= 0 {
		t.err = errChunk
	}
	return v
}

func (t *chunkReader) bytes() []byte {
	n := t.uvarint()
	if n > uint64(len(t.left)) {
		t.err = errChunk
		return nil
	}
	return t.take(int(n))
}

func (t *chunkReader) value() record.Value {
	kind := t.take(1)
	if t.err != nil {
		return record.Value{}
	}
	switch record.Type(kind[0]) {
	case record.String:
		return record.S(string(t.bytes()))
	case record.Bytes:
		return record.B(t.bytes())
	case record.Number:
		v, n := binary.Varint(t.left)
		if t.take(n); n <= 0 {
			t.err = errChunk
		}
		return record.N(v)
	case record.Bool:
		if b := t.take(1); t.err == nil {
			return record.T(b[0] == 1)
		}
	}
	t.err = errChunk
	return record.Value{}
}

// bornAt is below every UUIDv7 made at a time or later, and above the earlier
// ones: 48 bits of Unix milliseconds (RFC 9562, section 5.7).
func bornAt(t time.Time) string {
	ms := fmt.Sprintf("%012x", max(0, t.UnixMilli()))
	return ms[:8] + "-" + ms[8:]
}
