package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// names knows every entity placed so far by each of its names.
type names struct {
	ids   map[blue.EntityID]string // id → label
	local map[string]blue.EntityID // MUFFIN-P0101 → id
	board map[string]blue.EntityID // a scoreboard's own number: T14 → T0014
	order []blue.EntityID          // tensions, as placed
}

func newNames() *names {
	return &names{ids: map[blue.EntityID]string{}, local: map[string]blue.EntityID{}, board: map[string]blue.EntityID{}}
}

// localID is MUFFIN-P0101: the expert in capitals, letter, round, own number.
func localID(expert blue.ExpertSlug, kind blue.Kind, round blue.Round, seq int) string {
	return fmt.Sprintf("%s-%c%02d%02d", strings.ToUpper(string(expert)), kind.Letter(), round, seq)
}

func (n *names) place(id blue.EntityID, local, label string) {
	n.ids[id] = label
	n.local[local] = id
	if id.Kind == blue.KindTension {
		n.order = append(n.order, id)
	}
}

// letters matches one display letter.
var letters = func() string {
	var b strings.Builder
	for _, kind := range blue.NumberedKinds() {
		b.WriteByte(kind.Letter())
	}
	return "[" + b.String() + "]"
}()

var (
	qualifiedName = regexp.MustCompile(`([\p{Lu}\p{N}]+(?:-[\p{Lu}\p{N}]+)*)(?:-|\s+R(\d{1,2})-)(` + letters + `)(\d{4}|\d{2})\b(?:\s*\(R(\d{1,2})\))?`)
	bareName      = regexp.MustCompile(`\b(` + letters + `)(\d{4}|\d{2})\b`)
)

// qualified returns the entities that the text names together with their
// expert, in order and once each, and the names that no entity has.
func (n *names) qualified(text string) (ids []blue.EntityID, unknown []string) {
	for _, m := range qualifiedName.FindAllStringSubmatch(text, -1) {
		id, ok := n.lookup(m)
		if !ok {
			unknown = append(unknown, m[0])
			continue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, unknown
}

// lookup resolves one match of qualifiedName.
func (n *names) lookup(m []string) (blue.EntityID, bool) {
	expert, letter, digits := m[1], m[3], m[4]
	if len(digits) == 4 {
		id, ok := n.local[expert+"-"+letter+digits]
		return id, ok
	}
	round := m[2]
	if round == "" {
		round = m[5]
	}
	if r, ok := atoi(round); ok {
		id, ok := n.local[fmt.Sprintf("%s-%s%02d%s", expert, letter, r, digits)]
		return id, ok
	}
	for r := range int(blue.MaxRound) + 1 {
		if id, ok := n.local[fmt.Sprintf("%s-%s%02d%s", expert, letter, r, digits)]; ok {
			return id, true
		}
	}
	return blue.EntityID{}, false
}

// bare resolves P01 or P0101 as written by an expert in a round: a display id,
// the writer's own of the latest round so far, else a scoreboard's number.
func (n *names) bare(name string, writer blue.ExpertSlug, round blue.Round) (blue.EntityID, bool) {
	m := bareName.FindStringSubmatch(name)
	if m == nil || m[0] != name {
		return blue.EntityID{}, false
	}
	if len(m[2]) == 4 {
		id, err := blue.ParseEntityID(name)
		_, ok := n.ids[id]
		return id, err == nil && ok
	}
	for r := round; r >= 0; r-- {
		if id, ok := n.local[fmt.Sprintf("%s-%s%02d%s", strings.ToUpper(string(writer)), m[1], r, m[2])]; ok {
			return id, true
		}
	}
	id, ok := n.board[name]
	return id, ok
}

// find resolves a name standing alone, in any of its forms.
func (n *names) find(name string, writer blue.ExpertSlug, round blue.Round) (blue.EntityID, bool) {
	name = strings.TrimSpace(name)
	if m := qualifiedName.FindStringSubmatch(name); m != nil && m[0] == name {
		return n.lookup(m)
	}
	return n.bare(name, writer, round)
}

// resolved returns the tensions that a RESOLVED marker names: those with their
// expert's name if there are any, else the bare ones at its beginning.
func (n *names) resolved(rest string, writer blue.ExpertSlug, round blue.Round) []blue.EntityID {
	if ids, _ := n.qualified(rest); len(ids) > 0 {
		return tensionsOnly(ids)
	}
	head, _, _ := strings.Cut(rest, ":")
	var ids []blue.EntityID
	for _, name := range bareName.FindAllString(head, -1) {
		if id, ok := n.bare(name, writer, round); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return tensionsOnly(ids)
}

func tensionsOnly(ids []blue.EntityID) []blue.EntityID {
	return slices.DeleteFunc(ids, func(id blue.EntityID) bool { return id.Kind != blue.KindTension })
}
