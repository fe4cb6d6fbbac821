package importer

import (
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

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
	if d == nil {
		return
	}
	for _, t := range d.tables {
		if t.col("Expert") < 0 || t.col("Signal") < 0 {
			continue
		}
		for _, row := range t.rows {
			expert, err := blue.ParseExpertSlug(row.cell(t.col("Expert")))
			signal := row.cell(t.col("Signal"))
			switch {
			case err != nil:
				r.note(noteUnplaced, d.path, row.line, "a signal of %q, which is no expert's name", row.cell(t.col("Expert")))
			case t.col("Round") >= 0 && !inRound(row.cell(t.col("Round")), a.round):
			case signal != "[MOVE:CONVERGE]":
				r.note(noteUnplaced, d.path, row.line, "%s signals %q, which is no convergence", expert, signal)
			default:
				r.signal(a.round, expert)
			}
		}
	}
}

// inRound reports whether "R1, R2" holds the round.
func inRound(text string, round blue.Round) bool {
	for part := range strings.SplitSeq(text, ",") {
		if n, ok := atoi(strings.TrimLeft(strings.TrimSpace(part), "Rr")); ok && blue.Round(n) == round {
			return true
		}
	}
	return false
}
