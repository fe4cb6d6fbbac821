package view

import (
	"cmp"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// findCycles is Tarjan's algorithm (SIAM J. Comput. 1, 1972) with a stack of
// its own: a chain of references may be as long as the dialogue, and every
// frame of a recursion would stand on the goroutine's stack. Time and space
// are linear in nodes and edges.
func (g *Graph) findCycles() [][]blue.EntityID {
	search := tarjan{
		next:  g.successors(),
		index: make([]int, len(g.Nodes)),
		low:   make([]int, len(g.Nodes)),
		held:  make([]bool, len(g.Nodes)),
	}
	for n := range g.Nodes {
		if search.index[n] == 0 {
			search.from(n)
		}
	}
	slices.SortFunc(search.found, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	var cycles [][]blue.EntityID
	for _, component := range search.found {
		ids := make([]blue.EntityID, len(component))
		for i, n := range component {
			ids[i] = g.Nodes[n].ID
		}
		cycles = append(cycles, ids)
	}
	return cycles
}

// successors returns, per node, where its edges lead; dangling ones are left out.
func (g *Graph) successors() [][]int {
	next := make([][]int, len(g.Nodes))
	for _, e := range g.Edges {
		if to, ok := g.place[e.Target]; ok {
			from := g.place[e.Source]
			next[from] = append(next[from], to)
		}
	}
	return next
}

// tarjan holds one search; nodes are numbers from 0.
type tarjan struct {
	next       [][]int
	index, low []int  // order of discovery from 1 (0: not yet seen), and the least reachable
	held       []bool // on the component stack
	stack      []int
	count      int
	found      [][]int // components with a cycle, each ascending
}

// frame is one node under visit and its next successor to look at.
type frame struct{ node, at int }

func (t *tarjan) from(root int) {
	path := []frame{t.enter(root)}
	for len(path) > 0 {
		top := &path[len(path)-1]
		n := top.node
		if top.at < len(t.next[n]) {
			to := t.next[n][top.at]
			top.at++
			switch {
			case t.index[to] == 0:
				path = append(path, t.enter(to))
			case t.held[to]:
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

// leave takes the component whose root is n off the stack.
func (t *tarjan) leave(n int) {
	cut := len(t.stack) - 1
	for t.stack[cut] != n { // from the top: each node is passed once
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
