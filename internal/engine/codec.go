package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// An entry is the way to store the entities of one kind. All else follows from
// the table of kinds and from the struct tags (package blue), so a new
// numbered kind needs no entry of its own.
//
// A sort key is the prefix and the rest. The rest is derived from the
// entity's key: the round "1" is stored at "round#01".
type entry struct {
	kind   blue.Kind
	prefix string // "meta" is a whole sort key
	fresh  func() blue.Entity
	// rest returns what follows the prefix for an EntityKey.Key. Errors:
	// errNotAKey, or blue.ErrInvalid with a reason.
	rest func(key string) (string, error)
	// setKey reads the rest into an entity whose other fields are set.
	setKey func(e blue.Entity, id blue.DialogueID, rest string) error
	// index returns the attributes of an index (docs/format.md, §3), nil for none.
	index func(e blue.Entity, id blue.DialogueID) record.Attrs
	// attach puts the entity into a snapshot.
	attach func(*blue.Snapshot, blue.Entity)
}

// errNotAKey is the error of a text that is not the key of an entity of its kind.
var errNotAKey = errors.New("not a key")

// codec is the table of stored kinds: the dialogue, experts, rounds and
// verdicts, the numbered kinds, moves, and the events of the numbered kinds. A
// reference is stored inside its source (docs/decisions, references).
var codec = newCodec()

func newCodec() []entry {
	entries := []entry{
		newEntry(record.Meta,
			func(string) (string, error) { return "", nil },
			func(d *blue.Dialogue, id blue.DialogueID, _ string) error { d.ID = id; return nil },
			func(d *blue.Dialogue, id blue.DialogueID) record.Attrs {
				return indexed(record.ByStatus, byStatus(d.Status), d.UpdatedAt.Format(record.TimeLayout)+"#"+string(id))
			},
			func(s *blue.Snapshot, d *blue.Dialogue) { s.Dialogue = *d }),
		newEntry("expert#",
			func(key string) (string, error) {
				_, err := blue.ParseExpertSlug(key)
				return blue.ExpertSlug(key).Key(), err
			},
			func(e *blue.Expert, _ blue.DialogueID, rest string) error { return checkSame(e.Slug.Key(), rest) },
			func(e *blue.Expert, id blue.DialogueID) record.Attrs {
				var first blue.Round
				if e.FirstRound != nil {
					first = *e.FirstRound
				}
				return byExpert(e.Slug, id, first)
			},
			func(s *blue.Snapshot, e *blue.Expert) { s.Experts = append(s.Experts, e) }),
		newEntry("round#",
			func(key string) (string, error) {
				n, err := strconv.Atoi(key)
				if err != nil || !blue.Round(n).Valid() {
					return "", errNotAKey
				}
				return fmt.Sprintf("%02d", n), nil
			},
			func(r *blue.RoundRecord, _ blue.DialogueID, rest string) error {
				n, err := parseTwoDigits(rest)
				r.Round = blue.Round(n)
				return err
			}, nil,
			func(s *blue.Snapshot, r *blue.RoundRecord) { s.Rounds = append(s.Rounds, r) }),
		newEntry("verdict#",
			func(key string) (string, error) {
				id, err := blue.ParseVerdictID(key)
				return string(id), err
			},
			func(v *blue.Verdict, _ blue.DialogueID, rest string) (err error) {
				v.ID, err = blue.ParseVerdictID(rest)
				return err
			}, nil,
			func(s *blue.Snapshot, v *blue.Verdict) { s.Verdicts = append(s.Verdicts, v) }),
	}
	for _, kind := range blue.NumberedKinds() {
		entries = append(entries, numberedEntry(kind))
	}
	entries = append(entries, newEntry("move#", moveRest, setMoveKey,
		func(m *blue.Move, id blue.DialogueID) record.Attrs { return byExpert(m.Expert, id, m.Round) },
		func(s *blue.Snapshot, m *blue.Move) { s.Moves = append(s.Moves, m) }))
	for _, kind := range blue.NumberedKinds() {
		entries = append(entries, eventEntry(kind))
	}
	return entries
}

// newEntry makes an entry from functions of the entity's own type.
func newEntry[T any, P interface {
	*T
	blue.Entity
}](prefix string, rest func(string) (string, error), setKey func(P, blue.DialogueID, string) error,
	index func(P, blue.DialogueID) record.Attrs, attach func(*blue.Snapshot, P)) entry {
	e := entry{
		kind: P(new(T)).EntityKind(), prefix: prefix, rest: rest,
		fresh:  func() blue.Entity { return P(new(T)) },
		setKey: func(e blue.Entity, id blue.DialogueID, rest string) error { return setKey(e.(P), id, rest) },
		attach: func(s *blue.Snapshot, e blue.Entity) { attach(s, e.(P)) },
	}
	if index != nil {
		e.index = func(e blue.Entity, id blue.DialogueID) record.Attrs { return index(e.(P), id) }
	}
	return e
}

