package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// assembly is a round while it is put together.
type assembly struct {
	round  blue.Round
	batch  *blue.RoundBatch
	panel  []member
	places map[blue.EntityID]sourcePlace // of the round's entities
	todo   []pending
	// reserved holds the local ids that the experts' own numbers make, so that
	// a marker without a number takes none of them.
	reserved map[string]bool
	last     bool
}

// pending is a block whose references wait until the round's entities have names.
type pending struct {
	block  block
	expert blue.ExpertSlug
	path   string
	id     blue.EntityID // zero for a move
}

// readRound makes the operations of one round: its new experts, the round, its
// signals.
func (r *reader) readRound(round blue.Round) {
	a := &assembly{
		round: round, panel: r.readPanel(round), places: map[blue.EntityID]sourcePlace{}, reserved: map[string]bool{},
		batch: &blue.RoundBatch{Round: round, Drafts: map[blue.Kind][]blue.Draft{}},
		last:  round == r.rounds[len(r.rounds)-1],
	}
	r.register(round, a.panel)
	r.signals = nil
	r.readExperts(a)
	r.placeContributions(a)
	r.refer(a)
	r.readStatuses(a)
	r.readSignalTable(a)
	r.applyDated(a)
	if a.last {
		r.recommend(a)
		r.applyFinal(a)
	}
	r.readSummary(a)
	r.applyBoard(a)
	r.checkRound(a)
	r.batches = append(r.batches, a.batch)
	r.src.add(Op{Kind: opRound, Round: a.batch})
	for _, op := range r.signals {
		r.src.add(op)
	}
}

// readExperts keeps each expert's file whole and places its markers.
func (r *reader) readExperts(a *assembly) {
	writers := r.writers(a.round)
	for _, m := range a.panel {
		if len(writers) > 0 && !slices.ContainsFunc(writers, func(w string) bool { return sameExpert(w, m.Name) }) {
			r.note(noteMissing, fmt.Sprintf("round-%d/%s.md", a.round, blue.ExpertSlug(m.Name).Key()), 0, "%s is on the panel and wrote nothing", m.Name)
		}
	}
	for _, name := range writers {
		expert := blue.ExpertSlug(name)
		path := r.expertPath[writer{a.round, expert.Key()}]
		d := r.files[path]
		if a.batch.RawContent == nil {
			a.batch.RawContent = map[blue.ExpertSlug]string{}
		}
		a.batch.RawContent[expert] = d.text
		blocks, strays := readMarkers(d)
		for _, s := range strays {
			r.note(noteUnplaced, path, s.line, "text that no marker holds; it is kept in the expert's raw content")
		}
		for _, b := range blocks {
			if kind := entityWords[b.word]; b.numbered() {
				a.reserved[localID(expert, kind, a.round, b.seq)] = true
			}
		}
		for _, b := range blocks {
			r.placeBlock(a, path, expert, b)
		}
	}
}

// placeBlock gives a marker its place in the batch.
func (r *reader) placeBlock(a *assembly, path string, expert blue.ExpertSlug, b block) {
	if b.word == "MOVE" {
		a.todo = append(a.todo, pending{block: b, expert: expert, path: path})
		return
	}
	kind := entityWords[b.word]
	label := b.label()
	seq := b.seq
	if b.statement() {
		label, seq = strings.TrimSuffix(b.word[:1]+strings.ToLower(b.word[1:])+": "+b.rest, ": "), 0
	} else {
		if b.id != "" && b.id[0] != kind.Letter() {
			r.note(noteContradiction, path, b.line, "the marker is a %s, its number %s is not; it is stored as a %s", b.word, b.id, kind)
		}
		if len(b.id) == 5 && b.id[1:3] != fmt.Sprintf("%02d", a.round) {
			r.note(noteContradiction, path, b.line, "the number %s is of another round than %d, the folder's", b.id, a.round)
		}
	}
	label, text := filledMarker(label, b.text)
	if label == "" {
		r.note(noteUnplaced, path, b.line, "a %s without label and text", b.word)
		return
	}
	id := r.draft(a, kind, []blue.ExpertSlug{expert}, seq, blue.Draft{Label: label, Text: text}, sourcePlace{path, b.line})
	a.todo = append(a.todo, pending{b, expert, path, id})
	if b.word == "CONCESSION" {
		a.batch.Moves = append(a.batch.Moves, blue.MoveDraft{Expert: expert, Type: "concede", Targets: []string{}, Context: b.rest})
	}
}

// filledMarker makes one of label and text of the other, for an entity needs both.
func filledMarker(label, text string) (string, string) {
	if label == "" {
		label, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
		label = strings.TrimSpace(label)
	}
	return label, cmp.Or(text, label)
}

// draft adds an entity to the batch and names it. seq is the author's own
// number, 0 for the next one.
func (r *reader) draft(a *assembly, kind blue.Kind, by []blue.ExpertSlug, seq int, d blue.Draft, at sourcePlace) blue.EntityID {
	id := blue.EntityID{Kind: kind, Round: a.round, Seq: blue.Seq(len(a.batch.Drafts[kind]) + 1)}
	taken := func(n int) bool { _, ok := r.names.local[localID(by[0], kind, a.round, n)]; return ok }
	if seq > 0 && taken(seq) {
		r.note(noteContradiction, at.file, at.line, "%s is given twice, the first time at %s; the second gets the next free number",
			localID(by[0], kind, a.round, seq), a.places[r.names.local[localID(by[0], kind, a.round, seq)]])
		seq = 0
	}
	if seq == 0 {
		for seq = 1; taken(seq) || a.reserved[localID(by[0], kind, a.round, seq)]; seq++ {
		}
	}
	d.LocalID, d.Contributors = localID(by[0], kind, a.round, seq), by
	a.batch.Drafts[kind] = append(a.batch.Drafts[kind], d)
	a.places[id] = at
	r.names.place(id, d.LocalID, d.Label)
	if kind == blue.KindTension {
		r.status[id] = blue.StatusOpen
	}
	return id
}

