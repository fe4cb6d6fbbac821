package audit

import (
	"context"
	"fmt"
	"strconv"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// column binds one attribute of a stored event to its field.
type column struct {
	name string
	text *string
	num  *int64
	bin  *[]byte
}

// columns lists the stored attributes of an event. Operation, outcome and the
// two counters go through the locals of the caller.
func (e *Event) columns(operation, outcome *string, seq, version *int64) []column {
	return []column{
		{name: "event_id", text: &e.EventID},
		{name: "timestamp", text: &e.Timestamp},
		{name: "trace_id", text: &e.TraceID},
		{name: "span_id", text: &e.SpanID},
		{name: "operation", text: operation},
		{name: "key_id", text: &e.KeyID},
		{name: "principal", text: &e.Principal},
		{name: "outcome", text: outcome},
		{name: "chain", text: &e.Chain},
		{name: "seq", num: seq},
		{name: "dialogue", text: &e.Dialogue},
		{name: "root_version", num: version},
		{name: "item_count", num: &e.ItemCount},
		{name: "items_digest", bin: &e.ItemsDigest},
		{name: "item_names", bin: &e.ItemNames},
		{name: "item_tags", bin: &e.ItemTags},
		{name: "error_class", text: &e.ErrorClass},
		{name: "previous_hash", text: &e.Previous},
		{name: "root_hash", text: &e.RootHash},
		{name: "event_hash", text: &e.EventHash},
	}
}

// eventKey is where an event lies.
func eventKey(chain string, seq uint64) record.Key {
	return record.Key{Partition: record.ChainPartition(chain), Item: twelve(seq)}
}

// pointerKey is where the pointer to the event of a dialogue's commit lies.
func pointerKey(dialogue string, version uint64) record.Key {
	return record.DialogueKey(dialogue, twelve(version))
}

func twelve(n uint64) string { return fmt.Sprintf("%012d", n) }

// Writes returns the event's record, for a commit its pointer, and for the
// first event of a chain's day the record of the day index. None may exist.
// void is the event that may take its place (Lease.Void).
func (e *Event) Writes(void *Event) []record.Write {
	writes := []record.Write{{Table: record.Audit, Record: record.Record{Key: eventKey(e.Chain, e.Seq), Attrs: e.attrs()}}}
	if void != nil {
		writes[0].Fence = void.attrs()
	}
	if e.RootHash != "" {
		writes = append(writes, record.Write{Table: record.Audit, Record: record.Record{
			Key:   pointerKey(e.Dialogue, e.RootVersion),
			Attrs: record.Attrs{"chain": record.S(e.Chain), "seq": record.N(int64(e.Seq))},
		}})
	}
	if e.first > 0 {
		writes = append(writes, record.Write{Table: record.Audit, Record: e.indexRecord()})
	}
	return writes
}

func (e *Event) attrs() record.Attrs {
	operation, outcome, seq, version := string(e.Operation), string(e.Outcome), int64(e.Seq), int64(e.RootVersion)
	attrs := make(record.Attrs, 20)
	for _, c := range e.columns(&operation, &outcome, &seq, &version) {
		switch {
		case c.text != nil && *c.text != "":
			attrs[c.name] = record.S(*c.text)
		case c.num != nil:
			attrs[c.name] = record.N(*c.num)
		case c.bin != nil && len(*c.bin) > 0:
			attrs[c.name] = record.B(*c.bin)
		}
	}
	return attrs
}

// decodeEvent reads an event from its record. It does not check the hash.
func decodeEvent(r record.Record) Event {
	var e Event
	var operation, outcome string
	var seq, version int64
	for _, c := range e.columns(&operation, &outcome, &seq, &version) {
		v := r.Attrs[c.name]
		switch {
		case c.text != nil:
			*c.text = v.Str()
		case c.num != nil:
			*c.num = v.Int()
		case c.bin != nil:
			*c.bin = v.Bin()
		}
	}
	e.Operation, e.Outcome, e.Seq, e.RootVersion = Operation(operation), Outcome(outcome), uint64(seq), uint64(version)
	return e
}

// ReadEvent returns one event. ErrNotFound if there is none, ErrTampered if
// its hash is not that of its fields, it stands in another's place, or its
// record holds more than an event.
func ReadEvent(ctx context.Context, store record.Store, chain string, seq uint64) (Event, error) {
	r, err := store.Get(ctx, record.Audit, eventKey(chain, seq))
	if err != nil {
		return Event{}, fmt.Errorf("audit event %s seq %d: %w", chain, seq, err)
	}
	e := decodeEvent(r)
	if !e.Intact() || e.Chain != chain || e.Seq != seq || !r.Equal(record.Record{Key: r.Key, Attrs: e.attrs()}) {
		return Event{}, fmt.Errorf("%w: audit event %s seq %d: its hash is not that of its fields", blue.ErrTampered, chain, seq)
	}
	return e, nil
}

// ReadCommit returns the event of one commit of a dialogue; errors as ReadEvent.
func ReadCommit(ctx context.Context, store record.Store, dialogue string, version uint64) (Event, error) {
	r, err := store.Get(ctx, record.Audit, pointerKey(dialogue, version))
	if err != nil {
		return Event{}, fmt.Errorf("audit pointer of version %d of dialogue %s: %w", version, dialogue, err)
	}
	return readPointed(ctx, store, dialogue, r)
}

// ReadCommits returns the events of all commits of a dialogue, oldest first.
// A pointer or event that is missing or broken ends in an error; the events
// read so far are returned with it.
func ReadCommits(ctx context.Context, store record.Store, dialogue string) ([]Event, error) {
	pointers, err := store.Query(ctx, record.Query{Table: record.Audit, Partition: record.DialoguePartition(dialogue)})
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(pointers))
	for i, p := range pointers {
		if p.Key.Item != twelve(uint64(i)+1) {
			return events, fmt.Errorf("%w: the audit pointer of version %d of dialogue %s is gone", blue.ErrTampered, i+1, dialogue)
		}
		e, err := readPointed(ctx, store, dialogue, p)
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func readPointed(ctx context.Context, store record.Store, dialogue string, pointer record.Record) (Event, error) {
	version, err := strconv.ParseUint(pointer.Key.Item, 10, 64)
	if err != nil {
		return Event{}, fmt.Errorf("%w: audit pointer %q of dialogue %s", blue.ErrTampered, pointer.Key.Item, dialogue)
	}
	e, err := ReadEvent(ctx, store, pointer.Attrs["chain"].Str(), uint64(pointer.Attrs["seq"].Int()))
	if err != nil {
		return Event{}, err
	}
	if e.Dialogue != dialogue || e.RootVersion != version {
		return Event{}, fmt.Errorf("%w: the audit pointer of version %d of dialogue %s leads to another event", blue.ErrTampered, version, dialogue)
	}
	return e, nil
}
