package view

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// styles is an edge's look by type; the type is written beside it as well, so
// nothing depends on colour alone.
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
// kind, a style per reference type; targets that are not in the dialogue are
// drawn dashed, verdicts point at the recommendations they adopted. Every id
// and label is a quoted string. The only errors are the writer's.
func (g *Graph) WriteDOT(w io.Writer) error {
	b := bufio.NewWriter(w) // keeps its first error until Flush
	fmt.Fprint(b, "digraph dialogue {\n  rankdir=\"LR\";\n  charset=\"UTF-8\";\n")
	for _, round := range g.byRound() {
		g.dotRound(b, round)
	}
	g.dotMissing(b)
	g.dotVerdicts(b)
	for _, e := range g.Edges {
		fmt.Fprintf(b, "  %s -> %s [%s];\n", dotID(e.Source), dotID(e.Target), dotEdge(e.Type))
	}
	fmt.Fprint(b, "}\n")
	return b.Flush()
}

func (g *Graph) dotRound(b *bufio.Writer, round []Node) {
	r := round[0].ID.Round
	fmt.Fprintf(b, "  subgraph \"cluster_round_%02d\" {\n    label=\"Round %d\";\n", r, r)
	for _, n := range round {
		label := dotQuote(n.ID.String() + " " + string(n.Status) + "\n" + n.Label)
		fmt.Fprintf(b, "    %s [shape=\"%s\", label=%s];\n", dotID(n.ID), n.ID.Kind.Shape(), label)
	}
	fmt.Fprint(b, "  }\n")
}

func (g *Graph) dotMissing(b *bufio.Writer) {
	missing := idSet(nil)
	for _, e := range g.Dangling {
		missing[e.Target] = true
	}
	for _, id := range missing.sorted() {
		label := dotQuote(id.String() + "\nnot in the dialogue")
		fmt.Fprintf(b, "  %s [shape=\"%s\", style=\"dashed\", label=%s];\n", dotID(id), id.Kind.Shape(), label)
	}
}

// dotVerdicts draws verdicts under names of their own, since a caller may
// call a verdict P0001.
func (g *Graph) dotVerdicts(b *bufio.Writer) {
	for _, v := range g.verdicts {
		name := dotQuote("verdict:" + string(v.ID))
		label := dotQuote(fmt.Sprintf("%s\n%s, round %d", v.ID, v.Type, v.Round))
		fmt.Fprintf(b, "  %s [shape=\"doubleoctagon\", label=%s];\n", name, label)
		for _, id := range g.adopted[v.ID] {
			fmt.Fprintf(b, "  %s -> %s [label=\"adopt\", style=\"bold\"];\n", name, dotID(id))
		}
	}
}

func dotID(id blue.EntityID) string { return dotQuote(id.String()) }

func dotEdge(t blue.RefType) string {
	label := "label=" + dotQuote(string(t))
	if style, ok := styles[t]; ok {
		return label + ", " + style
	}
	return label
}

// dotEscapes undoes what Graphviz does with a quoted label: its lexer takes
// \" for a quote, escString takes \n, \N, \G and the like, and labels resolve
// HTML entities even when they are not HTML (graphviz.org/doc/info/lang.html,
// graphviz.org/docs/attr-types/escString).
var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "&", "&amp;")

// dotQuote returns the text as a quoted string of the DOT language. Lines
// stay lines; what printable replaces is replaced in each.
func dotQuote(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return `"` + dotEscapes.Replace(strings.Join(lines, "\n")) + `"`
}
