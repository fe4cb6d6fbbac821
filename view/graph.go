package view

import (
	"cmp"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
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
