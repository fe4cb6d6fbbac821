package importer

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// differs notes a number that the source states and its own text belies. What
// is stored is the stated one.
func (r *reader) differs(n number, counted int64, what, how string) {
	if n.ok && n.n != counted {
		r.note(noteContradiction, n.file, n.line, "%s: stated %d, %s %d", what, n.n, how, counted)
	}
}

// checkRound compares the judge's numbers of a round with its entities and
// with each other.
func (r *reader) checkRound(a *assembly) {
	b := r.boards[a.round]
	in := func(what string) string { return what + " of round " + strconv.Itoa(int(a.round)) }
	r.differs(b.fresh, int64(len(a.batch.Drafts[blue.KindPerspective])), in("new perspectives"), "counted")
	r.differs(b.open, int64(r.openTensions()), in("open tensions"), "counted")
	r.differs(b.signals, int64(len(r.signals)), in("convergence signals"), "counted")
	r.differs(b.panel, int64(len(a.panel)), in("panel size"), "members of the panel")
	if b.percent.ok && a.batch.ConvergeSignals != int64(len(r.signals)) {
		r.note(noteContradiction, b.percent.file, b.percent.line, "%s: stated %d%%, which is %d of %d; counted %d",
			in("convergence signals"), b.percent.n, a.batch.ConvergeSignals, a.batch.PanelSize, len(r.signals))
	}
	if b.open.ok && b.fresh.ok {
		r.differs(b.velocity, b.open.n+b.fresh.n, in("velocity"), "open tensions and new perspectives make")
	}
	if b.wisdom.ok && b.consistency.ok && b.truth.ok && b.relationships.ok {
		r.differs(b.score, b.wisdom.n+b.consistency.n+b.truth.n+b.relationships.n, in("score"), "W, C, T and R add up to")
	}
}

var (
	resolvedOf = regexp.MustCompile(`(\d+)/(\d+)`)
	looseOf    = regexp.MustCompile(`(\d+)/(\d+) tensions resolved`)
)

// checkTotals compares what the scoreboard and the verdict sum up with what
// was read.
func (r *reader) checkTotals() {
	var score, wisdom, consistency, truth, relationships int64
	for _, b := range r.batches {
		score, wisdom, consistency = score+b.Score, wisdom+b.Wisdom, consistency+b.Consistency
		truth, relationships = truth+b.Truth, relationships+b.Relationships
	}
	r.differs(r.tracked.total, score, "total alignment", "the rounds add up to")
	r.differs(r.tracked.parts["W"], wisdom, "total W", "the rounds add up to")
	r.differs(r.tracked.parts["C"], consistency, "total C", "the rounds add up to")
	r.differs(r.tracked.parts["T"], truth, "total T", "the rounds add up to")
	r.differs(r.tracked.parts["R"], relationships, "total R", "the rounds add up to")
	if d := r.verdictFile(); d != nil {
		r.checkSummary(d, score)
	}
}

// checkSummary compares the verdict's table of metrics.
func (r *reader) checkSummary(d *document, score int64) {
	seen := false
	for _, row := range d.rowsOf(func(t table) bool { return t.col("Metric") == 0 }) {
		value := stated64(d, row.line, row.cell(1))
		switch row.cell(0) {
		case "Rounds":
			r.differs(value, int64(r.src.Found["rounds"]), "rounds", "counted")
		case "Total ALIGNMENT":
			r.differs(value, score, "total alignment", "the rounds add up to")
		case "Experts Consulted":
			r.differs(value, int64(r.src.Found["experts"]), "experts", "counted")
		case "Final Velocity":
			last := r.batches[len(r.batches)-1]
			r.differs(value, last.OpenTensions+last.NewPerspectives, "final velocity", "the last round's is")
		case "Tensions Resolved":
			seen = true
			r.checkResolved(d, row.line, resolvedOf.FindStringSubmatch(row.cell(1)))
		}
	}
	for i, line := range d.lines {
		if m := looseOf.FindStringSubmatch(line); m != nil && !seen {
			r.checkResolved(d, i+1, m)
			return
		}
	}
}