// claim adds a claim of the judge and returns its display id.
func (r *reader) claim(a *assembly, d *document, line int, label, text string, refs []blue.RefDraft) string {
	return r.draft(a, blue.KindClaim, []blue.ExpertSlug{blue.Judge}, 0, blue.Draft{Label: label, Text: text, References: refs}, sourcePlace{d.path, line}).String()
}

// update moves a tension, by whom and via which entity.
func (r *reader) update(a *assembly, id blue.EntityID, status blue.Status, by blue.ExpertSlug, via string) {
	r.status[id] = status
	a.batch.TensionUpdates = append(a.batch.TensionUpdates, blue.TensionUpdate{ID: id.String(), Status: status, By: []blue.ExpertSlug{by}, Via: via})
}

// placeContributions makes a perspective of each "Key Contribution" of a round
// whose experts left no files. What a brief quotes of an expert is its text.
func (r *reader) placeContributions(a *assembly) {
	b := r.boards[a.round]
	if len(r.writers(a.round)) > 0 || b.doc == nil {
		return
	}
	quotes := r.quotes(a.round)
	for _, c := range b.contributions {
		text := cmp.Or(quotes[c.expert.Key()], c.text)
		r.draft(a, blue.KindPerspective, []blue.ExpertSlug{c.expert}, 0, blue.Draft{Label: c.text, Text: text}, sourcePlace{b.doc.path, c.line})
	}
}

// quotes reads - **Muffin**: "…" under "Key Perspectives from Round N", in any brief.
func (r *reader) quotes(round blue.Round) map[string]string {
	quotes := map[string]string{}
	for _, of := range r.rounds {
		d := r.files[fmt.Sprintf("round-%d/context-brief.md", of)]
		if d == nil {
			continue
		}
		for _, l := range d.under(fmt.Sprintf("perspectives from round %d", round)) {
			item, ok := listItem(l.text)
			name, text, found := strings.Cut(strings.TrimPrefix(item, "**"), "**:")
			if ok && found {
				quotes[blue.ExpertSlug(name).Key()] = strings.Trim(strings.TrimSpace(text), `"`)
			}
		}
	}
	return quotes
}

// readSummary keeps the judge's files of the round whole.
func (r *reader) readSummary(a *assembly) {
	paths := []string{fmt.Sprintf("round-%d.summary.md", a.round)}
	for _, name := range []string{"summary.md", "context-brief.md", "scoreboard.md"} {
		paths = append(paths, fmt.Sprintf("round-%d/%s", a.round, name))
	}
	if a.last {
		paths = append(paths, "scoreboard.md", "tensions.md")
	}
	var texts []string
	for _, path := range paths {
		d := r.files[path]
		if d == nil {
			continue
		}
		if strings.HasPrefix(path, "round-") {
			a.batch.Title = cmp.Or(a.batch.Title, d.title())
		}
		texts = append(texts, strings.TrimSpace(d.text))
	}
	a.batch.Summary = strings.Join(texts, "\n\n")
	if a.batch.Title == "" {
		a.batch.Title = fmt.Sprintf("Round %d", a.round)
		r.note(noteMissing, paths[0], 0, "no summary of round %d", a.round)
	}
}

// applyBoard stores the judge's numbers. Where none is stated, what was
// counted is stored and a note says so: a missing number must not read as 0,
// which is what convergence asks for.
func (r *reader) applyBoard(a *assembly) {
	b, batch := r.boards[a.round], a.batch
	batch.Score, batch.Wisdom, batch.Consistency, batch.Truth, batch.Relationships = b.score.n, b.wisdom.n, b.consistency.n, b.truth.n, b.relationships.n
	if len(b.scores) > 0 {
		batch.ExpertScores = b.scores
	}
	batch.PanelSize = int64(len(a.panel))
	if b.panel.ok {
		batch.PanelSize = b.panel.n
	}
	switch {
	case b.signals.ok:
		batch.ConvergeSignals = b.signals.n
	case b.percent.ok: // 83% of 6 is 5
		batch.ConvergeSignals = (b.percent.n*batch.PanelSize + 50) / 100
	default:
		batch.ConvergeSignals = int64(len(r.signals))
		r.note(noteMissing, "", 0, "no file states how many signal convergence in round %d; stored as the %d counted", a.round, len(r.signals))
	}
	batch.OpenTensions = r.statedOr(b.open, r.openTensions(), a.round, "open tensions")
	batch.NewPerspectives = r.statedOr(b.fresh, len(batch.Drafts[blue.KindPerspective]), a.round, "new perspectives")
	if !b.score.ok {
		r.note(noteMissing, "", 0, "no file states the score of round %d; stored as 0", a.round)
	}
}

func (r *reader) statedOr(n number, counted int, round blue.Round, what string) int64 {
	if n.ok {
		return n.n
	}
	r.note(noteMissing, "", 0, "no file states the %s of round %d; stored as the %d counted", what, round, counted)
	return int64(counted)
}

// openTensions counts as Blue does: whatever is not resolved.
func (r *reader) openTensions() int {
	open := 0
	for _, status := range r.status {
		if status != blue.StatusResolved {
			open++
		}
	}
	return open
}
