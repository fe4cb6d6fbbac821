package main

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/plainjson"
	"github.com/superviber/blue-encrypted-store/record"
)

func inspectCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect DIALOGUE [ENTITY]",
		Short: "Show the stored form of an item next to the decrypted form",
		Long: "Shows the stored form of an item next to the decrypted form. It also lists everything that a\n" +
			"person with the store can read without a key. Both are computed from the stored items.\n\n" +
			"ENTITY is a display id (T0101), an expert's slug, a verdict's id or a sort key (round#00). The\n" +
			"default is the dialogue itself.",
		Example: "  blue-store inspect ukfs-specification-review\n" +
			"  blue-store inspect ukfs-specification-review T0101",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			entity := record.Meta
			if len(args) == 2 {
				entity = args[1]
			}
			return a.withDialogue(c.Context(), args[0], func(s *session, id blue.DialogueID) error { return a.inspect(c.Context(), s, id, entity) })
		},
	}
}

// inspection is the answer of inspect, schema blue-store/inspect@1.
type inspection struct {
	Schema     string              `json:"schema"`
	DialogueID string              `json:"dialogue_id"`
	Version    uint64              `json:"version"`
	Item       inspectedItem       `json:"item"`
	Readable   readableView        `json:"readable"`
	Sealed     map[string][]string `json:"sealed"` // encrypted fields by kind
	Note       string              `json:"note"`
}

// inspectedItem is one item in its stored and in its decrypted form.
type inspectedItem struct {
	SortKey string        `json:"sort_key"`
	Bytes   int           `json:"bytes"`
	Stored  []storedAttr  `json:"stored"`
	Opened  []openedField `json:"opened"`
}

// storedAttr is one attribute in its stored form. Value is set if the attribute is
// not encrypted.
type storedAttr struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // S, N, B or BOOL
	Bytes int    `json:"bytes"`
	Value string `json:"value,omitempty"`
}

// openedField is one decrypted field.
type openedField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sealNote explains the properties that no single item can show.
const sealNote = "A person with the store but no key reads no title, text, reference or reason. A client detects every changed, missing, swapped or rolled-back item. A client that has seen a newer state also detects a rollback of the whole dialogue. " +
	"The readable attributes stay readable, because the indexes and conditions of the database need them. " +
	"The id of a dialogue is made from its title, unless --opaque-id is used. The audit log contains the time and the user of every read and write."

func (a *app) inspect(ctx context.Context, s *session, id blue.DialogueID, entity string) error {
	snapshot, err := s.store.Load(ctx, id)
	if err != nil {
		return err
	}
	items, err := s.records.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return err
	}
	answer := &inspection{
		Schema: "blue-store/inspect@1", DialogueID: string(id), Version: snapshot.Version,
		Readable: readableOf(items), Sealed: inspectedNames(snapshot), Note: sealNote,
	}
	if answer.Item, err = inspectItem(snapshot, items, entity); err != nil {
		return err
	}
	return a.answerText(answer, answer.text())
}

// inspectItem returns both forms of the entity with the given name.
func inspectItem(s *blue.Snapshot, items []record.Record, entity string) (inspectedItem, error) {
	for _, e := range inspectedEntities(s) {
		sk := engine.SortKey(e)
		if !slices.Contains(namesOf(e, sk), entity) {
			continue
		}
		i := slices.IndexFunc(items, func(r record.Record) bool { return r.Key.Item == sk })
		if i < 0 {
			return inspectedItem{}, fmt.Errorf("%w: %s changed while it was read", blue.ErrBusy, sk)
		}
		return inspectedItem{SortKey: sk, Bytes: items[i].Size(), Stored: storedOf(items[i]), Opened: openedOf(e)}, nil
	}
	return inspectedItem{}, notFound("%s of dialogue %s", clipArgument(entity), s.Dialogue.ID)
}

// namesOf returns the names of an entity on the command line.
func namesOf(e blue.Entity, sk string) []string {
	switch e := e.(type) {
	case *blue.Expert:
		return []string{sk, string(e.Slug), e.Slug.Key()}
	case *blue.Verdict:
		return []string{sk, string(e.ID)}
	case blue.Contributed:
		return []string{sk, e.Common().ID.String()}
	}
	return []string{sk}
}

// inspectedEntities returns every entity of a snapshot, the dialogue first.
func inspectedEntities(s *blue.Snapshot) []blue.Entity {
	all := appendEntities([]blue.Entity{&s.Dialogue}, s.Contributed())
	all = appendEntities(all, s.Experts)
	all = appendEntities(all, s.Rounds)
	all = appendEntities(all, s.Verdicts)
	all = appendEntities(all, s.Moves)
	return appendEntities(all, s.Events)
}

