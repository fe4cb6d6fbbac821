package importer

import (
	"regexp"
	"slices"
	"strings"
)

// document is one Markdown file, cut into what the judge's files are made of.
type document struct {
	path     string
	text     string // as found, but UTF-8, with \n line ends and without a byte order mark
	lines    []string
	sections []section
	tables   []table
}

// section is a heading and the lines up to the next heading of any level.
type section struct {
	line    int // from 1; of the heading
	level   int // 1 to 6
	heading string
	body    []string
}

// table is a pipe table or one drawn with box characters.
type table struct {
	line    int
	heading string // the nearest heading above
	cols    []string
	rows    []row
}

type row struct {
	line  int
	cells []string
	table *table
}

func newDocument(path, text string) *document {
	d := &document{path: path, text: text, lines: strings.Split(text, "\n")}
	fenced := false
	for i, text := range d.lines {
		line := strings.TrimSpace(text)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if level := headingLevel(line); level > 0 && !fenced {
			d.sections = append(d.sections, section{line: i + 1, level: level, heading: plainMarkdown(line[level:])})
			continue
		}
		if n := len(d.sections); n > 0 {
			d.sections[n-1].body = append(d.sections[n-1].body, text)
		}
	}
	d.readTables()
	return d
}

// headingLevel returns 1 to 6 for "# …" to "###### …", else 0.
func headingLevel(line string) int {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	if level < 1 || level > 6 || !strings.HasPrefix(line[level:], " ") {
		return 0
	}
	return level
}

// readTables finds the tables. A pipe table's second row is its rule; in a
// drawn table each row ends with a rule, and a row without one continues.
func (d *document) readTables() {
	s := 0
	heading := func(line int) string {
		for s < len(d.sections) && d.sections[s].line <= line {
			s++
		}
		if s == 0 {
			return ""
		}
		return d.sections[s-1].heading
	}
	for i := 0; i < len(d.lines); i++ {
		switch line := strings.TrimSpace(d.lines[i]); {
		case strings.HasPrefix(line, "|") && i+1 < len(d.lines) && pipeRule(d.lines[i+1]):
			t := table{line: i + 1, heading: heading(i + 1), cols: pipeCells(line)}
			for i += 2; i < len(d.lines) && strings.HasPrefix(strings.TrimSpace(d.lines[i]), "|"); i++ {
				t.rows = append(t.rows, row{line: i + 1, cells: pipeCells(d.lines[i])})
			}
			i--
			d.tables = append(d.tables, t)
		case strings.HasPrefix(line, "┌"):
			t := table{line: i + 1, heading: heading(i + 1)}
			rows, next := drawnRows(d.lines, i+1)
			if len(rows) > 0 {
				t.cols, t.rows = rows[0].cells, rows[1:]
				d.tables = append(d.tables, t)
			}
			i = next
		}
	}
}

// pipeRule reports whether the line is |---|:--:|.
func pipeRule(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "|") && strings.Contains(line, "-") && strings.Trim(line, "|-: \t") == ""
}

// pipeCells splits | a | b \| c |.
func pipeCells(line string) []string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "|")
	var cells []string
	start := 0
	for i := 0; i < len(line); i++ {
		if line[i] == '|' && (i == 0 || line[i-1] != '\\') {
			cells = append(cells, tableCell(line[start:i]))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(line[start:]); rest != "" {
		cells = append(cells, tableCell(rest))
	}
	return cells
}

func tableCell(s string) string { return plainMarkdown(strings.ReplaceAll(s, `\|`, "|")) }

// drawnRows reads the rows of a drawn table up to its lower edge and returns
// the index of its last line.
func drawnRows(lines []string, i int) ([]row, int) {
	var rows []row
	open := false
	for ; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case strings.HasPrefix(line, "│"):
			cells := strings.Split(strings.Trim(line, "│"), "│")
			for j := range cells {
				cells[j] = plainMarkdown(cells[j])
			}
			// The cells continue the row above if the first one is empty, as in a text
			// too long for its column.
			if open && len(cells) > 1 && cells[0] == "" {
				above := rows[len(rows)-1].cells
				for j := range min(len(above), len(cells)) {
					above[j] = strings.TrimSpace(above[j] + " " + cells[j])
				}
				continue
			}
			rows, open = append(rows, row{line: i + 1, cells: cells}), true
		case strings.HasPrefix(line, "├"):
			open = false
		default:
			return rows, i
		}
	}
	return rows, i - 1
}

// plainMarkdown strips blanks and emphasis around a text.
func plainMarkdown(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "**") && strings.HasSuffix(s, "**") && len(s) >= 4 && !strings.Contains(s[2:len(s)-2], "**") {
		s = strings.TrimSpace(s[2 : len(s)-2])
	}
	return s
}

// rowsOf returns the rows of the tables that match. A nil document has none.
func (d *document) rowsOf(matches func(table) bool) []row {
	if d == nil {
		return nil
	}
	var rows []row
	for _, t := range d.tables {
		if matches(t) {
			for _, row := range t.rows {
				row.table = &t
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// hasColumns matches the tables that have all of the columns.
func hasColumns(names ...string) func(table) bool {
	return func(t table) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return t.col(name) < 0 })
	}
}

// listsResolved matches the tables of a verdict that list resolved tensions.
func listsResolved(t table) bool {
	return t.col("ID") >= 0 && holdsWord(t.heading, []string{"resolved tension"})
}

// col returns the index of the first column with one of the names, or -1.
func (t table) col(names ...string) int {
	for _, name := range names {
		if i := slices.IndexFunc(t.cols, func(column string) bool { return strings.EqualFold(column, name) }); i >= 0 {
			return i
		}
	}
	return -1
}

// cell returns a row's cell, "" where the row is short or the column absent.
func (r row) cell(i int) string {
	if i < 0 || i >= len(r.cells) {
		return ""
	}
	return r.cells[i]
}

// get returns the row's cell in the first column with one of the names. The
// row is one of rowsOf.
func (r row) get(names ...string) string { return r.cell(r.table.col(names...)) }

// under returns the lines of the sections whose heading holds one of the
// words, with everything below them that has a deeper heading.
func (d *document) under(words ...string) []numbered {
	var lines []numbered
	depth := 0
	for _, s := range d.sections {
		if depth > 0 && s.level > depth {
			lines = append(lines, numbered{s.line, strings.Repeat("#", s.level) + " " + s.heading})
		} else if depth = 0; holdsWord(s.heading, words) {
			depth = s.level
		}
		if depth > 0 {
			for i, text := range s.body {
				lines = append(lines, numbered{s.line + 1 + i, text})
			}
		}
	}
	return lines
}

// numbered is a line of a file, from 1.
type numbered struct {
	line int
	text string
}

func holdsWord(heading string, words []string) bool {
	lower := strings.ToLower(heading)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(lower, word) })
}

var listMark = regexp.MustCompile(`^(?:[-*]|[0-9]+\.) `)

// listItem returns the text of "- a", "* a" or "1. a".
func listItem(line string) (string, bool) {
	line = strings.TrimSpace(line)
	mark := listMark.FindString(line)
	return strings.TrimSpace(line[len(mark):]), mark != ""
}

// title returns the text of the first heading.
func (d *document) title() string {
	if d == nil || len(d.sections) == 0 {
		return ""
	}
	return d.sections[0].heading
}
