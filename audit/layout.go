package audit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// EventKey returns the key of an event.
func EventKey(chain string, seq uint64) record.Key {
	return record.Key{Partition: record.ChainPartition(chain), Item: SequenceItem(seq)}
}

// PointerKey returns the key of the pointer to the event of a dialogue's commit.
func PointerKey(dialogue string, version uint64) record.Key {
	return record.DialogueKey(dialogue, SequenceItem(version))
}

// SequenceItem returns the sort key of a seq, size or version: twelve decimal
// digits.
func SequenceItem(n uint64) string { return fmt.Sprintf("%012d", n) }

// ParseSequenceItem returns the number of a sort key that SequenceItem made. ok
// is false for any other text and for zero.
func ParseSequenceItem(item string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(item, 10, 64)
	return n, err == nil && n > 0 && len(item) == 12 && item[0] != '+'
}

// PointerTarget returns the chain and seq that a pointer names.
func PointerTarget(pointer record.Record) (chain string, seq uint64) {
	return pointer.Attrs["chain"].Str(), uint64(pointer.Attrs["seq"].Int())
}

// checkpointWrite returns the write of the signed note over a chain's first size
// events.
func checkpointWrite(chain string, size uint64, note string) record.Write {
	key := record.Key{Partition: record.CheckpointPartition(chain), Item: SequenceItem(size)}
	return record.Write{Table: record.Audit, Record: record.Record{Key: key, Attrs: record.Attrs{"note": record.S(note)}}}
}

// Writes returns the writes of an event. The first is its record. It is followed
// by the pointer if RootHash is set, and by the record of the day index if the
// event is the first of its chain on its day. All of them must not exist.
//
// void is the event that the store puts in place of e if it must settle an
// unknown outcome ([Lease.Void]), or nil.
func (e *Event) Writes(void *Event) []record.Write {
	writes := []record.Write{{Table: record.Audit, Record: record.Record{Key: EventKey(e.Chain, e.Seq), Attrs: e.attrs()}}}
	if void != nil {
		writes[0].Fence = void.attrs()
	}
	if e.RootHash != "" {
		writes = append(writes, record.Write{Table: record.Audit, Record: record.Record{
			Key:   PointerKey(e.Dialogue, e.RootVersion),
			Attrs: record.Attrs{"chain": record.S(e.Chain), "seq": record.N(int64(e.Seq))},
		}})
	}
	if e.first > 0 {
		writes = append(writes, record.Write{Table: record.Audit, Record: record.Record{
			Key:   record.Key{Partition: record.IndexPartition(e.Chain), Item: e.day() + "#" + e.Chain},
			Attrs: record.Attrs{"first": record.N(int64(e.first))},
		}})
	}
	return writes
}

// attrs returns the stored attributes of an event. Empty texts and bytes are
// left out.
func (e *Event) attrs() record.Attrs {
	attrs := record.Attrs{
		"event_id":      record.S(e.EventID),
		"timestamp":     record.S(e.Timestamp),
		"trace_id":      record.S(e.TraceID),
		"span_id":       record.S(e.SpanID),
		"operation":     record.S(string(e.Operation)),
		"key_id":        record.S(e.KeyID),
		"principal":     record.S(e.Principal),
		"outcome":       record.S(string(e.Outcome)),
		"chain":         record.S(e.Chain),
		"seq":           record.N(int64(e.Seq)),
		"dialogue":      record.S(e.Dialogue),
		"root_version":  record.N(int64(e.RootVersion)),
		"item_count":    record.N(e.ItemCount),
		"items_digest":  record.B(e.ItemsDigest),
		"item_names":    record.B(e.ItemNames),
		"item_tags":     record.B(e.ItemTags),
		"error_class":   record.S(e.ErrorClass),
		"previous_hash": record.S(e.Previous),
		"root_hash":     record.S(e.RootHash),
		"event_hash":    record.S(e.EventHash),
	}
	maps.DeleteFunc(attrs, func(_ string, v record.Value) bool {
		return v.Type() != record.Number && v.Str() == "" && len(v.Bin()) == 0
	})
	return attrs
}

