package view

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// styles maps the types of references to the looks of edges. The type is
// written next to the edge as well, so that nothing depends on colour alone.
var styles = map[blue.RefType]string{
	"support":  `color="darkgreen"`,
	"oppose":   `color="red3", arrowhead="tee"`,
	"refine":   `color="blue3", arrowhead="empty"`,
	"address":  `color="black", style="dashed"`,
	"resolve":  `color="black", style="bold"`,
	"reopen":   `color="red3", style="bold"`,
	"question": `color="orange3", style="dotted"`,
	"depend":   `color="gray40", arrowhead="vee"`,
}

// WriteDOT writes the graph for Graphviz: one cluster per round, a shape per
// kind (blue.Kind.Shape), a style per type of reference. A target that is not in the
// dialogue is drawn dashed. A verdict points at the recommendations it
// adopted. Every id and label is a quoted string. The only errors are
// errors of w.
func (g *Graph) WriteDOT(w io.Writer) error {
	b := bufio.NewWriter(w) // keeps its first error until Flush
	fmt.Fprint(b, "digraph dialogue {\n  rankdir=\"LR\";\n  charset=\"UTF-8\";\n")
	for _, round := range g.rounds() {
		r := round[0].Round
		fmt.Fprintf(b, "  subgraph \"cluster_round_%02d\" {\n    label=\"Round %d\";\n", r, r)
		for _, n := range round {
			label := dotQuote(n.ID.String() + " " + string(n.Status) + "\n" + n.Label)
			fmt.Fprintf(b, "    %s [shape=\"%s\", label=%s];\n", dotID(n.ID), n.Kind.Shape(), label)
		}
		fmt.Fprint(b, "  }\n")
	}
	missing := ids{}
	for _, e := range g.Dangling {
		missing.add(e.Target)
	}
	for _, id := range missing.sorted() {
		label := dotQuote(id.String() + "\nnot in the dialogue")
		fmt.Fprintf(b, "  %s [shape=\"%s\", style=\"dashed\", label=%s];\n", dotID(id), id.Kind.Shape(), label)
	}
	for _, v := range g.verdicts {
		name := dotQuote("verdict:" + string(v.ID)) // a caller can name a verdict P0001
		label := dotQuote(fmt.Sprintf("%s\n%s, round %d", v.ID, v.Type, v.Round))
		fmt.Fprintf(b, "  %s [shape=\"doubleoctagon\", label=%s];\n", name, label)
		for _, id := range g.adopted[v.ID] {
			fmt.Fprintf(b, "  %s -> %s [label=\"adopt\", style=\"bold\"];\n", name, dotID(id))
		}
	}
	for _, e := range g.Edges {
		style, ok := styles[e.Type]
		if ok {
			style = ", " + style
		}
		fmt.Fprintf(b, "  %s -> %s [label=%s%s];\n", dotID(e.Source), dotID(e.Target), dotQuote(string(e.Type)), style)
	}
	fmt.Fprint(b, "}\n")
	return b.Flush()
}

func dotID(id blue.EntityID) string { return dotQuote(id.String()) }

// dotEscapes undoes what Graphviz does with a quoted label: its lexer takes
// \" for a quote, escString takes \n, \N, \G and the like, and labels resolve
// HTML entities even when they are not HTML (graphviz.org/doc/info/lang.html,
// graphviz.org/docs/attr-types/escString).
var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "&", "&amp;")

// dotQuote returns the text as a quoted string of the DOT language. Line
// breaks are kept. In each line printable replaces the harmful characters.
func dotQuote(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return `"` + dotEscapes.Replace(strings.Join(lines, "\n")) + `"`
}