// numberedEntry makes the entry of a numbered kind. Its sort keys are
// {kind}#{round:02d}#{seq:02d}, 5 bytes after the prefix.
func numberedEntry(kind blue.Kind) entry {
	rest := func(id blue.EntityID) string { return fmt.Sprintf("%02d#%02d", id.Round, id.Seq) }
	return entry{
		kind: kind, prefix: string(kind) + "#",
		fresh: func() blue.Entity { return kind.New() },
		rest: func(key string) (string, error) {
			id, err := blue.ParseEntityID(key)
			if err != nil || id.Kind != kind {
				return "", errNotAKey
			}
			return rest(id), nil
		},
		setKey: func(e blue.Entity, _ blue.DialogueID, text string) error {
			id, err := blue.ParseEntityID(string(rune(kind.Letter())) + strings.Replace(text, "#", "", 1))
			if err != nil || rest(id) != text {
				return fmt.Errorf("sort key ends in %q", text)
			}
			e.(blue.Contributed).Common().ID = id
			return nil
		},
		index: func(e blue.Entity, id blue.DialogueID) record.Attrs {
			t, ok := e.(*blue.Tension)
			if !ok {
				return nil
			}
			return indexed(record.ByTensionStatus, byTensionStatus(t.Status), string(id)+"#"+t.ID.String())
		},
		attach: func(s *blue.Snapshot, e blue.Entity) { s.Add(e.(blue.Contributed)) },
	}
}

// eventEntry makes the entry of a numbered kind's events. Their sort keys are
// event#{kind}#{display id}#{stamp}.
func eventEntry(kind blue.Kind) entry {
	e := newEntry("event#"+string(kind)+"#",
		func(key string) (string, error) { return key, nil },
		func(e *blue.Event, _ blue.DialogueID, rest string) (err error) {
			id, stamp, _ := strings.Cut(rest, "#")
			e.Of, err = blue.ParseEntityID(id)
			e.Stamp = stamp
			return err
		}, nil,
		func(s *blue.Snapshot, e *blue.Event) { s.Events = append(s.Events, e) })
	e.kind = kind.EventKind()
	return e
}

// moveRest turns {round}#{slug}#{seq} into {round:02d}#{slug}#{seq:02d}.
func moveRest(key string) (string, error) {
	parts := strings.Split(key, "#")
	if len(parts) != 3 {
		return "", errNotAKey
	}
	round, err1 := strconv.Atoi(parts[0])
	seq, err2 := strconv.Atoi(parts[2])
	if err1 != nil || err2 != nil || !blue.Round(round).Valid() {
		return "", errNotAKey
	}
	return fmt.Sprintf("%02d#%s#%02d", round, blue.ExpertSlug(parts[1]).Key(), seq), nil
}

func setMoveKey(m *blue.Move, _ blue.DialogueID, rest string) error {
	round, slug, seq, ok := parseMoveRest(rest)
	if !ok {
		return fmt.Errorf("sort key ends in %q", rest)
	}
	m.Round, m.Seq, m.Expert = round, seq, m.Display
	return checkSame(m.Display.Key(), slug)
}

// parseMoveRest reads {round:02d}#{slug}#{seq:02d}.
func parseMoveRest(rest string) (round blue.Round, slug string, seq blue.Seq, ok bool) {
	parts := strings.Split(rest, "#")
	if len(parts) != 3 {
		return 0, "", 0, false
	}
	r, err1 := parseTwoDigits(parts[0])
	n, err2 := parseTwoDigits(parts[2])
	return blue.Round(r), parts[1], blue.Seq(n), err1 == nil && err2 == nil
}

func indexed(index record.Index, pk, sk string) record.Attrs {
	return record.Attrs{string(index) + "PK": record.S(pk), string(index) + "SK": record.S(sk)}
}

// The partitions of the three indexes.
func byStatus(s blue.Status) string              { return "status#" + string(s) }
func byTensionStatus(s blue.Status) string       { return "tension_status#" + string(s) }
func byExpertPartition(s blue.ExpertSlug) string { return "expert#" + s.Key() }

func byExpert(slug blue.ExpertSlug, id blue.DialogueID, round blue.Round) record.Attrs {
	return indexed(record.ByExpert, byExpertPartition(slug), fmt.Sprintf("%s#%02d", id, round))
}