// DecodeEvent returns the event of a record and checks nothing. See [ParseEvent].
func DecodeEvent(r record.Record) Event {
	text := func(name string) string { return r.Attrs[name].Str() }
	return Event{
		EventID:     text("event_id"),
		Timestamp:   text("timestamp"),
		TraceID:     text("trace_id"),
		SpanID:      text("span_id"),
		Operation:   Operation(text("operation")),
		KeyID:       text("key_id"),
		Principal:   text("principal"),
		Outcome:     Outcome(text("outcome")),
		Chain:       text("chain"),
		Seq:         uint64(r.Attrs["seq"].Int()),
		Dialogue:    text("dialogue"),
		RootVersion: uint64(r.Attrs["root_version"].Int()),
		ItemCount:   r.Attrs["item_count"].Int(),
		ItemsDigest: r.Attrs["items_digest"].Bin(),
		ItemNames:   r.Attrs["item_names"].Bin(),
		ItemTags:    r.Attrs["item_tags"].Bin(),
		ErrorClass:  text("error_class"),
		Previous:    text("previous_hash"),
		RootHash:    text("root_hash"),
		EventHash:   text("event_hash"),
	}
}

// ParseEvent returns the event of a record and reports whether the record is
// intact: its hash matches its fields, seq is positive, root_version is not
// negative, and it has exactly the attributes of the event. It does not compare
// chain and seq with the record's key.
func ParseEvent(r record.Record) (e Event, intact bool) {
	e = DecodeEvent(r)
	return e, e.IsIntact() && int64(e.Seq) > 0 && int64(e.RootVersion) >= 0 && r.Equal(record.Record{Key: r.Key, Attrs: e.attrs()})
}

// ReadEvent returns one event. It returns ErrNotFound if the event does not
// exist, and ErrTampered if its record is not intact ([ParseEvent]) or belongs
// to another key.
func ReadEvent(ctx context.Context, store record.Store, chain string, seq uint64) (Event, error) {
	r, err := store.Get(ctx, record.Audit, EventKey(chain, seq))
	if err != nil {
		return Event{}, fmt.Errorf("reading audit event %s seq %d: %w", chain, seq, err)
	}
	e, intact := ParseEvent(r)
	if !intact || e.Chain != chain || e.Seq != seq {
		return Event{}, fmt.Errorf("%w: audit event %s seq %d: its hash does not match its fields", blue.ErrTampered, chain, seq)
	}
	return e, nil
}

// ReadCommit returns the event of one commit of a dialogue. It returns
// ErrNotFound if the pointer or the event does not exist, and ErrTampered if the
// event is damaged or belongs to another commit.
func ReadCommit(ctx context.Context, store record.Store, dialogue string, version uint64) (Event, error) {
	r, err := store.Get(ctx, record.Audit, PointerKey(dialogue, version))
	if err != nil {
		return Event{}, fmt.Errorf("reading audit pointer %d of dialogue %s: %w", version, dialogue, err)
	}
	return readPointed(ctx, store, dialogue, version, r)
}

