package view

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

// A Graph is the argument of one dialogue (the DialogueGraph of RFC 0058,
// Amendment 3): the numbered entities are its nodes, their references its
// edges. It shares texts with the snapshot, which must not change afterwards.
// Its methods may be called concurrently.
//
// Every list is in node order: kinds in batch order, then round, then seq. No
// list is nil.
type Graph struct {
	Nodes []Node
	// Edges holds each (source, type, target) once, by source and then in the
	// order of the source.
	Edges []Edge
	// Dangling holds the edges whose target is not in the dialogue. A store
	// accepts them (Blue, SPEC §6).
	Dangling []Edge
	// Cycles holds the strongly connected components of more than one node, and
	// the nodes that refer to themselves. All types of references count.
	Cycles [][]blue.EntityID

	place    map[blue.EntityID]int // index into Nodes
	out, in  map[blue.EntityID][]Edge
	adopted  map[blue.VerdictID][]blue.EntityID
	history  map[blue.EntityID][]*blue.Event // of tensions, oldest first
	verdicts []*blue.Verdict                 // by round, creation, id
}

// A Node is a numbered entity.
type Node struct {
	ID        blue.EntityID `json:"id"`
	Kind      blue.Kind     `json:"kind"`
	Label     string        `json:"label"`
	Round     blue.Round    `json:"round"`
	Status    blue.Status   `json:"status"`
	CreatedAt time.Time     `json:"-"`
}

// An Edge is a reference of type Type from Source to Target.
type Edge struct {
	Source blue.EntityID `json:"source"`
	Target blue.EntityID `json:"target"`
	Type   blue.RefType  `json:"type"`
}

// NewGraph returns the graph of a dialogue. Its time is linear in the snapshot,
// apart from sorting.
func NewGraph(s *blue.Snapshot) *Graph {
	g := &Graph{
		Nodes: []Node{}, Edges: []Edge{}, Dangling: []Edge{},
		place:   map[blue.EntityID]int{},
		out:     map[blue.EntityID][]Edge{},
		in:      map[blue.EntityID][]Edge{},
		adopted: map[blue.VerdictID][]blue.EntityID{},
		history: map[blue.EntityID][]*blue.Event{},
	}
	entities := s.Contributed()
	slices.SortStableFunc(entities, func(a, b blue.Contributed) int { return a.Common().ID.Compare(b.Common().ID) })
	for i, e := range entities {
		c := e.Common()
		g.Nodes = append(g.Nodes, Node{c.ID, c.ID.Kind, c.Label, c.ID.Round, c.Status, c.CreatedAt})
		g.place[c.ID] = i
		if r, ok := e.(*blue.Recommendation); ok && r.AdoptedInVerdict != "" {
			g.adopted[r.AdoptedInVerdict] = append(g.adopted[r.AdoptedInVerdict], r.ID)
		}
	}
	for _, e := range entities {
		g.addEdges(e.Common())
	}
	g.Cycles = g.findCycles()
	for _, e := range s.Events {
		if e.Of.Kind == blue.KindTension {
			g.history[e.Of] = append(g.history[e.Of], e)
		}
	}
	for _, events := range g.history {
		slices.SortStableFunc(events, func(a, b *blue.Event) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Stamp, b.Stamp))
		})
	}
	g.verdicts = sortedVerdicts(s)
	return g
}

