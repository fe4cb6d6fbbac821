package view

import (
	"cmp"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// Graph is the argument of one dialogue (the DialogueGraph of RFC 0058,
// Amendment 3, "Graph assembly layer"): the numbered entities are its nodes,
// their references its edges. It is read only, so any number of goroutines may use
// it. It shares texts with the snapshot, which must not change afterwards.
//
// Every list is in node order: kinds in
// batch order (perspective, tension, recommendation, evidence, claim), then
// round, then seq.
type Graph struct {
	Nodes []Node
	// Edges holds each (source, type, target) once, by source and then as the
	// source lists them.
	Edges []Edge
	// Dangling are the edges whose target is not in the dialogue. A store
	// accepts them (Blue, SPEC §6).
	Dangling []Edge
	// Cycles are the strongly connected components of more than one node, and
	// the nodes that refer to themselves. All reference types count.
	Cycles [][]blue.EntityID

	place    map[blue.EntityID]int // index into Nodes
	out, in  map[blue.EntityID][]Edge
	adopted  map[blue.VerdictID][]blue.EntityID
	history  map[blue.EntityID][]*blue.Event // of tensions, oldest first
	verdicts []*blue.Verdict                 // by round, creation, id
}

// Node is a numbered entity. Its kind and round stand in the id.
type Node struct {
	ID        blue.EntityID
	Label     string
	Status    blue.Status
	CreatedAt time.Time
}

// Edge is a reference: Source says Type about Target.
type Edge struct {
	Source blue.EntityID `json:"source"`
	Target blue.EntityID `json:"target"`
	Type   blue.RefType  `json:"type"`
}

// NewGraph assembles the graph in time linear in the snapshot, sorting aside.
func NewGraph(s *blue.Snapshot) *Graph {
	g := &Graph{
		place:   make(map[blue.EntityID]int),
		out:     make(map[blue.EntityID][]Edge),
		in:      make(map[blue.EntityID][]Edge),
		adopted: make(map[blue.VerdictID][]blue.EntityID),
		history: make(map[blue.EntityID][]*blue.Event),
	}
	entities := s.Contributed()
	slices.SortStableFunc(entities, func(a, b blue.Contributed) int {
		return a.Common().ID.Compare(b.Common().ID)
	})
	for i, e := range entities {
		c := e.Common()
		g.Nodes = append(g.Nodes, Node{c.ID, c.Label, e.Common().Status, c.CreatedAt})
		g.place[c.ID] = i
	}
	for _, e := range entities {
		g.addEdges(e.Common())
	}
	g.Cycles = g.findCycles()
	g.addDecisions(s)
	return g
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

// addDecisions notes the verdicts, what each adopted and what the tensions
// went through.
func (g *Graph) addDecisions(s *blue.Snapshot) {
	g.verdicts = slices.Clone(s.Verdicts)
	slices.SortStableFunc(g.verdicts, func(a, b *blue.Verdict) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range s.Recommendations() {
		if r.AdoptedInVerdict != "" {
			g.adopted[r.AdoptedInVerdict] = append(g.adopted[r.AdoptedInVerdict], r.ID)
		}
	}
	for _, ids := range g.adopted {
		slices.SortFunc(ids, blue.EntityID.Compare)
	}
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
}

// Node returns the node with the id.
func (g *Graph) Node(id blue.EntityID) (Node, bool) {
	i, ok := g.place[id]
	if !ok {
		return Node{}, false
	}
	return g.Nodes[i], true
}

// Out returns the edges that leave the id, as their source lists them.
func (g *Graph) Out(id blue.EntityID) []Edge { return slices.Clone(g.out[id]) }

// In returns the edges that arrive at the id, by source. An id that is not in
// the dialogue has some when a reference dangles.
func (g *Graph) In(id blue.EntityID) []Edge { return slices.Clone(g.in[id]) }

// ids is a set of display ids.
type ids map[blue.EntityID]bool

func idSet(list []blue.EntityID) ids {
	set := make(ids, len(list))
	set.add(list)
	return set
}

func (s ids) add(list []blue.EntityID) {
	for _, id := range list {
		s[id] = true
	}
}

// sorted returns the members in node order; nil when there are none.
func (s ids) sorted() []blue.EntityID {
	if len(s) == 0 {
		return nil
	}
	list := make([]blue.EntityID, 0, len(s))
	for id := range s {
		list = append(list, id)
	}
	slices.SortFunc(list, blue.EntityID.Compare)
	return list
}
