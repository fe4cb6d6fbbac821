package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// number is what a judge's file states, and where.
type number struct {
	n    int64
	ok   bool
	file string
	line int
}

// board is what the judge states about one round.
type board struct {
	wisdom, consistency, truth, relationships number
	score, open, fresh, velocity              number // fresh: new perspectives
	signals, panel                            number // "5/9": 5 signals of a panel of 9
	percent                                   number // "83%", where no signals are stated
	scores                                    map[blue.ExpertSlug]int64
	contributions                             []contribution
	doc                                       *document // the round's own scoreboard
}

// contribution is one row of a round's table of experts.
type contribution struct {
	line   int
	expert blue.ExpertSlug
	text   string // "Key Contribution"
}

// readBoards reads the folder's scoreboard, then each round's own.
func (r *reader) readBoards() {
	for _, round := range r.rounds {
		r.boards[round] = &board{scores: map[blue.ExpertSlug]int64{}}
	}
	root := r.files["scoreboard.md"]
	if root != nil {
		r.readTracking(root)
		r.readScores(root)
		r.tracked = readTotals(root)
	}
	for _, round := range r.rounds {
		path := fmt.Sprintf("round-%d/scoreboard.md", round)
		if d := r.files[path]; d != nil {
			r.readRoundBoard(r.boards[round], d, round)
		} else if root == nil {
			r.note(noteMissing, path, 0, "no scoreboard states the numbers of round %d", round)
		}
	}
	r.readDated()
}

// readTracking reads the table Round | W | C | T | R | Score | Open Tensions |
// New Perspectives | Velocity | Converge %.
func (r *reader) readTracking(d *document) {
	isTracking := func(t table) bool { return t.col("Round") == 0 && t.col("Score") >= 0 }
	for _, row := range d.rowsOf(isTracking) {
		n, ok := parseStatedInt(strings.TrimLeft(row.cell(0), "Rr"))
		b := r.boards[blue.Round(n)]
		if !ok || b == nil {
			r.note(noteUnplaced, d.path, row.line, "a row for round %q, which has no folder", row.cell(0))
			continue
		}
		cell := func(names ...string) number { return stated64(d, row.line, row.get(names...)) }
		b.wisdom, b.consistency, b.truth, b.relationships = cell("W", "Wisdom"), cell("C", "Consistency"), cell("T", "Truth"), cell("R", "Relationships")
		b.score, b.open, b.fresh, b.velocity = cell("Score"), cell("Open Tensions"), cell("New Perspectives"), cell("Velocity")
		b.readSignals(d, row.line, row.get("Converge Signals", "Converge", "Converge %"))
	}
}

// stated64 reads the integer at the front of a text.
func stated64(d *document, line int, text string) number {
	text = plainMarkdown(text)
	sign := int64(1)
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		text, sign = rest, -1
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, ok := parseStatedInt(text[:digits])
	return number{n: sign * int64(n), ok: ok, file: d.path, line: line}
}

var (
	fraction = regexp.MustCompile(`(\d{1,4})\s*/\s*(\d{1,4})`)
	percents = regexp.MustCompile(`(\d{1,3})\s*%`)
)

// readSignals reads "5/9", or "83%".
func (b *board) readSignals(d *document, line int, text string) {
	if m := fraction.FindStringSubmatch(text); m != nil {
		b.signals, b.panel = stated64(d, line, m[1]), stated64(d, line, m[2])
		return
	}
	if m := percents.FindStringSubmatch(text); m != nil {
		b.percent = stated64(d, line, m[1])
	}
}

// readScores reads the table Expert | Role | R0 | R1 | … | Total.
func (r *reader) readScores(d *document) {
	hasScores := func(t table) bool { return t.col("Expert") >= 0 && slices.ContainsFunc(t.cols, isRoundColumn) }
	for _, row := range d.rowsOf(hasScores) {
		expert, err := blue.ParseExpertSlug(row.get("Expert"))
		if err != nil {
			r.note(noteUnplaced, d.path, row.line, "scores of %q, which is no expert's name", row.get("Expert"))
			continue
		}
		r.boardRoles[expert.Key()] = row.get("Role")
		r.readScoreRow(d, row, expert)
	}
}

func (r *reader) readScoreRow(d *document, row row, expert blue.ExpertSlug) {
	sum := int64(0)
	for i, name := range row.table.cols {
		score := stated64(d, row.line, row.cell(i))
		if !isRoundColumn(name) || !score.ok {
			continue
		}
		sum += score.n
		n, _ := parseStatedInt(name[1:])
		if b := r.boards[blue.Round(n)]; b != nil {
			b.scores[expert] = score.n
			continue
		}
		r.note(noteUnplaced, d.path, row.line, "a score of %s in round %d, which has no folder", expert, n)
	}
	if total := stated64(d, row.line, row.get("Total")); total.ok && total.n != sum {
		r.note(noteContradiction, d.path, row.line, "the total of %s is stated as %d, the scores beside it add up to %d", expert, total.n, sum)
	}
}

