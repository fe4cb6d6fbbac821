package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// entry says how one entity kind is stored. Everything else about a kind
// follows from its row in the table of kinds and the tags of its type (package
// blue), so a new numbered kind costs nothing here.
type entry struct {
	kind   blue.Kind
	prefix string // sort keys begin with it; "meta" is a whole sort key
	fresh  func() blue.Entity
	// sortKey returns what follows the prefix; setKey reads it back.
	sortKey func(blue.Entity) string
	setKey  func(e blue.Entity, id blue.DialogueID, rest string) error
	// parseKey returns what follows the prefix for the Key of a caller's
	// EntityKey; ErrInvalid when there cannot be such a key.
	parseKey func(key string) (rest string, err error)
	// index returns the index attributes (design §3), nil for none.
	index func(e blue.Entity, id blue.DialogueID) record.Attrs
	// attach puts the entity into its list.
	attach func(*blue.Snapshot, blue.Entity)
}

// codec is the table of stored kinds: dialogue, expert, round, verdict, the
// numbered ones, move, and the events of the numbered ones. A ref is the
// fourteenth kind of the RFC and has no entry: it is stored inside its source
// (docs/decisions, references).
var codec = newCodec()

func newCodec() []entry {
	entries := []entry{dialogueEntry(), expertEntry(), roundEntry(), verdictEntry()}
	for _, kind := range blue.NumberedKinds() {
		entries = append(entries, numberedEntry(kind))
	}
	entries = append(entries, moveEntry())
	for _, kind := range blue.NumberedKinds() {
		entries = append(entries, eventEntry(kind))
	}
	return entries
}

func dialogueEntry() entry {
	return entryFor(record.Meta,
		func(*blue.Dialogue) string { return "" },
		func(d *blue.Dialogue, id blue.DialogueID, _ string) error { d.ID = id; return nil },
		func(string) (string, error) { return "", nil },
		func(d *blue.Dialogue, id blue.DialogueID) record.Attrs {
			return indexed(record.ByStatus, byStatus(d.Status), d.UpdatedAt.Format(timeLayout)+"#"+string(id))
		},
		func(s *blue.Snapshot, d *blue.Dialogue) { s.Dialogue = *d })
}

func expertEntry() entry {
	return entryFor("expert#",
		func(e *blue.Expert) string { return e.Slug.Key() },
		func(e *blue.Expert, _ blue.DialogueID, rest string) error { return checkSame(e.Slug.Key(), rest) },
		func(key string) (string, error) {
			slug, err := blue.ParseExpertSlug(key)
			return slug.Key(), err
		},
		func(e *blue.Expert, id blue.DialogueID) record.Attrs {
			var first blue.Round
			if e.FirstRound != nil {
				first = *e.FirstRound
			}
			return byExpert(e.Slug, id, first)
		},
		func(s *blue.Snapshot, e *blue.Expert) { s.Experts = append(s.Experts, e) })
}

func roundEntry() entry {
	return entryFor("round#",
		func(r *blue.RoundRecord) string { return twoDigits(int(r.Round)) },
		func(r *blue.RoundRecord, _ blue.DialogueID, rest string) error {
			n, err := parseTwoDigits(rest)
			r.Round = blue.Round(n)
			return err
		},
		func(key string) (string, error) {
			n, err := strconv.Atoi(key)
			if err != nil || !blue.Round(n).Valid() {
				return "", errNotAKey
			}
			return twoDigits(n), nil
		},
		nil,
		func(s *blue.Snapshot, r *blue.RoundRecord) { s.Rounds = append(s.Rounds, r) })
}

func verdictEntry() entry {
	return entryFor("verdict#",
		func(v *blue.Verdict) string { return string(v.ID) },
		func(v *blue.Verdict, _ blue.DialogueID, rest string) (err error) {
			v.ID, err = blue.ParseVerdictID(rest)
			return err
		},
		func(key string) (string, error) {
			id, err := blue.ParseVerdictID(key)
			return string(id), err
		},
		nil,
		func(s *blue.Snapshot, v *blue.Verdict) { s.Verdicts = append(s.Verdicts, v) })
}

func moveEntry() entry {
	return entryFor("move#", moveRest, setMoveKey,
		func(key string) (string, error) {
			p := strings.Split(key, "#")
			if len(p) != 3 {
				return "", errNotAKey
			}
			round, err1 := strconv.Atoi(p[0])
			seq, err2 := strconv.Atoi(p[2])
			if err1 != nil || err2 != nil || !blue.Round(round).Valid() {
				return "", errNotAKey
			}
			return moveRest(&blue.Move{Round: blue.Round(round), Expert: blue.ExpertSlug(p[1]), Seq: blue.Seq(seq)}), nil
		},
		func(m *blue.Move, id blue.DialogueID) record.Attrs { return byExpert(m.Expert, id, m.Round) },
		func(s *blue.Snapshot, m *blue.Move) { s.Moves = append(s.Moves, m) })
}

