package importer

import (
	"cmp"
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
	if r, ok := parseStatedInt(cmp.Or(m[2], m[5])); ok {
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

// refer reads what the round's blocks say of other entities, now that all of
// them have names: references, resolutions, moves.
func (r *reader) refer(a *assembly) {
	for _, p := range a.todo {
		if p.block.word == "MOVE" {
			r.move(a, p)
			continue
		}
		refs := r.typedRefs(a, p)
		switch p.block.word {
		case "PERSPECTIVE":
			refs = r.mentions(p, "address", p.block.rest+"\n"+p.block.text, refs)
		case "REFINEMENT":
			refs = r.mentions(p, "address", p.block.rest, refs)
		case "RESOLVED":
			refs = r.resolve(a, p, refs)
		}
		if len(refs) > 0 {
			drafts := a.batch.Drafts[p.id.Kind]
			drafts[p.id.Seq-1].References = refs
		}
	}
}

// typedRefs reads the [RE:…] lines of a block. One that the rules of RFC 0058
// forbid, or whose target nobody wrote, would make the store refuse the whole
// round; it becomes a note instead.
func (r *reader) typedRefs(a *assembly, p pending) []blue.RefDraft {
	var refs []blue.RefDraft
	for _, ref := range p.block.refs {
		target, ok := r.names.find(ref.target, p.expert, a.round)
		switch kind := blue.RefType(ref.kind); {
		case !kind.Valid():
			r.note(noteUnplaced, p.path, ref.line, "%q is no type of reference", ref.kind)
		case !ok:
			r.note(noteUnplaced, p.path, ref.line, "a reference to %q, which names nothing", ref.target)
		case kind.Check(p.id.Kind, target.Kind) != nil:
			r.note(noteUnplaced, p.path, ref.line, "a %s cannot %s a %s", p.id.Kind, kind, target.Kind)
		default:
			refs = addRef(refs, kind, target)
		}
	}
	return refs
}

func addRef(refs []blue.RefDraft, kind blue.RefType, target blue.EntityID) []blue.RefDraft {
	ref := blue.RefDraft{Type: string(kind), Target: target.String()}
	if slices.Contains(refs, ref) {
		return refs
	}
	return append(refs, ref)
}

// mentions adds a reference to each tension that the text names with its
// expert and no typed reference points at.
func (r *reader) mentions(p pending, kind blue.RefType, text string, refs []blue.RefDraft) []blue.RefDraft {
	ids, _ := r.names.qualified(text)
	for _, id := range tensionsOnly(ids) {
		pointed := slices.ContainsFunc(refs, func(ref blue.RefDraft) bool { return ref.Target == id.String() })
		if !pointed && id != p.id {
			refs = addRef(refs, kind, id)
		}
	}
	return refs
}

// resolve moves the tensions that a RESOLVED marker names.
func (r *reader) resolve(a *assembly, p pending, refs []blue.RefDraft) []blue.RefDraft {
	ids := r.names.resolved(p.block.rest, p.expert, a.round)
	if len(ids) == 0 {
		r.note(noteUnplaced, p.path, p.block.line, "resolved is %q, which names no known tension; stored as a claim alone", p.block.rest)
	}
	for _, id := range ids {
		refs = addRef(refs, "resolve", id)
		r.update(a, id, "resolved", p.expert, p.id.String())
	}
	return refs
}

// move reads [MOVE:TYPE targets: context].
func (r *reader) move(a *assembly, p pending) {
	kind := strings.ToLower(p.block.sub)
	if !blue.MoveType(kind).Valid() {
		r.note(noteUnplaced, p.path, p.block.line, "%q is no type of move", p.block.sub)
		return
	}
	targets, context := r.moveTargets(a, p)
	if p.block.text != "" {
		context = strings.TrimSpace(context + "\n" + p.block.text)
	}
	a.batch.Moves = append(a.batch.Moves, blue.MoveDraft{Expert: p.expert, Type: kind, Targets: targets, Context: context})
	if kind == "converge" {
		r.signal(a.round, p.expert)
	}
}

// moveTargets reads the names before the colon; without names all is context.
func (r *reader) moveTargets(a *assembly, p pending) ([]string, string) {
	targets := []string{}
	head, context, _ := strings.Cut(p.block.rest, ":")
	for name := range strings.SplitSeq(head, ",") {
		id, ok := r.names.find(name, p.expert, a.round)
		if !ok && qualifiedName.MatchString(name) {
			r.note(noteUnplaced, p.path, p.block.line, "a move against %q, which names nothing", strings.TrimSpace(name))
		}
		if ok && !slices.Contains(targets, id.String()) {
			targets = append(targets, id.String())
		}
	}
	if len(targets) == 0 {
		return targets, p.block.rest
	}
	return targets, strings.TrimSpace(context)
}

// signal notes once per round and expert that convergence is signalled.
func (r *reader) signal(round blue.Round, expert blue.ExpertSlug) {
	if !slices.ContainsFunc(r.signals, func(op Op) bool { return op.Signal.Expert.Key() == expert.Key() }) {
		r.signals = append(r.signals, Op{Kind: opSignal, Signal: &blue.Signal{Round: round, Expert: expert}})
	}
}

// readSignalTable reads Expert | Signal | Round in a round's scoreboard. A row
// that names rounds counts in those alone; all but [MOVE:CONVERGE] is a note.
func (r *reader) readSignalTable(a *assembly) {
	d := r.boards[a.round].doc
	for _, row := range d.rowsOf(hasColumns("Expert", "Signal")) {
		expert, err := blue.ParseExpertSlug(row.get("Expert"))
		signal := row.get("Signal")
		switch {
		case err != nil:
			r.note(noteUnplaced, d.path, row.line, "a signal of %q, which is no expert's name", row.get("Expert"))
		case row.table.col("Round") >= 0 && !inRound(row.get("Round"), a.round):
		case signal != "[MOVE:CONVERGE]":
			r.note(noteUnplaced, d.path, row.line, "%s signals %q, which is no convergence", expert, signal)
		default:
			r.signal(a.round, expert)
		}
	}
}

// inRound reports whether "R1, R2" holds the round.
func inRound(text string, round blue.Round) bool {
	for part := range strings.SplitSeq(text, ",") {
		if n, ok := parseStatedInt(strings.TrimLeft(strings.TrimSpace(part), "Rr")); ok && blue.Round(n) == round {
			return true
		}
	}
	return false
}