// isRoundColumn reports whether a column is R0, R1, …; R alone is Relationships.
func isRoundColumn(name string) bool {
	if len(name) < 2 || name[0] != 'R' {
		return false
	}
	_, ok := parseStatedInt(name[1:])
	return ok
}

// A round's own scoreboard states its numbers in prose.
var (
	roundTotal  = regexp.MustCompile(`Round \d+ Total:\**\s*(-?\d+)`)
	openTotal   = regexp.MustCompile(`Open Tensions\**\s*[:|]\**\s*(\d+)`)
	freshTotal  = regexp.MustCompile(`New Perspectives\**\s*[:|]\**\s*(\d+)`)
	velocityIs  = regexp.MustCompile(`Velocity\b[^\d\n]*(?:\d+ \+ \d+ = )?(\d+)`)
	signalTotal = regexp.MustCompile(`Converge (?:%|Signals)[^\n]*?(\d{1,4}\s*/\s*\d{1,4})`)
	partTotal   = regexp.MustCompile(`\((W|C|T|R)\):?\**:?\s*(\d+)`)
)

func (r *reader) readRoundBoard(b *board, d *document, round blue.Round) {
	b.doc = d
	b.score = d.first(roundTotal)
	b.open, b.fresh, b.velocity = d.first(openTotal), d.first(freshTotal), d.first(velocityIs)
	if s := d.first(signalTotal); s.ok {
		b.readSignals(d, s.line, signalTotal.FindStringSubmatch(d.lines[s.line-1])[1])
	}
	sums := map[string]int64{}
	rows := 0
	for _, row := range d.rowsOf(hasColumns("Expert", "Score")) {
		rows += r.readContribution(b, d, row, sums)
	}
	if rows > 0 {
		r.checkRoundTotal(b, d, round, sums)
	}
}

// first returns the first number that the expression's group finds.
func (d *document) first(expr *regexp.Regexp) number {
	for i, line := range d.lines {
		if m := expr.FindStringSubmatch(line); m != nil {
			return stated64(d, i+1, m[1])
		}
	}
	return number{}
}

// readContribution reads one row of Expert | Role | Tier | W | C | T | R |
// Score | Key Contribution and returns 1, or 0 for a row that cannot be read.
func (r *reader) readContribution(b *board, d *document, row row, sums map[string]int64) int {
	expert, err := blue.ParseExpertSlug(row.get("Expert"))
	score := stated64(d, row.line, row.get("Score"))
	if err != nil || !score.ok {
		r.note(noteUnplaced, d.path, row.line, "a row without an expert's name or score")
		return 0
	}
	b.scores[expert] = score.n
	if role := row.get("Role"); role != "" && r.boardRoles[expert.Key()] == "" {
		r.boardRoles[expert.Key()] = role
	}
	if text := row.get("Key Contribution"); text != "" {
		b.contributions = append(b.contributions, contribution{row.line, expert, text})
	}
	parts, all := int64(0), true
	for _, name := range []string{"W", "C", "T", "R"} {
		part := stated64(d, row.line, row.get(name))
		sums[name] += part.n
		parts += part.n
		all = all && part.ok
	}
	sums["Score"] += score.n
	if all && parts != score.n {
		r.note(noteContradiction, d.path, row.line, "the score of %s is stated as %d, its parts add up to %d", expert, score.n, parts)
	}
	return 1
}

// checkRoundTotal takes the columns' sums where the judge states no total, and
// compares them where there is one.
func (r *reader) checkRoundTotal(b *board, d *document, round blue.Round, sums map[string]int64) {
	stated := map[string]number{"Score": b.score}
	for i, line := range d.lines {
		for _, m := range partTotal.FindAllStringSubmatch(line, -1) {
			if !stated[m[1]].ok {
				stated[m[1]] = stated64(d, i+1, m[2])
			}
		}
	}
	for name, into := range map[string]*number{"W": &b.wisdom, "C": &b.consistency, "T": &b.truth, "R": &b.relationships, "Score": &b.score} {
		*into = stated[name]
		if !into.ok {
			*into = number{n: sums[name], ok: true, file: d.path}
		}
		if into.n != sums[name] {
			r.note(noteContradiction, d.path, into.line, "%s of round %d is stated as %d, the experts' column adds up to %d", name, round, into.n, sums[name])
		}
	}
}

// trackedTotals is the line "Total ALIGNMENT: 415 (W:135 C:104 T:92 R:84)".
type trackedTotals struct {
	total number
	parts map[string]number
}

var (
	grandTotal = regexp.MustCompile(`Total ALIGNMENT\W*?(\d+)`)
	grandParts = regexp.MustCompile(`\b(W|C|T|R):(\d+)`)
)

func readTotals(d *document) trackedTotals {
	t := trackedTotals{total: d.first(grandTotal), parts: map[string]number{}}
	if !t.total.ok {
		return t
	}
	for _, m := range grandParts.FindAllStringSubmatch(d.lines[t.total.line-1], -1) {
		t.parts[m[1]] = stated64(d, t.total.line, m[2])
	}
	return t
}
