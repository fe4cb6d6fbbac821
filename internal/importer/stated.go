package importer

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// stated is a resolution of a tension as a judge's file states it.
type stated struct {
	file, name string
	line       int
	by         blue.ExpertSlug
}

// readStatuses reads the tables of tensions in a round's scoreboard. A table
// with "Raised By" brings new ones, each under the scoreboard's own number.
func (r *reader) readStatuses(a *assembly) {
	d := r.boards[a.round].doc
	for _, row := range d.rowsOf(hasColumns("ID", "Tension")) {
		r.readTensionRow(a, d, row)
	}
}

func (r *reader) readTensionRow(a *assembly, d *document, row row) {
	name, label := row.get("ID"), row.get("Tension")
	id, known := r.names.find(name, "", a.round)
	if !known && row.table.col("Raised By") < 0 {
		r.note(noteUnplaced, d.path, row.line, "the status of %q, which names no known tension", name)
		return
	}
	if !known && name == "" && label == "" {
		r.note(noteUnplaced, d.path, row.line, "a tension without number and text")
		return
	}
	if !known {
		id = r.raise(a, d, row.line, name, label, row.get("Raised By"))
	}
	if id.Kind != blue.KindTension {
		r.note(noteUnplaced, d.path, row.line, "%q, which is no tension, in a table of tensions", name)
		return
	}
	status := strings.ToUpper(row.get("Status"))
	resolution := row.get("Resolution")
	r.said[id] = status
	switch to := statusWord(status); {
	case to == "":
		r.note(noteUnplaced, d.path, row.line, "%s is %q, which is no status; it stays %s", name, status, r.status[id])
	case to == "open" && known && r.status[id] != "open":
		r.note(noteContradiction, d.path, row.line, "%s is stated as OPEN here and as %s before", name, r.status[id])
	case to != r.status[id]:
		word := strings.ToUpper(status[:1]) + strings.ToLower(status[1:])
		via := r.claim(a, d, row.line, word+": "+r.names.ids[id], cmp.Or(resolution, label), refTo(to, id))
		r.update(a, id, to, blue.Judge, via)
	}
}

// statusWord turns a judge's word into a tension's status; "" if there is none.
// An accepted or conditional tension is answered but not resolved.
func statusWord(word string) blue.Status {
	return map[string]blue.Status{
		"": "open", "OPEN": "open", "RESOLVED": "resolved", "REOPENED": "reopened",
		"ADDRESSED": "addressed", "ACCEPTED": "addressed", "CONDITIONAL": "addressed", "PARTIALLY RESOLVED": "addressed",
	}[word]
}

// refTo is the reference that goes with a change of status.
func refTo(status blue.Status, id blue.EntityID) []blue.RefDraft {
	kinds := map[blue.Status]blue.RefType{"resolved": "resolve", "addressed": "address", "reopened": "reopen"}
	return []blue.RefDraft{{Type: string(kinds[status]), Target: id.String()}}
}

// raise places a tension that stands in a table.
func (r *reader) raise(a *assembly, d *document, line int, name, label, raisedBy string) blue.EntityID {
	var by []blue.ExpertSlug
	for part := range strings.SplitSeq(raisedBy, ",") {
		slug, err := blue.ParseExpertSlug(strings.TrimSpace(part))
		if err != nil {
			r.note(noteUnplaced, d.path, line, "%s is raised by %q, which is no expert's name", name, part)
			continue
		}
		by = append(by, slug)
	}
	if len(by) == 0 {
		by = append(by, blue.Judge)
	}
	id := r.draft(a, blue.KindTension, by, 0, blue.Draft{Label: cmp.Or(label, name), Text: cmp.Or(label, name)}, sourcePlace{d.path, line})
	if m := bareName.FindString(name); m == name && name != "" {
		r.names.board[name] = id
	}
	return id
}

