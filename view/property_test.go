package view

import (
	"testing"

	"pgregory.net/rapid"

	blue "github.com/superviber/blue-encrypted-store"
)

// small draws a dialogue of at most eight entities with references among
// them and to others, repeats and self references included.
func small(t *rapid.T) *blue.Snapshot {
	ids := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) blue.EntityID {
		return blue.EntityID{
			Kind:  rapid.SampledFrom(blue.NumberedKinds()).Draw(t, "kind"),
			Round: blue.Round(rapid.IntRange(0, 2).Draw(t, "round")),
			Seq:   blue.Seq(rapid.IntRange(1, 2).Draw(t, "seq")),
		}
	}), 1, 8, rapid.ID[blue.EntityID]).Draw(t, "ids")
	missing := blue.EntityID{Kind: blue.KindTension, Round: 9, Seq: 9}
	s := &blue.Snapshot{}
	for _, id := range ids {
		c := blue.Contribution{ID: id}
		for range rapid.IntRange(0, 3).Draw(t, "references") {
			c.References = append(c.References, blue.Reference{
				Type:   rapid.SampledFrom(blue.RefTypes()).Draw(t, "type"),
				Target: rapid.SampledFrom(append(ids[:len(ids):len(ids)], missing)).Draw(t, "target"),
			})
		}
		e := id.Kind.New()
		*e.Common() = c
		s.Add(e)
	}
	return s
}

// TestEdgesBothWays: every reference of the snapshot is an edge exactly once,
// once out of its source and once into its target, and dangles exactly if its
// target is not there.
func TestEdgesBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := small(t)
		g := NewGraph(s)
		want := make(map[Edge]bool)
		ends := make(map[blue.EntityID]bool)
		for _, r := range s.Refs() {
			want[Edge{r.Source, r.Target, r.Type}] = true
			ends[r.Source], ends[r.Target] = true, true
		}
		count := func(lists ...[]Edge) map[Edge]int {
			n := make(map[Edge]int)
			for _, list := range lists {
				for _, e := range list {
					n[e]++
				}
			}
			return n
		}
		var out, in [][]Edge
		for id := range ends {
			out, in = append(out, g.Out(id)), append(in, g.In(id))
			for _, e := range g.Out(id) {
				if e.Source != id {
					t.Fatalf("%v leaves %v", e, id)
				}
			}
			for _, e := range g.In(id) {
				if e.Target != id {
					t.Fatalf("%v arrives at %v", e, id)
				}
			}
		}
		for name, got := range map[string]map[Edge]int{"edges": count(g.Edges), "out": count(out...), "in": count(in...)} {
			if len(got) != len(want) {
				t.Fatalf("%s: %d of %d edges", name, len(got), len(want))
			}
			for e := range want {
				if got[e] != 1 {
					t.Fatalf("%s: %v occurs %d times", name, e, got[e])
				}
			}
		}
		dangling := count(g.Dangling)
		for e := range want {
			_, there := s.Find(e.Target)
			if (dangling[e] == 1) == there {
				t.Fatalf("%v: in the dialogue %v, dangling %d", e, there, dangling[e])
			}
		}
		if len(g.Nodes) != len(s.Contributed()) {
			t.Fatalf("%d nodes of %d entities", len(g.Nodes), len(s.Contributed()))
		}
	})
}

// TestCyclesByBruteForce: two nodes share a cycle exactly if each reaches the
// other by a plain depth-first walk.
func TestCyclesByBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := small(t)
		g := NewGraph(s)
		component := make(map[blue.EntityID]int)
		for i, c := range g.Cycles {
			for _, id := range c {
				if component[id] != 0 {
					t.Fatalf("%v is in two cycles", id)
				}
				component[id] = i + 1
			}
			if i > 0 && blue.EntityID.Compare(g.Cycles[i-1][0], c[0]) >= 0 {
				t.Fatalf("cycles out of order: %v", g.Cycles)
			}
		}
		for _, a := range g.Nodes {
			for _, b := range g.Nodes {
				together := reaches(g, a.ID, b.ID) && reaches(g, b.ID, a.ID)
				found := component[a.ID] != 0 && component[a.ID] == component[b.ID]
				if together != found {
					t.Fatalf("%v and %v on one cycle: %v, found: %v", a.ID, b.ID, together, found)
				}
			}
		}
	})
}

// reaches walks at least one edge.
func reaches(g *Graph, from, to blue.EntityID) bool {
	seen := make(map[blue.EntityID]bool)
	var walk func(blue.EntityID) bool
	walk = func(id blue.EntityID) bool {
		for _, e := range g.Out(id) {
			if e.Target == to {
				return true
			}
			if !seen[e.Target] {
				seen[e.Target] = true
				if walk(e.Target) {
					return true
				}
			}
		}
		return false
	}
	return walk(from)
}
