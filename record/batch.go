package record

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckQuery is what every Query does first. ErrInvalid for a part of
// Dialogues, a negative Limit, or an After that is no sort key.
func CheckQuery(q Query) error {
	switch {
	case q.Table == Dialogues && (q.After != "" || q.Limit != 0):
		return fmt.Errorf("%w: record: %s is read whole", ErrInvalid, Dialogues)
	case q.Limit < 0:
		return fmt.Errorf("%w: record: a query for %d records", ErrInvalid, q.Limit)
	case len(q.After) > MaxItem || !utf8.ValidString(q.After):
		return fmt.Errorf("%w: record: a query after what is no sort key", ErrInvalid)
	}
	return nil
}

// CheckBatch is what every Commit does first: the rules of Store.Commit and
// the limits of the strictest store. ErrInvalid is a broken caller,
// ErrTooLarge is the user's data.
func CheckBatch(writes []Write) error {
	if len(writes) == 0 {
		return fmt.Errorf("%w: record: a commit without writes", ErrInvalid)
	}
	if len(writes) > MaxBatch {
		return fmt.Errorf("%w: a commit of %d records; at most %d fit", ErrTooLarge, len(writes), MaxBatch)
	}
	type place struct {
		table Table
		key   Key
	}
	seen := make(map[place]bool, len(writes))
	var partition Partition
	var dialogues, keys, changes, bytes int
	head := false
	for _, w := range writes {
		k := w.Record.Key
		at := place{w.Table, k}
		if seen[at] {
			return fmt.Errorf("%w: record: two writes to %s %s", ErrInvalid, k.Partition, k.Item)
		}
		seen[at] = true
		if err := checkWrite(w); err != nil {
			return err
		}
		switch w.Table {
		case Dialogues:
			if dialogues > 0 && partition != k.Partition {
				return fmt.Errorf("%w: record: writes to two partitions", ErrInvalid)
			}
			partition = k.Partition
			dialogues++
			head = head || k.Item == Meta && !w.Check
		case Keys:
			keys++
		case Audit:
		default:
			return fmt.Errorf("%w: record: unknown table %q", ErrInvalid, w.Table)
		}
		if w.Prev != nil {
			changes++
		}
		bytes += w.Record.Size()
	}
	switch {
	case keys > 0 && keys < len(writes):
		return fmt.Errorf("%w: record: keys and data in one commit", ErrInvalid)
	case dialogues > 0 && !head:
		return fmt.Errorf("%w: record: a commit without the partition's head", ErrInvalid)
	case bytes > MaxBatchBytes:
		return fmt.Errorf("%w: a commit of %d bytes; at most %d fit", ErrTooLarge, bytes, MaxBatchBytes)
	case changes > MaxChanges:
		return fmt.Errorf("%w: a commit that changes %d existing records; at most %d fit", ErrTooLarge, changes, MaxChanges)
	}
	return checkFinal(writes, bytes)
}

// checkFinal: what a commit holds beside new records must fit one transaction.
func checkFinal(writes []Write, bytes int) error {
	if len(writes) <= MaxActions && bytes <= MaxActionBytes {
		return nil
	}
	var actions, finalBytes, logBytes int
	for _, w := range writes {
		if w.Table == Dialogues && w.Prev == nil && w.Record.Key.Item != Meta {
			logBytes += w.Record.LogSize()
			continue
		}
		actions++
		finalBytes += w.Record.Size()
	}
	actions += (logBytes + MaxLogChunk - 1) / MaxLogChunk
	if actions > MaxActions || finalBytes > MaxActionBytes-MaxRecord {
		return fmt.Errorf("%w: a commit that changes so much (%d bytes) beside %d bytes of new records; it takes %d actions of %d", ErrTooLarge, finalBytes, logBytes, actions, MaxActions)
	}
	return nil
}

func checkWrite(w Write) error {
	k := w.Record.Key
	switch {
	case k.Partition == "" || k.Item == "":
		return fmt.Errorf("%w: record: an empty key", ErrInvalid)
	case len(k.Partition) > MaxPartition:
		return fmt.Errorf("%w: a partition key of %d bytes; at most %d fit", ErrTooLarge, len(k.Partition), MaxPartition)
	case len(k.Item) > MaxItem:
		return fmt.Errorf("%w: a sort key of %d bytes; at most %d fit", ErrTooLarge, len(k.Item), MaxItem)
	case w.Check && len(w.Record.Attrs) > 0:
		return fmt.Errorf("%w: record: a check that writes", ErrInvalid)
	case len(w.Fence) > 0 && (w.Prev != nil || w.Check):
		return fmt.Errorf("%w: record: a fence on a write that may exist", ErrInvalid)
	case !w.Check && len(w.Record.Attrs) == 0 && w.Prev == nil:
		return fmt.Errorf("%w: record: a delete without a condition", ErrInvalid)
	}
	if size := w.Record.Size(); size > MaxRecord {
		return fmt.Errorf("%w: %s is %d bytes as stored; at most %d fit", ErrTooLarge, k.Item, size, MaxRecord)
	}
	if !utf8.ValidString(string(k.Partition)) || !utf8.ValidString(k.Item) {
		return fmt.Errorf("%w: record: a key that is not UTF-8", ErrInvalid)
	}
	for name, v := range w.Record.Attrs {
		if !utf8.ValidString(name) || !utf8.ValidString(v.str) {
			return fmt.Errorf("%w: record: attribute %q of %s is not UTF-8", ErrInvalid, name, k.Item)
		}
		if v.typ == 0 || name == "" || strings.HasPrefix(name, "_") || name == "PK" || name == "SK" {
			return fmt.Errorf("%w: record: attribute %q of %s", ErrInvalid, name, k.Item)
		}
	}
	return nil
}

// Holds reports whether the condition of a write holds for the record found
// at its key.
func (w Write) Holds(found Record, exists bool) bool {
	if w.Prev == nil {
		return !exists
	}
	if !exists {
		return false
	}
	for name, v := range w.Prev {
		if got, ok := found.Attrs[name]; !ok || !got.Equal(v) {
			return false
		}
	}
	return true
}