// checkResolved compares "17/18" with the tensions.
func (r *reader) checkResolved(d *document, line int, m []string) {
	if m == nil {
		return
	}
	all := len(r.names.order)
	r.differs(stated64(d, line, m[1]), int64(all-r.openTensions()), "tensions resolved", "counted")
	r.differs(stated64(d, line, m[2]), int64(all), "tensions", "counted")
}

// readDialogue makes the create operation: title and question, and what the
// panel was told.
func (r *reader) readDialogue() {
	if !r.decode("expert-pool.json", &r.pool) && r.files["expert-pool.json"] == nil {
		r.note(noteMissing, "expert-pool.json", 0, "no pool; tiers and relevance come from the panels alone")
	}
	question := cmp.Or(r.pool.Question, r.questionFromBackground())
	if question == "" {
		r.note(noteMissing, "expert-pool.json", 0, "no file states the question")
	}
	title := cmp.Or(r.title(), question)
	if title == "" {
		r.note(noteMissing, "scoreboard.md", 0, "no file states a title")
		title = "Imported dialogue"
	}
	r.src.Title = title
	r.src.add(Op{Kind: opCreate, Dialogue: &blue.NewDialogue{Title: title, Question: question, Background: r.background()}})
}

// title is the subject of the background, else of the scoreboard, else of the
// verdict, without the word that says which file it is.
func (r *reader) title() string {
	for _, try := range []struct{ file, word string }{
		{"background.md", "background"}, {"scoreboard.md", "scoreboard"}, {"verdict.md", "final verdict"}, {"verdict.md", "verdict"},
	} {
		if title := withoutWord(r.files[try.file].title(), try.word); title != "" {
			return title
		}
	}
	return ""
}

// withoutWord strips "Word: " and "Word — " from the front or " - Word" from
// the end; "" if nothing but the word is there.
func withoutWord(title, word string) string {
	lower := strings.ToLower(title)
	const marks = " :-–—"
	if strings.HasPrefix(lower, word) && len(lower) == len(title) {
		return strings.Trim(title[len(word):], marks)
	}
	if strings.HasSuffix(lower, word) && len(lower) == len(title) {
		return strings.Trim(title[:len(title)-len(word)], marks)
	}
	return strings.TrimSpace(title)
}

func (r *reader) questionFromBackground() string {
	d := r.files["background.md"]
	if d == nil {
		return ""
	}
	for _, l := range d.under("question") {
		if text := strings.TrimSpace(l.text); text != "" && headingLevel(text) == 0 {
			return plainMarkdown(text)
		}
	}
	return ""
}

// background keeps background.md whole as the description; the lists under
// headings that speak of principles or constraints, and the text under
// "Situation" or "Success Criteria", are given their own places as well.
func (r *reader) background() *blue.Background {
	d := r.files["background.md"]
	if d == nil {
		r.note(noteMissing, "background.md", 0, "no file says what the panel was told")
		return nil
	}
	text := strings.TrimSpace(d.text)
	b := &blue.Background{Subject: r.title(), Description: &text}
	if situation := strings.TrimSpace(joinedLines(d.under("situation", "success criteria"))); situation != "" {
		b.Situation = &situation
	}
	constraints := map[string][]string{}
	for _, s := range d.sections {
		if !holdsWord(s.heading, []string{"principle", "constraint"}) {
			continue
		}
		for _, line := range s.body {
			if item, ok := listItem(line); ok {
				key := strings.ReplaceAll(strings.ToLower(s.heading), " ", "_")
				constraints[key] = append(constraints[key], item)
			}
		}
	}
	if len(constraints) > 0 {
		b.Constraints, _ = json.Marshal(constraints)
	}
	return b
}

func joinedLines(lines []numbered) string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	return strings.Join(texts, "\n")
}
