package importer

import (
	"regexp"
	"strconv"

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
	for _, t := range d.tables {
		if t.col("Metric") != 0 {
			continue
		}
		for _, row := range t.rows {
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
