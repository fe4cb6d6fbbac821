package importer

import (
	"regexp"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// block is one marker of an expert's file with the text below it.
type block struct {
	line int
	word string // PERSPECTIVE, RESOLVED, MOVE, …
	sub  string // CONVERGE of [MOVE:CONVERGE]
	seq  int    // the number of P01; 0 where there is none
	id   string // the name as written: "P01", "P0001"
	rest string // all after the word: "T01: Graph assembly location"
	text string // label's text, blanks around it removed
	refs []typedRef
}

// typedRef is a [RE:TYPE name] line.
type typedRef struct {
	line   int
	kind   string // lower case
	target string
}

// The words of markers. What a word is not among these is unplaced.
var entityWords = func() map[string]blue.Kind {
	words := map[string]blue.Kind{"REFINEMENT": blue.KindClaim, "CONCESSION": blue.KindClaim, "RESOLVED": blue.KindClaim}
	for _, kind := range blue.NumberedKinds() {
		words[strings.ToUpper(kind.Word())] = kind
	}
	return words
}()

var (
	markerStart = regexp.MustCompile(`^[#>*\- ]*\[([A-Z]{3,})(?:(:)([A-Z][A-Z-]*))?(?:[\s:]|\]|$)`)
	entityName  = regexp.MustCompile(`^(` + letters + `)(\d{4}|\d{2})\s*(?::\s*(.*)|$)`)
	refMarker   = regexp.MustCompile(`\[RE:([A-Z]+)\s+([^\]]+)\]`)
)

// readMarkers cuts an expert's file. Strays are the lines that say something
// and belong to no marker: text before the first one, and lines that look like
// a marker and are none (those stay in the text above them as well).
func readMarkers(d *document) (blocks []block, strays []numbered) {
	var text []string
	finish := func() {
		if n := len(blocks); n > 0 {
			blocks[n-1].text = trimText(text)
		}
		text = nil
	}
	for i, line := range d.lines {
		if refs := readRefs(line, i+1); len(refs) > 0 && len(blocks) > 0 {
			last := &blocks[len(blocks)-1]
			last.refs = append(last.refs, refs...)
			continue
		}
		b, after, what := readMarker(line, i+1)
		switch {
		case what == aMarker:
			finish()
			blocks = append(blocks, b)
			text = append(text, after)
		case what == almost, len(blocks) == 0 && !emptyLine(line):
			strays = append(strays, numbered{i + 1, line})
			fallthrough
		default:
			text = append(text, line)
		}
	}
	finish()
	return blocks, strays
}

// What a line is: a marker, something that looks like one, or text.
const (
	aText = iota
	almost
	aMarker
)

// readMarker reads one line as a marker and returns the text behind it.
func readMarker(line string, n int) (b block, after string, what int) {
	line = strings.TrimSpace(line)
	m := markerStart.FindStringSubmatch(line)
	if m == nil {
		return b, "", aText
	}
	open := strings.IndexByte(line, '[')
	end := closingBracket(line[open:])
	_, known := entityWords[m[1]]
	known = known || m[1] == "MOVE" && m[3] != ""
	switch {
	case !known && end < 0, !known && open+end+1 < len(line):
		return b, "", aText // prose that begins with a bracket, or a link
	case !known, end < 0:
		return b, "", almost
	}
	inside := line[open+1 : open+end]
	b = block{line: n, word: m[1], rest: inside[len(m[1]):]}
	if b.word == "MOVE" {
		b.sub = m[3]
		b.rest = b.rest[len(":")+len(m[3]):]
	}
	b.rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(b.rest), ":"))
	if m := entityName.FindStringSubmatch(b.rest); m != nil {
		b.id = m[1] + m[2]
		b.seq, _ = parseStatedInt(m[2][len(m[2])-2:])
	}
	return b, strings.TrimLeft(line[open+end+1:], "* "), aMarker
}

// closingBracket returns the index of the bracket that closes the one at 0, or -1.
func closingBracket(s string) int {
	depth := 0
	for i, r := range s {
		switch r {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// readRefs reads a line of nothing but typed references.
func readRefs(line string, n int) []typedRef {
	if strings.TrimSpace(refMarker.ReplaceAllString(line, "")) != "" {
		return nil
	}
	var refs []typedRef
	for _, m := range refMarker.FindAllStringSubmatch(line, -1) {
		for target := range strings.SplitSeq(m[2], ",") {
			refs = append(refs, typedRef{n, strings.ToLower(m[1]), strings.TrimSpace(target)})
		}
	}
	return refs
}

// statement reports whether the marker is about something said before: a
// number in it is that thing's, not its own.
func (b block) statement() bool {
	return b.word == "REFINEMENT" || b.word == "CONCESSION" || b.word == "RESOLVED"
}

// numbered reports whether the marker gives its entity a number.
func (b block) numbered() bool { return b.seq > 0 && b.word != "MOVE" && !b.statement() }

// label returns the label of an entity's marker without its number.
func (b block) label() string {
	if m := entityName.FindStringSubmatch(b.rest); m != nil && !b.statement() {
		return m[3]
	}
	return b.rest
}

// emptyLine reports whether a line carries no text of its own.
func emptyLine(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.Trim(line, "-*_ ") == "" || headingLevel(line) > 0
}

// trimText joins the lines without blanks and rules around them.
func trimText(lines []string) string {
	rule := func(s string) bool { s = strings.TrimSpace(s); return strings.Trim(s, "-*_ ") == "" }
	for len(lines) > 0 && rule(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && rule(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// parseStatedInt reads up to nine ASCII digits.
func parseStatedInt(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && len(s) <= 9
}
