package audit

import (
	"errors"

	"github.com/superviber/blue-encrypted-store/record"
)

// The day index says on which days a chain had events, so that all chains can
// be found, and those of some days, without a Scan. Its 16 partitions are
// named by the first digit of the chain, not by the day: a reader asks for all
// of them and need not believe in any clock.

// day returns the UTC day of an event, YYYY-MM-DD.
func (e *Event) day() string { return e.Timestamp[:len("2006-01-02")] }

// indexKey is where the index holds that a chain had events on a day.
func indexKey(chain, day string) record.Key {
	return record.Key{Partition: record.IndexPartition(chain), Item: day + "#" + chain}
}

// indexRecord is put beside the event: first is the seq of the chain's first
// event of that day.
func (e *Event) indexRecord() record.Record {
	return record.Record{Key: indexKey(e.Chain, e.day()), Attrs: record.Attrs{"first": record.N(int64(e.first))}}
}

// firstOf returns what the index must learn with an event of a day: the seq of
// the first of that day, 0 for nothing. Days only go forward; a clock that was
// put back writes its events under the days that are known.
func (c *chain) firstOf(day string, seq uint64) uint64 {
	switch {
	case day <= c.day:
		return 0
	case day == c.missed:
		return c.missing
	}
	return seq
}

// indexed notes that the index has learnt of an event's day.
func (c *chain) indexed(e Event) {
	if e.first > 0 {
		c.day = e.day()
	}
}

// unindexed notes a void event's day for the next event to tell.
func (c *chain) unindexed(void Event) {
	if day := void.day(); day > c.day && day != c.missed {
		c.missed, c.missing = day, void.Seq
	}
}

// onIndex reports whether a commit failed because the index knows the day.
func onIndex(err error) bool {
	c, ok := errors.AsType[*record.ConflictError](err)
	return ok && c.Table == record.Audit && c.Key.Partition.IsIndex()
}