// ReadCommits returns the events of all commits of a dialogue, oldest first. If
// a pointer or an event is missing or damaged, it returns the events before it
// and an error: ErrTampered for a missing pointer, else as [ReadCommit].
func ReadCommits(ctx context.Context, store record.Store, dialogue string) ([]Event, error) {
	pointers, err := store.Query(ctx, record.Query{Table: record.Audit, Partition: record.DialoguePartition(dialogue)})
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(pointers))
	for i, p := range pointers {
		version := uint64(i) + 1
		if p.Key.Item != SequenceItem(version) {
			return events, fmt.Errorf("%w: audit pointer %d of dialogue %s is missing", blue.ErrTampered, version, dialogue)
		}
		e, err := readPointed(ctx, store, dialogue, version, p)
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// readPointed returns the event that a pointer names.
func readPointed(ctx context.Context, store record.Store, dialogue string, version uint64, pointer record.Record) (Event, error) {
	chain, seq := PointerTarget(pointer)
	e, err := ReadEvent(ctx, store, chain, seq)
	if err == nil && (e.Dialogue != dialogue || e.RootVersion != version) {
		err = fmt.Errorf("%w: audit pointer %d of dialogue %s leads to another event", blue.ErrTampered, version, dialogue)
	}
	if err != nil {
		return Event{}, err
	}
	return e, nil
}

// A Directory maps the names of principals to the pseudonyms that events
// contain. The log can then be kept for years, although a person is erased. Its
// records are in table blue_keys, which is separate from the log:
//
//	PK  principals
//	SK  the name, at most 1,024 bytes
//	    pepper      B  32 random bytes
//	    created_at  S
//
//	pseudonym = "p-" ‖ first 32 hex digits of HMAC-SHA256(pepper, LP("blue/1/principal") ‖ LP(name))
//
// Without the record, a pseudonym cannot be linked to a name, because the pepper
// prevents guesses. All methods may be called concurrently.
type Directory struct {
	store record.Store
	// Now is the clock, time.Now if nil. It must not be set after the first
	// call of a method.
	Now func() time.Time
}

const (
	principalsPK = "principals"
	pepperSize   = 32 // bytes
)

// NewDirectory returns the directory of a store.
func NewDirectory(store record.Store) *Directory { return &Directory{store: store} }

// Pseudonym returns the pseudonym of a name, and stores a record if there is
// none. Concurrent callers get the same pseudonym. It returns ErrInvalid for an
// empty name, ErrTooLarge for a name of more than 1,024 bytes, ErrTampered for a
// damaged record, and errors of the store.
func (d *Directory) Pseudonym(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: the principal has no name", blue.ErrInvalid)
	}
	key := record.Key{Partition: principalsPK, Item: name}
	r, err := d.store.Get(ctx, record.Keys, key)
	if errors.Is(err, blue.ErrNotFound) {
		r, err = d.addName(ctx, key)
	}
	if err != nil {
		return "", err
	}
	return pseudonymOf(r)
}

// addName stores a new record. If that fails, it returns the stored record if
// one exists.
func (d *Directory) addName(ctx context.Context, key record.Key) (record.Record, error) {
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	var pepper [pepperSize]byte
	rand.Read(pepper[:]) // never fails (crypto/rand)
	r := record.Record{Key: key, Attrs: record.Attrs{
		"pepper": record.B(pepper[:]), "created_at": record.S(now().UTC().Format(timeFormat)),
	}}
	putErr := d.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}})
	if putErr == nil {
		return r, nil
	}
	found, err := d.store.Get(ctx, record.Keys, key)
	if err != nil {
		return record.Record{}, putErr
	}
	return found, nil
}

func pseudonymOf(r record.Record) (string, error) {
	pepper := r.Attrs["pepper"].Bin()
	if len(pepper) != pepperSize {
		return "", fmt.Errorf("%w: the pepper of a principal has %d bytes, not %d", blue.ErrTampered, len(pepper), pepperSize)
	}
	h := hmac.New(sha256.New, pepper)
	h.Write(appendLP(appendLP(nil, []byte("blue/1/principal")), []byte(r.Key.Item)))
	return "p-" + hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// Names returns all names in the directory by their pseudonyms. It returns
// ErrTampered for a damaged record, and errors of the store.
func (d *Directory) Names(ctx context.Context) (map[string]string, error) {
	all, err := d.store.Query(ctx, record.Query{Table: record.Keys, Partition: principalsPK})
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(all))
	for _, r := range all {
		p, err := pseudonymOf(r)
		if err != nil {
			return nil, err
		}
		names[p] = r.Key.Item
	}
	return names, nil
}

// NamesOf returns the names of a user in the directory, in ascending order: the
// user's own name, and names that continue after a space with an identity in
// another system, such as an ARN. It stores no record. It returns the errors
// of Names.
func (d *Directory) NamesOf(ctx context.Context, user string) ([]string, error) {
	all, err := d.Names(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range all {
		if name == user || strings.HasPrefix(name, user+" ") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Forget deletes the record of a name, in one commit with the writes in also.
// The log keeps the pseudonym, which cannot be linked to the name after the
// backups of the table are deleted too. An open log keeps using the pseudonym,
// and a new log stores a new one. Forget returns ErrNotFound if the name has no
// record, and errors of the store.
func (d *Directory) Forget(ctx context.Context, name string, also ...record.Write) error {
	key := record.Key{Partition: principalsPK, Item: name}
	r, err := d.store.Get(ctx, record.Keys, key)
	if err != nil {
		return err
	}
	return d.store.Commit(ctx, append(also, record.Write{Table: record.Keys, Record: record.Record{Key: key}, Prev: r.Attrs}))
}