var datedLine = regexp.MustCompile(`^\*\*Resolved in R(\d{1,2})\*\*(?: by (\S+))?`)

// readDated reads "**Resolved in R1** by Macaron: why" below a heading that
// names the tension in the folder's tensions.md.
func (r *reader) readDated() {
	d := r.files["tensions.md"]
	if d == nil {
		return
	}
	for _, s := range d.sections {
		for i, line := range s.body {
			m := datedLine.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil {
				continue
			}
			n, _ := parseStatedInt(m[1])
			by := blue.ExpertSlug(strings.TrimSuffix(strings.Trim(m[2], ":.,"), "'s"))
			if _, err := blue.ParseExpertSlug(string(by)); err != nil {
				by = blue.Judge
			}
			r.later[blue.Round(n)] = append(r.later[blue.Round(n)], stated{file: d.path, line: s.line + 1 + i, name: s.heading, by: by})
		}
	}
}

// applyDated adds the updates that tensions.md dates to this round and no
// marker has made.
func (r *reader) applyDated(a *assembly) {
	for _, s := range r.later[a.round] {
		ids, _ := r.names.qualified(s.name)
		ids = tensionsOnly(ids)
		if len(ids) != 1 {
			r.note(noteUnplaced, s.file, s.line, "%q names no known tension", s.name)
			continue
		}
		if r.experts[s.by.Key()] == nil {
			s.by = blue.Judge
		}
		if r.status[ids[0]] != blue.StatusResolved {
			r.update(a, ids[0], blue.StatusResolved, s.by, "")
		}
	}
	delete(r.later, a.round)
}

// applyFinal reads what tensions.md and the verdict list as resolved and adds
// the updates that are missing to the last round.
func (r *reader) applyFinal(a *assembly) {
	for round, list := range r.later {
		for _, s := range list {
			r.note(noteUnplaced, s.file, s.line, "a resolution in round %d, which has no folder", round)
		}
	}
	if d := r.files["tensions.md"]; d != nil {
		r.applyFinalRows(a, d, hasColumns("ID", "Status"))
		r.checkHeadings(d)
	}
	r.applyFinalRows(a, r.verdictFile(), listsResolved)
}

func (r *reader) applyFinalRows(a *assembly, d *document, matches func(table) bool) {
	for _, row := range d.rowsOf(matches) {
		id, ok := r.names.find(strings.TrimSpace(row.get("ID")), "", a.round)
		if !ok || id.Kind != blue.KindTension {
			r.note(noteUnplaced, d.path, row.line, "%q names no known tension", row.get("ID"))
			continue
		}
		to := blue.StatusResolved
		if i := row.table.col("Status"); i >= 0 {
			to = statusWord(strings.ToUpper(row.cell(i)))
		}
		switch said := r.said[id]; {
		case to == r.status[id]:
		case slices.Contains([]string{"ACCEPTED", "DEFERRED"}, said):
			r.note(noteContradiction, d.path, row.line, "%s is listed as resolved here, the scoreboard says %s; it stays %s", row.get("ID"), said, r.status[id])
		case to == "resolved", to == "addressed":
			r.update(a, id, to, blue.Judge, "")
		default:
			r.note(noteContradiction, d.path, row.line, "%s is stated as %q here and is %s by all other files", row.get("ID"), row.get("Status"), r.status[id])
		}
	}
}

// checkHeadings notes headings of tensions.md that begin with the name of a
// tension that no file raises.
func (r *reader) checkHeadings(d *document) {
	for _, s := range d.sections {
		at := qualifiedName.FindStringIndex(s.heading)
		if _, unknown := r.names.qualified(s.heading); len(unknown) > 0 && at[0] == 0 {
			r.note(noteUnplaced, d.path, s.line, "%q names no known tension", strings.Join(unknown, ", "))
		}
	}
}

// A sourcePlace is the file and line of something in a source.
type sourcePlace struct {
	file string
	line int
}

func (p sourcePlace) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }
