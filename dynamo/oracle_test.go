package dynamo

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

const sharedItems = 2

// view is a partition as the oracle reads it.
type view struct {
	meta    record.Record
	records map[string]record.Record
	version int
	touched int
	commits []string // "{operation}:{new records}", in order
}

// look reads a partition; wrong describes the inconsistency. It is what
// the sealed root is to the store above.
func look(records []record.Record) (v view, wrong string) {
	v.records = make(map[string]record.Record, len(records))
	items := 0
	for _, r := range records {
		if _, twice := v.records[r.Key.Item]; twice {
			return v, "a record is there twice: " + r.Key.Item
		}
		v.records[r.Key.Item] = r
		if strings.Contains(r.Key.Item, "item#") {
			items++
		}
		for name := range r.Attrs {
			if name[0] == '_' {
				return v, "a store's own attribute came out: " + name
			}
		}
	}
	v.meta = v.records[record.Meta]
	if len(v.meta.Attrs) == 0 {
		if len(records) > 0 {
			return v, "records without a meta"
		}
		return v, ""
	}
	v.version, v.touched = int(v.meta.Attrs["version"].Int()), int(v.meta.Attrs["touched"].Int())
	v.commits = strings.Fields(v.meta.Attrs["commits"].Str())
	if v.version != len(v.commits) {
		return v, fmt.Sprintf("version %d with %d commits", v.version, len(v.commits))
	}
	for i, c := range v.commits {
		op, n, _ := strings.Cut(c, ":")
		count, _ := strconv.Atoi(n)
		items -= count
		for j := range count {
			if r, ok := v.records[itemSK(i+1, j)]; !ok || r.Attrs["op"].Str() != op {
				return v, fmt.Sprintf("commit %d (%s): record %d of %d is missing or another's", i+1, op, j, count)
			}
		}
	}
	if items != 0 {
		return v, fmt.Sprintf("%d records too many", items)
	}
	total := int64(0)
	for i := range sharedItems {
		total += v.records[sharedSK(i)].Attrs["count"].Int()
	}
	if total != int64(v.version) {
		return v, fmt.Sprintf("version %d, but the shared counters make %d", v.version, total)
	}
	return v, ""
}

// itemSK sorts half of the records before the meta item and half after it.
func itemSK(version, i int) string {
	return []string{"an", "z"}[i%2] + fmt.Sprintf("item#%04d#%04d", version, i)
}

func sharedSK(i int) string { return "shared#" + strconv.Itoa(i) }

// end is the oracle over the final state.
func (h *history) end() {
	h.w.faults = faults{}
	ctx := context.Background()
	last := &writer{h: h, name: "last", store: h.process("last", &link{w: h.w}), isLarge: func() bool { return false }}
	for _, op := range []string{"last-1", "last-2"} {
		if _, acked := last.commit(ctx, op, 64); !acked {
			h.fail("no way on", "the last writer could not commit")
			return
		}
	}
	last.store.limits.leftover = -time.Hour
	h.sweep(last.store)
	v, err := h.load(ctx, last.store, false)
	if err != nil {
		h.fail("torn", "the final state cannot be read: %v", err)
		return
	}
	h.accounts(v)
}

// accounts compares the final state with the events and the answers.
func (h *history) accounts(v view) {
	inHead := map[string]int{}
	for _, c := range v.commits {
		op, _, _ := strings.Cut(c, ":")
		inHead[op]++
	}
	touches, times := 0, map[string]int{}
	for attempt, key := range h.events {
		op := attempt[:strings.LastIndex(attempt, ".")]
		attrs := h.w.cell(record.Audit, key).record.Attrs
		if attrs["attempt"].Str() != attempt {
			continue
		}
		times[op]++
		if h.refused[attempt] {
			h.fail("refused and landed", "%s", attempt)
		}
		if attrs["kind"].Str() == "touch" {
			touches++
		} else if inHead[op] == 0 {
			h.fail("an event without its commit", "%s", attempt)
		}
	}
	for op, n := range inHead {
		if n > 1 || times[op] > 1 {
			h.fail("doubled", "%s", op)
		}
		if times[op] == 0 {
			h.fail("a commit without its event", "%s", op)
		}
	}
	for op := range h.acked {
		if times[op] == 0 {
			h.fail("acknowledged and lost", "%s", op)
		}
	}
	if touches != v.touched {
		h.fail("a lost update of the meta", "%d landed, the meta counts %d", touches, v.touched)
	}
	for p, sks := range h.w.sks {
		if strings.HasPrefix(string(p.key.Partition), logPrefix) && len(sks) > 0 {
			h.fail("a log is left", "%v", sks)
		}
	}
	for p, c := range h.w.cells {
		if c.locked || p.key.Item == record.Meta && (c.record.Attrs[attrPending].Type() != 0 || c.record.Attrs[attrLease].Type() != 0) {
			h.fail("a mark is left", "%v", p)
		}
	}
	for _, wrong := range h.w.wrong {
		h.fail("refused by the service", "%s", wrong)
	}
}
