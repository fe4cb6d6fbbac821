package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

func inspectCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect DIALOGUE [ENTITY]",
		Short: "Show what the store holds beside what you see",
		Long: "inspect puts a stored item beside what your key makes of it, and lists what whoever\n" +
			"holds the store can read without a key. Both are computed from the stored items.\n\n" +
			"ENTITY is a display id (T0101), an expert's slug, a verdict's id or a sort key\n" +
			"(round#00); without it the dialogue's own item is shown.",
		Example: "  blue-store inspect ukfs-specification-review\n" +
			"  blue-store inspect ukfs-specification-review T0101",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			entity := record.Meta
			if len(args) == 2 {
				entity = args[1]
			}
			answer, err := a.inspect(c.Context(), args[0], entity)
			if err != nil {
				return err
			}
			return a.answer(answer, func(w io.Writer) error {
				_, err := io.WriteString(w, printable(answer.text()))
				return err
			})
		},
	}
}

// inspection is what inspect says, schema blue-store/inspect@1.
type inspection struct {
	Schema     string       `json:"schema"`
	DialogueID string       `json:"dialogue_id"`
	Version    uint64       `json:"version"`
	Item       inspected    `json:"item"`
	Readable   readableView `json:"readable"`
	// Sealed lists, by kind, the fields that take the key.
	Sealed map[string][]string `json:"sealed"`
	Note   string              `json:"note"`
}

// inspected is one item as stored and as opened.
type inspected struct {
	SortKey string        `json:"sort_key"`
	Bytes   int           `json:"bytes"`
	Stored  []storedAttr  `json:"stored"`
	Opened  []openedField `json:"opened"`
}

// storedAttr is one attribute as the store holds it. Value is shown for what
// is stored in the clear.
type storedAttr struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // S, N, B or BOOL
	Bytes int    `json:"bytes"`
	Value string `json:"value,omitempty"`
}

// openedField is one field that only the key shows.
type openedField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sealNote is what no item can show about itself.
const sealNote = "Whoever holds the store reads no title, text, reference or reason, and cannot change, drop, swap or roll back an item unseen; a whole dialogue put back to an older state is noticed by a client that has seen the newer one. " +
	"What is listed as readable stays so by design: the indexes and the conditions of the database work on it. " +
	"The id of a dialogue is made of its title unless --opaque-id is given. The audit log tells when and by whom the dialogue was read and written."

func (a *app) inspect(ctx context.Context, name, entity string) (*inspection, error) {
	s, id, err := a.openDialogue(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.close()
	snapshot, err := s.store.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	items, err := s.records.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return nil, err
	}
	answer := &inspection{
		Schema: "blue-store/inspect@1", DialogueID: string(id), Version: snapshot.Version,
		Readable: readableOf(items), Sealed: sealedNames(snapshot), Note: sealNote,
	}
	answer.Item, err = inspectItem(snapshot, items, entity)
	return answer, err
}

// inspectItem finds the entity that was named and puts both sides together.
func inspectItem(s *blue.Snapshot, items []record.Record, entity string) (inspected, error) {
	for _, e := range entitiesOf(s) {
		sk := sortKeyOf(e)
		if !slices.Contains(namesOf(e, sk), entity) {
			continue
		}
		i := slices.IndexFunc(items, func(r record.Record) bool { return r.Key.Item == sk })
		if i < 0 {
			return inspected{}, fmt.Errorf("%w: %s changed while it was read", blue.ErrBusy, sk)
		}
		return inspected{SortKey: sk, Bytes: items[i].Size(), Stored: storedOf(items[i]), Opened: openedOf(e)}, nil
	}
	return inspected{}, notFound("%s of dialogue %s", clipped(entity), s.Dialogue.ID)
}

// namesOf lists what an entity may be called on the command line.
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

// entitiesOf lists every entity of a snapshot, the dialogue first.
func entitiesOf(s *blue.Snapshot) []blue.Entity {
	all := []blue.Entity{&s.Dialogue}
	for _, e := range s.Contributed() {
		all = append(all, e)
	}
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

// sortKeyOf returns the sort key of an entity (RFC 0058, "DynamoDB Schema").
func sortKeyOf(e blue.Entity) string {
	switch e := e.(type) {
	case *blue.Dialogue:
		return record.Meta
	case *blue.Expert:
		return "expert#" + e.Slug.Key()
	case *blue.RoundRecord:
		return fmt.Sprintf("round#%02d", int(e.Round))
	case *blue.Verdict:
		return "verdict#" + string(e.ID)
	case *blue.Move:
		return fmt.Sprintf("move#%02d#%s#%02d", int(e.Round), e.Expert.Key(), int(e.Seq))
	case *blue.Event:
		return fmt.Sprintf("event#%s#%s#%s", e.Of.Kind, e.Of, e.Stamp)
	case blue.Contributed:
		id := e.Common().ID
		return fmt.Sprintf("%s#%02d#%02d", id.Kind, int(id.Round), int(id.Seq))
	}
	return ""
}

// storedOf lists the item as it lies in the store, its key first.
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

// sealedNames lists by kind the sealed fields that are there.
func sealedNames(s *blue.Snapshot) map[string][]string {
	sets := map[string]map[string]bool{}
	for _, e := range entitiesOf(s) {
		kind := string(e.EntityKind())
		if sets[kind] == nil {
			sets[kind] = map[string]bool{}
		}
		for _, f := range openedOf(e) {
			sets[kind][f.Name] = true
		}
	}
	names := make(map[string][]string, len(sets))
	for kind, set := range sets {
		names[kind] = slices.AppendSeq([]string{}, maps.Keys(set))
		slices.Sort(names[kind])
	}
	return names
}

// text is the answer for people: the item in two columns, then what is
// readable and what is not.
func (in *inspection) text() string {
	var b strings.Builder
	in.Item.columns(&b)
	in.Readable.text(&b)
	b.WriteString("\nwhat takes your key\n")
	for _, kind := range slices.Sorted(maps.Keys(in.Sealed)) {
		if names := in.Sealed[kind]; len(names) > 0 {
			fmt.Fprintf(&b, "  %-20s %s\n", kind, strings.Join(names, ", "))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", wrap(in.Note, 88))
	return b.String()
}