func parseTwoDigits(s string) (int, error) {
	if len(s) != 2 {
		return 0, fmt.Errorf("%q is not two digits", s)
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return int(n), err
}

// checkSame returns an error unless the payload names the entity of the sort key.
func checkSame(payload, key string) error {
	if payload != key {
		return fmt.Errorf("the payload and the sort key name different entities")
	}
	return nil
}

// entryOf returns the entry of a sort key, or nil for an unknown kind.
func entryOf(item string) *entry {
	for i, e := range codec {
		if e.prefix == item || strings.HasSuffix(e.prefix, "#") && strings.HasPrefix(item, e.prefix) {
			return &codec[i]
		}
	}
	return nil
}

func entryOfKind(kind blue.Kind) *entry {
	if i := slices.IndexFunc(codec, func(e entry) bool { return e.kind == kind }); i >= 0 {
		return &codec[i]
	}
	return nil
}

// SortKey returns the sort key of a valid entity.
func SortKey(e blue.Entity) string {
	en, key := entryOfKind(e.EntityKind()), e.EntityKey()
	rest, _ := en.rest(key.Key) // a slug in lower case need not be a slug: "i̇" is of "İ"
	return en.prefix + rest
}

// itemOf returns the sort key that a caller's EntityKey names, or
// blue.ErrInvalid if there cannot be such a key.
func itemOf(key blue.EntityKey) (string, error) {
	rest, err := "", errNotAKey
	en := entryOfKind(key.Kind)
	if en != nil {
		rest, err = en.rest(key.Key)
	}
	if err == errNotAKey {
		err = fmt.Errorf("%w: %q is not the key of a %s", blue.ErrInvalid, key.Key, key.Kind)
	}
	if err != nil {
		return "", err
	}
	return en.prefix + rest, nil
}

// encodeEntity returns the record of an entity. before is the record it replaces,
// or nil. What this version does not know of before is kept.
func encodeEntity(id blue.DialogueID, e blue.Entity, before *record.Record) (record.Record, error) {
	en := entryOfKind(e.EntityKind())
	attrs, err := clearAttrs(e)
	if err != nil {
		return record.Record{}, err
	}
	attrs["entity_type"] = record.S(string(en.kind))
	if en.index != nil {
		maps.Copy(attrs, en.index(e, id))
	}
	var content []byte
	if before != nil {
		content = before.Attrs[contentAttr].Bin()
		carryUnknown(attrs, before.Attrs, e)
	}
	text, err := encodePayload(e, content)
	if err != nil {
		return record.Record{}, err
	}
	attrs[contentAttr] = record.B(text)
	return record.Record{Key: record.Key{Partition: dialoguePartition(id), Item: SortKey(e)}, Attrs: attrs}, nil
}

// carryUnknown copies the attributes that this version does not write.
func carryUnknown(attrs, before record.Attrs, e blue.Entity) {
	known := map[string]bool{contentAttr: true}
	for _, f := range fieldsOf(reflect.TypeOf(e).Elem()).clear {
		known[f.name] = true
	}
	for name, v := range before {
		if _, written := attrs[name]; !written && !known[name] {
			attrs[name] = v
		}
	}
}

// decodeEntity reads an entity from its record. It returns blue.ErrTampered for a
// record that no encoder wrote.
func decodeEntity(id blue.DialogueID, r record.Record) (blue.Entity, error) {
	en := entryOf(r.Key.Item)
	if en == nil {
		return nil, fmt.Errorf("%w: %s is of no known kind", blue.ErrInvalid, r.Key.Item)
	}
	e := en.fresh()
	err := setClear(e, r.Attrs)
	if err == nil {
		err = setPayload(e, r.Attrs[contentAttr].Bin())
	}
	if err == nil {
		err = en.setKey(e, id, strings.TrimPrefix(r.Key.Item, en.prefix))
	}
	if err != nil {
		return nil, malformedRecord(en.kind, err)
	}
	return e, nil
}

// Assemble makes a snapshot of the records of a dialogue. It returns
// blue.ErrTampered for a record that no encoder wrote.
func Assemble(id blue.DialogueID, records []record.Record) (*blue.Snapshot, error) {
	s := &blue.Snapshot{Dialogue: blue.Dialogue{ID: id}}
	for _, r := range records {
		if r.Key.Item == record.Meta {
			s.Version = uint64(r.Attrs["root_version"].Int())
		}
		en := entryOf(r.Key.Item)
		if en == nil {
			s.Unknown = append(s.Unknown, r.Key.Item)
			continue
		}
		e, err := decodeEntity(id, r)
		if err != nil {
			return nil, fmt.Errorf("%s of dialogue %s: %w", r.Key.Item, id, err)
		}
		en.attach(s, e)
	}
	slices.SortStableFunc(s.Verdicts, func(a, b *blue.Verdict) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), a.CreatedAt.Compare(b.CreatedAt))
	})
	return s, nil
}

// Views describes every stored kind for a store that can show tables of the
// clear attributes.
func Views() []record.View {
	views := make([]record.View, 0, len(codec))
	for _, en := range codec {
		v := record.View{Name: en.kind.Plural(), Prefix: en.prefix}
		if en.prefix == record.Meta {
			v.Prefix, v.Exact = "", record.Meta
		}
		for _, f := range fieldsOf(reflect.TypeOf(en.fresh()).Elem()).clear {
			v.Columns = append(v.Columns, f.name)
		}
		views = append(views, v)
	}
	return views
}