// sortedVerdicts returns the verdicts by round, creation and id.
func sortedVerdicts(s *blue.Snapshot) []*blue.Verdict {
	return slices.SortedStableFunc(slices.Values(s.Verdicts), func(a, b *blue.Verdict) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

func (g *Graph) addEdges(c *blue.Contribution) {
	seen := make(map[blue.Reference]bool, len(c.References))
	for _, r := range c.References {
		if seen[r] {
			continue
		}
		seen[r] = true
		e := Edge{Source: c.ID, Target: r.Target, Type: r.Type}
		g.Edges = append(g.Edges, e)
		g.out[e.Source] = append(g.out[e.Source], e)
		g.in[e.Target] = append(g.in[e.Target], e)
		if _, ok := g.place[e.Target]; !ok {
			g.Dangling = append(g.Dangling, e)
		}
	}
}

// Node returns the node with the id.
func (g *Graph) Node(id blue.EntityID) (Node, bool) {
	i, ok := g.place[id]
	if !ok {
		return Node{}, false
	}
	return g.Nodes[i], true
}

// Out returns the edges that leave the id, in the order of their source.
func (g *Graph) Out(id blue.EntityID) []Edge { return slices.Clone(g.out[id]) }

// In returns the edges that arrive at the id, by source. An id that is not in
// the dialogue has edges if a reference dangles.
func (g *Graph) In(id blue.EntityID) []Edge { return slices.Clone(g.in[id]) }

// ids is a set of display ids.
type ids map[blue.EntityID]bool

func (s ids) add(list ...blue.EntityID) {
	for _, id := range list {
		s[id] = true
	}
}

// sorted returns the members in node order. The list is not nil.
func (s ids) sorted() []blue.EntityID {
	list := make([]blue.EntityID, 0, len(s))
	for id := range s {
		list = append(list, id)
	}
	slices.SortFunc(list, blue.EntityID.Compare)
	return list
}

// WriteJSON writes the graph as one JSON object and a line feed:
//
//	{"cycles":[[id…]…], "dangling":[edge…], "edges":[{"source","target","type"}…],
//	 "nodes":[{"id","kind","label","round","status"}…],
//	 "schema":"blue-store/graph@1", "verdicts":[Provenance…]}
//
// The indent is two spaces, members are sorted by name, and '<', '>' and '&'
// are not escaped. An empty list is [], never null. The only errors are
// errors of w.
func (g *Graph) WriteJSON(w io.Writer) error {
	verdicts := make([]*Provenance, len(g.verdicts))
	for i, v := range g.verdicts {
		verdicts[i] = g.provenance(v)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(struct { // encoding/json keeps the order of the fields
		Cycles   [][]blue.EntityID `json:"cycles"`
		Dangling []Edge            `json:"dangling"`
		Edges    []Edge            `json:"edges"`
		Nodes    []Node            `json:"nodes"`
		Schema   string            `json:"schema"`
		Verdicts []*Provenance     `json:"verdicts"`
	}{g.Cycles, g.Dangling, g.Edges, g.Nodes, "blue-store/graph@1", verdicts})
}

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
		lines[i] = display.OneLine(l)
	}
	return `"` + dotEscapes.Replace(strings.Join(lines, "\n")) + `"`
}

// findCycles returns the cycles of the graph (Graph.Cycles) by Tarjan's
// algorithm (SIAM J. Comput. 1, 1972). The algorithm keeps its path in a
// slice, because a chain of references can be as long as the dialogue and a
// recursion would need as many stack frames. Time and space are linear in
// nodes and edges.
func (g *Graph) findCycles() [][]blue.EntityID {
	search := tarjan{
		next:  make([][]int, len(g.Nodes)),
		index: make([]int, len(g.Nodes)),
		low:   make([]int, len(g.Nodes)),
		held:  make([]bool, len(g.Nodes)),
	}
	for _, e := range g.Edges {
		if to, ok := g.place[e.Target]; ok {
			from := g.place[e.Source]
			search.next[from] = append(search.next[from], to)
		}
	}
	for n := range g.Nodes {
		if search.index[n] == 0 {
			search.from(n)
		}
	}
	slices.SortFunc(search.found, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	cycles := make([][]blue.EntityID, len(search.found))
	for i, component := range search.found {
		for _, n := range component {
			cycles[i] = append(cycles[i], g.Nodes[n].ID)
		}
	}
	return cycles
}

// A tarjan is one search. Nodes are numbers from 0.
type tarjan struct {
	next       [][]int // the successors of each node
	index, low []int   // order of discovery from 1 (0: not found yet), and the least one reachable
	held       []bool  // on the component stack
	stack      []int
	count      int
	found      [][]int // components with a cycle, each ascending
}

// A frame is one node of the path, and its next successor to visit.
type frame struct{ node, at int }

// from searches all nodes that can be reached from a root.
func (t *tarjan) from(root int) {
	path := []frame{t.enter(root)}
	for len(path) > 0 {
		top := &path[len(path)-1]
		n := top.node
		if top.at < len(t.next[n]) {
			to := t.next[n][top.at]
			top.at++
			if t.index[to] == 0 {
				path = append(path, t.enter(to))
			} else if t.held[to] {
				t.low[n] = min(t.low[n], t.index[to])
			}
			continue
		}
		path = path[:len(path)-1]
		if len(path) > 0 {
			above := path[len(path)-1].node
			t.low[above] = min(t.low[above], t.low[n])
		}
		if t.low[n] == t.index[n] {
			t.leave(n)
		}
	}
}

func (t *tarjan) enter(n int) frame {
	t.count++
	t.index[n], t.low[n], t.held[n] = t.count, t.count, true
	t.stack = append(t.stack, n)
	return frame{node: n}
}

// leave removes the component with the root n from the stack.
func (t *tarjan) leave(n int) {
	cut := len(t.stack) - 1
	for t.stack[cut] != n { // from the top, so that each node is passed once
		cut--
	}
	component := slices.Clone(t.stack[cut:])
	t.stack = t.stack[:cut]
	for _, m := range component {
		t.held[m] = false
	}
	if len(component) > 1 || slices.Contains(t.next[n], n) {
		slices.Sort(component)
		t.found = append(t.found, component)
	}
}