// entryFor makes an entry from functions of the entity's own type.
func entryFor[T any, P interface {
	*T
	blue.Entity
}](prefix string, sortKey func(P) string, setKey func(P, blue.DialogueID, string) error, parseKey func(string) (string, error),
	index func(P, blue.DialogueID) record.Attrs, attach func(*blue.Snapshot, P)) entry {
	e := entry{
		kind:     P(new(T)).EntityKind(),
		prefix:   prefix,
		fresh:    func() blue.Entity { return P(new(T)) },
		sortKey:  func(e blue.Entity) string { return sortKey(e.(P)) },
		setKey:   func(e blue.Entity, id blue.DialogueID, rest string) error { return setKey(e.(P), id, rest) },
		parseKey: parseKey,
		attach:   func(s *blue.Snapshot, e blue.Entity) { attach(s, e.(P)) },
	}
	if index != nil {
		e.index = func(e blue.Entity, id blue.DialogueID) record.Attrs { return index(e.(P), id) }
	}
	return e
}

// numberedEntry makes the entry of a numbered kind: {kind}#{round:02d}#{seq:02d}.
func numberedEntry(kind blue.Kind) entry {
	rest := func(id blue.EntityID) string { return twoDigits(int(id.Round)) + "#" + twoDigits(int(id.Seq)) }
	return entry{
		kind: kind, prefix: string(kind) + "#",
		fresh:   func() blue.Entity { return kind.New() },
		sortKey: func(e blue.Entity) string { return rest(e.(blue.Contributed).Common().ID) },
		setKey: func(e blue.Entity, _ blue.DialogueID, rest string) error {
			round, seq, _ := strings.Cut(rest, "#")
			r, err1 := parseTwoDigits(round)
			n, err2 := parseTwoDigits(seq)
			if err1 != nil || err2 != nil {
				return fmt.Errorf("sort key ends in %q", rest)
			}
			e.(blue.Contributed).Common().ID = blue.EntityID{Kind: kind, Round: blue.Round(r), Seq: blue.Seq(n)}
			return nil
		},
		parseKey: func(key string) (string, error) {
			id, err := blue.ParseEntityID(key)
			if err != nil || id.Kind != kind {
				return "", errNotAKey
			}
			return rest(id), nil
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

// eventEntry makes the entry of a numbered kind's events:
// event#{kind}#{display id}#{stamp}.
func eventEntry(kind blue.Kind) entry {
	e := entryFor("event#"+string(kind)+"#",
		func(e *blue.Event) string { return e.Of.String() + "#" + e.Stamp },
		func(e *blue.Event, _ blue.DialogueID, rest string) (err error) {
			id, stamp, _ := strings.Cut(rest, "#")
			e.Of, err = blue.ParseEntityID(id)
			e.Stamp = stamp
			return err
		},
		func(key string) (string, error) { return key, nil },
		nil,
		func(s *blue.Snapshot, e *blue.Event) { s.Events = append(s.Events, e) })
	e.kind = kind.EventKind()
	return e
}

// moveRest returns {round:02d}#{slug}#{seq:02d}.
func moveRest(m *blue.Move) string {
	return twoDigits(int(m.Round)) + "#" + m.Expert.Key() + "#" + twoDigits(int(m.Seq))
}

func setMoveKey(m *blue.Move, _ blue.DialogueID, rest string) error {
	round, slug, seq, ok := moveKey(rest)
	if !ok {
		return fmt.Errorf("sort key ends in %q", rest)
	}
	m.Round, m.Seq, m.Expert = round, seq, m.Display
	return checkSame(m.Display.Key(), slug)
}

// moveKey reads {round:02d}#{slug}#{seq:02d}.
func moveKey(rest string) (round blue.Round, slug string, seq blue.Seq, ok bool) {
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
func byStatus(s blue.Status) string          { return "status#" + string(s) }
func byTensionStatus(s blue.Status) string   { return "tension_status#" + string(s) }
func byExpertPK(slug blue.ExpertSlug) string { return "expert#" + slug.Key() }

func byExpert(slug blue.ExpertSlug, id blue.DialogueID, round blue.Round) record.Attrs {
	return indexed(record.ByExpert, byExpertPK(slug), string(id)+"#"+twoDigits(int(round)))
}

func twoDigits(n int) string { return fmt.Sprintf("%02d", n) }

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
		return fmt.Errorf("the payload names another one than the sort key")
	}
	return nil
}

// entryOf finds the entry of a sort key, or nil for an unknown kind.
func entryOf(sk string) *entry {
	for i, e := range codec {
		if e.prefix == sk || strings.HasSuffix(e.prefix, "#") && strings.HasPrefix(sk, e.prefix) {
			return &codec[i]
		}
	}
	return nil
}

func entryOfKind(kind blue.Kind) *entry {
	i := slices.IndexFunc(codec, func(e entry) bool { return e.kind == kind })
	if i < 0 {
		panic("engine: no codec entry for kind " + string(kind))
	}
	return &codec[i]
}

// sortKey returns the sort key of an entity.
func sortKey(e blue.Entity) string {
	en := entryOfKind(e.EntityKind())
	return en.prefix + en.sortKey(e)
}

// errNotAKey says that a caller's text is not the key of an entity of its kind.
var errNotAKey = errors.New("not a key")

// sortKeyOf returns the sort key that a caller's EntityKey names. ErrInvalid
// when there cannot be such a key.
func sortKeyOf(key blue.EntityKey) (string, error) {
	rest, err := "", errNotAKey
	i := slices.IndexFunc(codec, func(e entry) bool { return e.kind == key.Kind })
	if i >= 0 {
		rest, err = codec[i].parseKey(key.Key)
	}
	if err == errNotAKey {
		err = fmt.Errorf("%w: %q is not the key of a %s", blue.ErrInvalid, key.Key, key.Kind)
	}
	if err != nil {
		return "", err
	}
	return codec[i].prefix + rest, nil
}

// withID returns an entity of the id's kind that holds the id alone.
func withID(id blue.EntityID) blue.Contributed {
	e := id.Kind.New()
	e.Common().ID = id
	return e
}

// encode makes the record of an entity. before is the record it replaces, or
// nil: what this version does not know of it is carried over.
func encode(id blue.DialogueID, e blue.Entity, before *record.Record) (record.Record, error) {
	en := entryOfKind(e.EntityKind())
	attrs, err := clearAttrs(e)
	if err != nil {
		return record.Record{}, err
	}
	attrs["entity_type"] = record.S(string(en.kind))
	if en.index != nil {
		for name, v := range en.index(e, id) {
			attrs[name] = v
		}
	}
	var content []byte
	if before != nil {
		content = before.Attrs[contentAttr].Bin()
		carryUnknown(attrs, before.Attrs, e)
	}
	text, err := payload(e, content)
	if err != nil {
		return record.Record{}, err
	}
	attrs[contentAttr] = record.B(text)
	return record.Record{Key: record.Key{Partition: partition(id), Item: en.prefix + en.sortKey(e)}, Attrs: attrs}, nil
}

// carryUnknown copies the attributes that this version does not write.
func carryUnknown(attrs, before record.Attrs, e blue.Entity) {
	known := map[string]bool{}
	for _, f := range fieldsOf(reflect.TypeOf(e).Elem()).clear {
		known[f.name] = true
	}
	for name, v := range before {
		if _, written := attrs[name]; !written && !known[name] && name != contentAttr {
			attrs[name] = v
		}
	}
}

// decode reads an entity from its record. Its errors are blue.ErrTampered:
// what is stored is not what an encoder wrote.
func decode(id blue.DialogueID, r record.Record) (blue.Entity, error) {
	en := entryOf(r.Key.Item)
	if en == nil {
		return nil, fmt.Errorf("%w: %s is of no known kind", blue.ErrInvalid, r.Key.Item)
	}
	e := en.fresh()
	if err := setClear(e, r.Attrs); err != nil {
		return nil, malformed(en.kind, err)
	}
	if err := setPayload(e, r.Attrs[contentAttr].Bin()); err != nil {
		return nil, malformed(en.kind, err)
	}
	if err := en.setKey(e, id, strings.TrimPrefix(r.Key.Item, en.prefix)); err != nil {
		return nil, malformed(en.kind, err)
	}
	return e, nil
}

// Assemble makes a snapshot of a dialogue's records.
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
		e, err := decode(id, r)
		if err != nil {
			return nil, fmt.Errorf("%s of dialogue %s: %w", r.Key.Item, id, err)
		}
		en.attach(s, e)
	}
	slices.SortStableFunc(s.Verdicts, func(a, b *blue.Verdict) int {
		if a.Round != b.Round {
			return int(a.Round - b.Round)
		}
		return a.CreatedAt.Compare(b.CreatedAt)
	})
	return s, nil
}

// Views describes every stored kind for a store that can show people tables
// of the clear attributes.
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
