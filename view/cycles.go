package view

import (
	"cmp"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

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
