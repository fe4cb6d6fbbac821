package view

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// TextOptions change WriteText; nil and the zero value work.
type TextOptions struct {
	// LabelWidth is the greatest length of a label in characters; 0 means whole.
	LabelWidth int
}

// WriteText writes the graph as an outline for people: the nodes by round with
// their out-edges, then what dangles, the cycles, and each verdict with what
// it rests on. Sections without content are left out.
//
//	round 0
//	  T0002 tension reopened  Second
//	    → question P0001
//
// No text of the dialogue reaches the writer with a control character or an
// escape sequence in it. The only errors are the writer's.
func (g *Graph) WriteText(w io.Writer, opts *TextOptions) error {
	if opts == nil {
		opts = &TextOptions{}
	}
	o := &outline{g: g, w: bufio.NewWriter(w), width: opts.LabelWidth}
	o.rounds()
	o.dangling()
	o.cycles()
	o.verdicts()
	return o.w.Flush()
}

type outline struct {
	g     *Graph
	w     *bufio.Writer // keeps its first error until Flush
	width int
}

func (o *outline) line(indent int, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	fmt.Fprintf(o.w, "%s%s\n", strings.Repeat("  ", indent), text)
}

// text is foreign text made fit to print.
func (o *outline) text(s string) string { return shorten(printable(s), o.width) }

// title is a node's id, status and label on one line.
func (o *outline) title(id blue.EntityID) string {
	n, ok := o.g.Node(id)
	if !ok {
		return id.String() + " (not in the dialogue)"
	}
	return fmt.Sprintf("%s %s  %s", id, printable(string(n.Status)), o.text(n.Label))
}

func (o *outline) rounds() {
	for _, round := range o.g.byRound() {
		o.line(0, "round %d", round[0].ID.Round)
		for _, n := range round {
			o.line(1, "%s %s %s  %s", n.ID, n.ID.Kind, printable(string(n.Status)), o.text(n.Label))
			for _, e := range o.g.out[n.ID] {
				o.line(2, "→ %s %s", printable(string(e.Type)), o.target(e))
			}
		}
	}
}

func (o *outline) target(e Edge) string {
	if _, ok := o.g.place[e.Target]; !ok {
		return e.Target.String() + " (not in the dialogue)"
	}
	return e.Target.String()
}

func (o *outline) dangling() {
	if len(o.g.Dangling) == 0 {
		return
	}
	o.line(0, "dangling references")
	for _, e := range o.g.Dangling {
		o.line(1, "%s → %s %s", e.Source, printable(string(e.Type)), e.Target)
	}
}

func (o *outline) cycles() {
	if len(o.g.Cycles) == 0 {
		return
	}
	o.line(0, "cycles")
	for _, c := range o.g.Cycles {
		o.line(1, "%s", join(c))
	}
}

func (o *outline) verdicts() {
	if len(o.g.verdicts) == 0 {
		return
	}
	o.line(0, "verdicts")
	for _, v := range o.g.verdicts {
		o.line(1, "%s %s, round %d", printable(string(v.ID)), printable(string(v.Type)), v.Round)
		o.provenance(o.g.provenance(v))
	}
}

func (o *outline) provenance(p *Provenance) {
	for _, a := range p.Recommendations {
		o.line(2, "adopts %s", o.title(a.ID))
		o.list(3, "answers", a.Tensions)
		o.list(3, "evidence", a.Evidence)
		o.list(3, "claims", a.Claims)
	}
	for _, s := range p.Tensions {
		word := "leaves"
		if s.Resolved {
			word = "settles"
		}
		o.line(2, "%s %s", word, o.title(s.ID))
		o.list(3, "raised by", s.RaisedBy)
		o.list(3, "evidence", s.Evidence)
		o.list(3, "claims", s.Claims)
	}
	o.list(2, "key evidence", p.Evidence)
	o.list(2, "key claims", p.Claims)
}

func (o *outline) list(indent int, word string, ids []blue.EntityID) {
	if len(ids) > 0 {
		o.line(indent, "%s %s", word, join(ids))
	}
}

func join(ids []blue.EntityID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = id.String()
	}
	return strings.Join(words, " ")
}

// byRound returns the nodes in groups of one round, ascending; within a round
// in node order.
func (g *Graph) byRound() [][]Node {
	groups := make(map[blue.Round][]Node)
	var rounds []blue.Round
	for _, n := range g.Nodes {
		if groups[n.ID.Round] == nil {
			rounds = append(rounds, n.ID.Round)
		}
		groups[n.ID.Round] = append(groups[n.ID.Round], n)
	}
	slices.Sort(rounds)
	list := make([][]Node, len(rounds))
	for i, r := range rounds {
		list[i] = groups[r]
	}
	return list
}

// printable makes one line of foreign text that does nothing to a terminal or
// to a drawing: line breaks and tabs become spaces; every other control
// character (C0, DEL, C1, so each way to begin an ANSI escape), each bidi
// control and each broken byte becomes U+FFFD. Joiners stay, emoji need them.
func printable(s string) string { return strings.Map(printableRune, s) }

func printableRune(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
		return utf8.RuneError
	}
	return r // a broken byte arrives here as U+FFFD already
}

// shorten cuts a text to at most the number of characters, the last then being
// an ellipsis; 0 means no limit.
func shorten(s string, most int) string {
	if most <= 0 || utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return string(runes[:most-1]) + "…"
}
