package view

import (
	"io"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

// longest makes a dialogue of n claims and perspectives in a row, each
// referring to the one before; n is at most 2 × 100 × 99.
func longest(n int) *blue.Snapshot {
	s := &blue.Snapshot{}
	var before *blue.EntityID
	for i := range n {
		per := i % 9900
		c := blue.Contribution{ID: blue.EntityID{Kind: blue.KindPerspective, Round: blue.Round(per / 99), Seq: blue.Seq(per%99 + 1)}}
		if i >= 9900 {
			c.ID.Kind = blue.KindClaim
		}
		if before != nil {
			c.References = []blue.Reference{{Type: "depend", Target: *before}}
		}
		before = &c.ID
		e := c.ID.Kind.New()
		*e.Common() = c
		s.Add(e)
	}
	return s
}

func TestLongChain(t *testing.T) {
	g := NewGraph(longest(10_000))
	if len(g.Nodes) != 10_000 || len(g.Edges) != 9_999 || len(g.Dangling) != 0 || len(g.Cycles) != 0 {
		t.Errorf("%d nodes, %d edges, %d dangling, %d cycles", len(g.Nodes), len(g.Edges), len(g.Dangling), len(g.Cycles))
	}
	if err := g.WriteDOT(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestLongRing(t *testing.T) {
	s := longest(10_000)
	all := s.Contributed()
	last := all[len(all)-1].Common().ID
	all[0].Common().References = []blue.Reference{{Type: "refine", Target: last}}
	g := NewGraph(s)
	if len(g.Cycles) != 1 || len(g.Cycles[0]) != 10_000 {
		t.Fatalf("%d cycles", len(g.Cycles))
	}
	if first := g.Cycles[0][0].String(); first != "P0001" || g.Cycles[0][9999] != last {
		t.Errorf("the ring begins at %s and ends at %s", first, g.Cycles[0][9999])
	}
}

// TestLongGrounds: the claims a verdict rests on may lie 10,000 deep.
func TestLongGrounds(t *testing.T) {
	s := &blue.Snapshot{Verdicts: []*blue.Verdict{{ID: "V01", CreatedAt: at(9)}}}
	put(t, s, "R0001", "r", "adopted", "depend C0001", 0)
	s.Recommendations()[0].AdoptedInVerdict = "V01"
	for i := range 9900 {
		c := blue.Contribution{ID: blue.EntityID{Kind: blue.KindClaim, Round: blue.Round(i / 99), Seq: blue.Seq(i%99 + 1)}}
		next := blue.EntityID{Kind: blue.KindClaim, Round: blue.Round((i + 1) / 99), Seq: blue.Seq((i+1)%99 + 1)}
		c.References = []blue.Reference{{Type: "depend", Target: next}}
		s.Add(&blue.Claim{Contribution: c})
	}
	p, err := NewGraph(s).Provenance("V01")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.Claims); got != 9900 {
		t.Errorf("%d key claims", got)
	}
}
