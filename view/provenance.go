package view

import (
	"fmt"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// Provenance says what a verdict rests on. It is computed whenever it is
// asked for and stored nowhere (RFC 0058, Amendment 2). It shows the dialogue
// as it stood when the verdict was created: an entity created later is left
// out, and a tension counts as resolved if it was so then.
//
// The rule, from the verdict outwards:
//
//  1. Recommendations: those whose adopted_in_verdict is the verdict.
//  2. Tensions: those the adopted recommendations address or resolve, and
//     those that were resolved.
//  3. Evidence and claims at a recommendation or tension: those with a
//     support, refine, address, resolve or depend edge to or from it. Either
//     direction counts, since authors write "support" both ways (the RFC's own
//     example has a perspective support its evidence). Oppose, question and
//     reopen contest, so they ground nothing.
//  4. Evidence and claims of the verdict: those of step 3 and all evidence and
//     claims that these rest on in turn: what they depend on, what they
//     refine, and what supports them.
//
// A tension was raised by the perspectives it refers to, by any type, and by
// those that reopen it.
type Provenance struct {
	Claims          []blue.EntityID  `json:"claims"`   // step 4
	Evidence        []blue.EntityID  `json:"evidence"` // step 4
	Recommendations []Adoption       `json:"recommendations"`
	Round           blue.Round       `json:"round"`
	Tensions        []Settlement     `json:"tensions"`
	Verdict         blue.VerdictID   `json:"verdict_id"`
	Type            blue.VerdictType `json:"verdict_type"`
}

// Adoption is a recommendation that the verdict adopted.
type Adoption struct {
	Claims   []blue.EntityID `json:"claims"`   // step 3
	Evidence []blue.EntityID `json:"evidence"` // step 3
	ID       blue.EntityID   `json:"id"`
	Tensions []blue.EntityID `json:"tensions"` // that it addresses or resolves
}

// Settlement is a tension that the verdict bears on.
type Settlement struct {
	Claims   []blue.EntityID `json:"claims"`   // step 3
	Evidence []blue.EntityID `json:"evidence"` // step 3
	ID       blue.EntityID   `json:"id"`
	RaisedBy []blue.EntityID `json:"raised_by"` // perspectives
	Resolved bool            `json:"resolved"`  // when the verdict was created
}

// Provenance returns what the verdict rests on; blue.ErrNotFound if the
// dialogue has no such verdict. Time is linear in the graph.
func (g *Graph) Provenance(v blue.VerdictID) (*Provenance, error) {
	verdict, ok := g.verdict(v)
	if !ok {
		return nil, fmt.Errorf("verdict %s: %w", v, blue.ErrNotFound)
	}
	return g.provenance(verdict), nil
}

// TensionsResolved returns the tensions whose last status event at or before
// the verdict's creation is "resolved". Comments are not status events. Nil
// for an unknown verdict, as for the three below.
func (g *Graph) TensionsResolved(v blue.VerdictID) []blue.EntityID {
	verdict, ok := g.verdict(v)
	if !ok {
		return nil
	}
	return g.resolvedAt(verdict.CreatedAt)
}

// RecommendationsAdopted returns the recommendations that name the verdict.
func (g *Graph) RecommendationsAdopted(v blue.VerdictID) []blue.EntityID {
	if _, ok := g.verdict(v); !ok {
		return nil
	}
	return slices.Clone(g.adopted[v])
}

// KeyEvidence returns the evidence of the verdict's Provenance.
func (g *Graph) KeyEvidence(v blue.VerdictID) []blue.EntityID {
	p, err := g.Provenance(v)
	if err != nil {
		return nil
	}
	return p.Evidence
}

// KeyClaims returns the claims of the verdict's Provenance.
func (g *Graph) KeyClaims(v blue.VerdictID) []blue.EntityID {
	p, err := g.Provenance(v)
	if err != nil {
		return nil
	}
	return p.Claims
}

func (g *Graph) verdict(id blue.VerdictID) (*blue.Verdict, bool) {
	i := slices.IndexFunc(g.verdicts, func(v *blue.Verdict) bool { return v.ID == id })
	if i < 0 {
		return nil, false
	}
	return g.verdicts[i], true
}

func (g *Graph) provenance(v *blue.Verdict) *Provenance {
	p := g.trace(g.adopted[v.ID], g.resolvedAt(v.CreatedAt), v.CreatedAt)
	p.Verdict, p.Type, p.Round = v.ID, v.Type, v.Round
	return p
}

// trace takes steps 1 to 4 with what was adopted and resolved at a time.
func (g *Graph) trace(adopted, resolved []blue.EntityID, at time.Time) *Provenance {
	then := moment{g, at}
	p := &Provenance{}
	tensions := idSet(resolved)
	for _, id := range adopted {
		a := Adoption{ID: id, Tensions: then.answered(id)}
		a.Evidence, a.Claims = split(then.grounds(id))
		p.Recommendations = append(p.Recommendations, a)
		tensions.add(a.Tensions)
	}
	settled := idSet(resolved)
	for _, id := range tensions.sorted() {
		s := Settlement{ID: id, Resolved: settled[id], RaisedBy: then.raisers(id)}
		s.Evidence, s.Claims = split(then.grounds(id))
		p.Tensions = append(p.Tensions, s)
	}
	p.Evidence, p.Claims = split(then.restsOn(p.direct()))
	return p
}

// direct returns the evidence and claims of step 3.
func (p *Provenance) direct() []blue.EntityID {
	var ids []blue.EntityID
	for _, a := range p.Recommendations {
		ids = append(append(ids, a.Evidence...), a.Claims...)
	}
	for _, s := range p.Tensions {
		ids = append(append(ids, s.Evidence...), s.Claims...)
	}
	return ids
}

// resolvedAt returns the tensions whose last status event at or before the
// time is "resolved".
func (g *Graph) resolvedAt(at time.Time) []blue.EntityID {
	var ids []blue.EntityID
	for _, n := range g.Nodes {
		if n.ID.Kind != blue.KindTension {
			continue
		}
		last := ""
		for _, e := range g.history[n.ID] {
			if !e.CreatedAt.After(at) && e.Type != "commented" {
				last = e.Type
			}
		}
		if last == string(blue.StatusResolved) {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// moment is the graph at a time; the zero time means now.
type moment struct {
	g  *Graph
	at time.Time
}

// has reports whether the id is in the dialogue at that time.
func (m moment) has(id blue.EntityID) bool {
	n, ok := m.g.Node(id)
	return ok && (m.at.IsZero() || !n.CreatedAt.After(m.at))
}

// answered returns the tensions a recommendation addresses or resolves.
func (m moment) answered(id blue.EntityID) []blue.EntityID {
	found := idSet(nil)
	for _, e := range m.g.out[id] {
		answers := e.Type == "address" || e.Type == "resolve"
		if answers && e.Target.Kind == blue.KindTension && m.has(e.Target) {
			found[e.Target] = true
		}
	}
	return found.sorted()
}

// raisers returns the perspectives that raised a tension.
func (m moment) raisers(id blue.EntityID) []blue.EntityID {
	found := idSet(nil)
	for _, e := range m.g.out[id] {
		if e.Target.Kind == blue.KindPerspective && m.has(e.Target) {
			found[e.Target] = true
		}
	}
	for _, e := range m.g.in[id] {
		if e.Type == "reopen" && e.Source.Kind == blue.KindPerspective && m.has(e.Source) {
			found[e.Source] = true
		}
	}
	return found.sorted()
}

// grounds returns the evidence and claims at a node (step 3).
func (m moment) grounds(id blue.EntityID) []blue.EntityID {
	found := idSet(nil)
	for _, e := range m.g.out[id] {
		if isGrounding(e.Type) && isArgument(e.Target) && m.has(e.Target) {
			found[e.Target] = true
		}
	}
	for _, e := range m.g.in[id] {
		if isGrounding(e.Type) && isArgument(e.Source) && m.has(e.Source) {
			found[e.Source] = true
		}
	}
	return found.sorted()
}

// restsOn returns the ids and all evidence and claims they rest on (step 4).
func (m moment) restsOn(ids []blue.EntityID) []blue.EntityID {
	found := idSet(ids)
	open := found.sorted()
	visit := func(id blue.EntityID) {
		if !found[id] && isArgument(id) && m.has(id) {
			found[id] = true
			open = append(open, id)
		}
	}
	for len(open) > 0 {
		id := open[len(open)-1]
		open = open[:len(open)-1]
		for _, e := range m.g.out[id] {
			if e.Type == "depend" || e.Type == "refine" {
				visit(e.Target)
			}
		}
		for _, e := range m.g.in[id] {
			if e.Type == "support" {
				visit(e.Source)
			}
		}
	}
	return found.sorted()
}

func isGrounding(t blue.RefType) bool {
	switch t {
	case "support", "refine", "address", "resolve", "depend":
		return true
	}
	return false
}

func isArgument(id blue.EntityID) bool {
	return id.Kind == blue.KindEvidence || id.Kind == blue.KindClaim
}

// split parts sorted evidence and claims.
func split(ids []blue.EntityID) (evidence, claims []blue.EntityID) {
	for _, id := range ids {
		if id.Kind == blue.KindEvidence {
			evidence = append(evidence, id)
		} else {
			claims = append(claims, id)
		}
	}
	return evidence, claims
}
