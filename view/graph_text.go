package view

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

// WriteText writes the graph as an outline: the nodes by round with their
// outgoing edges, then the dangling references, the cycles, and each verdict
// with what it rests on. An empty section is left out. A label is cut to
// labelWidth characters; 0 means no limit.
//
//	round 0
//	  T0002 tension reopened  Second
//	    → question P0001
//
// No text of the dialogue reaches the writer with a control character or an
// escape sequence. The only errors are errors of w.
func (g *Graph) WriteText(w io.Writer, labelWidth int) error {
	o := &outline{g: g, w: bufio.NewWriter(w), width: labelWidth}
	for _, round := range g.rounds() {
		o.line(0, "round %d", round[0].Round)
		for _, n := range round {
			o.line(1, "%s %s %s  %s", n.ID, n.Kind, display.OneLine(string(n.Status)), o.label(n))
			for _, e := range g.out[n.ID] {
				target := e.Target.String()
				if _, ok := g.place[e.Target]; !ok {
					target += " (not in the dialogue)"
				}
				o.line(2, "→ %s %s", display.OneLine(string(e.Type)), target)
			}
		}
	}
	if len(g.Dangling) > 0 {
		o.line(0, "dangling references")
	}
	for _, e := range g.Dangling {
		o.line(1, "%s → %s %s", e.Source, display.OneLine(string(e.Type)), e.Target)
	}
	if len(g.Cycles) > 0 {
		o.line(0, "cycles")
	}
	for _, c := range g.Cycles {
		o.line(1, "%s", display.Join(c, " "))
	}
	if len(g.verdicts) > 0 {
		o.line(0, "verdicts")
	}
	for _, v := range g.verdicts {
		o.line(1, "%s %s, round %d", display.OneLine(string(v.ID)), display.OneLine(string(v.Type)), v.Round)
		o.provenance(g.provenance(v))
	}
	return o.w.Flush()
}

// An outline writes lines.
type outline struct {
	g     *Graph
	w     *bufio.Writer // keeps its first error until Flush
	width int
}

func (o *outline) line(indent int, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	fmt.Fprintf(o.w, "%s%s\n", strings.Repeat("  ", indent), text)
}

func (o *outline) label(n Node) string { return display.Shorten(display.OneLine(n.Label), o.width) }

// title returns a node's id, status and label on one line.
func (o *outline) title(id blue.EntityID) string {
	n, _ := o.g.Node(id)
	return fmt.Sprintf("%s %s  %s", id, display.OneLine(string(n.Status)), o.label(n))
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
		o.line(indent, "%s %s", word, display.Join(ids, " "))
	}
}

// rounds returns the nodes in groups of one round, ascending, each group in
// node order.
func (g *Graph) rounds() [][]Node {
	nodes := slices.SortedStableFunc(slices.Values(g.Nodes), func(a, b Node) int { return int(a.Round) - int(b.Round) })
	var groups [][]Node
	for i, n := range nodes {
		if i == 0 || n.Round != nodes[i-1].Round {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], n)
	}
	return groups
}