func appendEntities[E blue.Entity](all []blue.Entity, list []E) []blue.Entity {
	for _, e := range list {
		all = append(all, e)
	}
	return all
}

// storedOf returns the stored attributes of an item, its key first.
func storedOf(r record.Record) []storedAttr {
	list := []storedAttr{
		{Name: "PK", Type: "S", Bytes: len(string(r.Key.Partition)), Value: string(r.Key.Partition)},
		{Name: "SK", Type: "S", Bytes: len(r.Key.Item), Value: r.Key.Item},
	}
	for _, name := range r.Names() {
		v := r.Attrs[name]
		attr := storedAttr{Name: name, Type: string(rune(v.Type())), Bytes: len(v.Canonical()), Value: string(v.Canonical())}
		switch v.Type() {
		case record.Bytes:
			attr.Value = ""
		case record.Bool:
			attr.Type, attr.Value = "BOOL", fmt.Sprint(v.True())
		}
		list = append(list, attr)
	}
	return list
}

// inspectedNames returns the names of the encrypted fields by kind. Fields without
// a value are left out.
func inspectedNames(s *blue.Snapshot) map[string][]string {
	fields := readableSets{}
	for _, e := range inspectedEntities(s) {
		fields.add(string(e.EntityKind()))
		for _, f := range openedOf(e) {
			fields.add(string(e.EntityKind()), f.Name)
		}
	}
	names := make(map[string][]string, len(fields))
	for kind, set := range fields {
		names[kind] = set.sorted()
	}
	return names
}

// text returns the item in two columns, then the readable and the encrypted parts
// of the dialogue.
func (in *inspection) text() string {
	var b strings.Builder
	in.Item.writeColumns(&b)
	in.Readable.writeText(&b)
	b.WriteString("\nreadable only with your key\n")
	for _, kind := range slices.Sorted(maps.Keys(in.Sealed)) {
		if names := in.Sealed[kind]; len(names) > 0 {
			fmt.Fprintf(&b, "  %-20s %s\n", kind, strings.Join(names, ", "))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", wrapForTerminal(in.Note, 88))
	return b.String()
}

// openedOf returns the decrypted fields of an entity that have a value. The tag
// "sealed" marks them (package blue).
func openedOf(e blue.Entity) []openedField {
	v := reflect.ValueOf(e).Elem()
	var list []openedField
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, value := f.Tag.Get("sealed"), v.FieldByIndex(f.Index)
		if name == "" || value.IsZero() {
			continue
		}
		list = append(list, openedField{name, printedValue(value.Interface())})
	}
	return list
}

// printedValue returns a string unchanged and any other value as JSON.
func printedValue(v any) string {
	if value := reflect.ValueOf(v); value.Kind() == reflect.String {
		return value.String()
	}
	text, err := plainjson.Marshal(v)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return string(text)
}

// The widths of the two columns in characters.
const (
	leftWidth  = 46
	rightWidth = 60
)

// writeColumns writes the stored attributes in the left column and the decrypted
// fields in the right column, each on one line.
func (it *inspectedItem) writeColumns(b *strings.Builder) {
	twoColumns(b, "what the store holds", "what you see with your key")
	for i := range max(len(it.Stored), len(it.Opened)) {
		left, right := "", ""
		if i < len(it.Stored) {
			left = it.Stored[i].printedLine()
		}
		if i < len(it.Opened) {
			right = it.Opened[i].line()
		}
		twoColumns(b, left, right)
	}
}

func twoColumns(b *strings.Builder, left, right string) {
	line := fmt.Sprintf("%-*s  %s", leftWidth, display.Shorten(left, leftWidth), display.Shorten(right, rightWidth))
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (s storedAttr) printedLine() string {
	if s.Type == "B" {
		return fmt.Sprintf("%-18s (%d sealed bytes)", s.Name, s.Bytes)
	}
	return fmt.Sprintf("%-18s %s", s.Name, s.Value)
}

func (f openedField) line() string {
	return fmt.Sprintf("%-14s %s", f.Name, strings.Join(strings.Fields(f.Value), " "))
}

// wrapForTerminal breaks a paragraph into lines of at most width characters.
func wrapForTerminal(text string, width int) string {
	var b strings.Builder
	at := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case at == 0:
		case at+1+n > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
