package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// A Provenance lists the grounds of a verdict. It is computed and never stored
// (RFC 0058, Amendment 2). It shows the dialogue at the time when the verdict
// was created: a later entity is left out, and a tension counts as resolved if
// it was resolved then. No list is nil.
//
// The rule has four steps, from the verdict outwards:
//
//  1. Recommendations: those whose adopted_in_verdict is the verdict.
//  2. Tensions: those that the adopted recommendations address or resolve, and
//     those that were resolved.
//  3. Evidence and claims at a recommendation or tension: those with a
//     support, refine, address, resolve or depend edge to or from it. Both
//     directions count, because authors write "support" both ways (in the
//     RFC's example a perspective supports its evidence). Oppose, question and
//     reopen contest, so they ground nothing.
//  4. Evidence and claims of the verdict: the results of step 3, and all evidence
//     and claims that these depend on, refine, or are supported by, and so on.
//
// A tension was raised by the perspectives that it refers to, by any type, and
// by those that reopen it.
type Provenance struct {
	Claims          []blue.EntityID  `json:"claims"`   // step 4
	Evidence        []blue.EntityID  `json:"evidence"` // step 4
	Recommendations []Adoption       `json:"recommendations"`
	Round           blue.Round       `json:"round"`
	Tensions        []Settlement     `json:"tensions"`
	Verdict         blue.VerdictID   `json:"verdict_id"`
	Type            blue.VerdictType `json:"verdict_type"`
}

// An Adoption is a recommendation that the verdict adopted.
type Adoption struct {
	Claims   []blue.EntityID `json:"claims"`   // step 3
	Evidence []blue.EntityID `json:"evidence"` // step 3
	ID       blue.EntityID   `json:"id"`
	Tensions []blue.EntityID `json:"tensions"` // that it addresses or resolves
}

// A Settlement is a tension that the verdict bears on.
type Settlement struct {
	Claims   []blue.EntityID `json:"claims"`   // step 3
	Evidence []blue.EntityID `json:"evidence"` // step 3
	ID       blue.EntityID   `json:"id"`
	RaisedBy []blue.EntityID `json:"raised_by"` // perspectives
	Resolved bool            `json:"resolved"`  // when the verdict was created
}

// Provenance returns what the verdict rests on. It returns blue.ErrNotFound if
// the dialogue has no such verdict. Its time is linear in the graph.
func (g *Graph) Provenance(v blue.VerdictID) (*Provenance, error) {
	i := slices.IndexFunc(g.verdicts, func(w *blue.Verdict) bool { return w.ID == v })
	if i < 0 {
		return nil, fmt.Errorf("verdict %s: %w", v, blue.ErrNotFound)
	}
	return g.provenance(g.verdicts[i]), nil
}

func (g *Graph) provenance(v *blue.Verdict) *Provenance {
	p := g.trace(g.adopted[v.ID], g.resolvedAt(v.CreatedAt), v.CreatedAt)
	p.Verdict, p.Type, p.Round = v.ID, v.Type, v.Round
	return p
}

// TensionsResolved returns the tensions whose last status event at or before
// the verdict's creation is "resolved". A comment does not count.
func (p *Provenance) TensionsResolved() []blue.EntityID {
	var list []blue.EntityID
	for _, s := range p.Tensions {
		if s.Resolved {
			list = append(list, s.ID)
		}
	}
	return list
}

// RecommendationsAdopted returns the recommendations that name the verdict.
func (p *Provenance) RecommendationsAdopted() []blue.EntityID {
	var list []blue.EntityID
	for _, a := range p.Recommendations {
		list = append(list, a.ID)
	}
	return list
}

// trace takes steps 1 to 4 for the recommendations adopted and the tensions
// resolved at a time.
func (g *Graph) trace(adopted, resolved []blue.EntityID, at time.Time) *Provenance {
	then := moment{g, at}
	p := &Provenance{Recommendations: []Adoption{}, Tensions: []Settlement{}}
	settled, tensions, grounds := ids{}, ids{}, ids{}
	settled.add(resolved...)
	tensions.add(resolved...)
	for _, id := range adopted {
		a := Adoption{ID: id, Tensions: then.answered(id)}
		a.Evidence, a.Claims = then.grounds(id, grounds)
		p.Recommendations = append(p.Recommendations, a)
		tensions.add(a.Tensions...)
	}
	for _, id := range tensions.sorted() {
		s := Settlement{ID: id, Resolved: settled[id], RaisedBy: then.raisers(id)}
		s.Evidence, s.Claims = then.grounds(id, grounds)
		p.Tensions = append(p.Tensions, s)
	}
	p.Evidence, p.Claims = splitGrounding(then.restsOn(grounds).sorted())
	return p
}

// resolvedAt returns the tensions whose last status event at or before the
// time is "resolved".
func (g *Graph) resolvedAt(at time.Time) []blue.EntityID {
	var list []blue.EntityID
	for _, n := range g.Nodes {
		last := ""
		for _, e := range g.history[n.ID] {
			if !e.CreatedAt.After(at) && e.Type != "commented" {
				last = e.Type
			}
		}
		if last == string(blue.StatusResolved) {
			list = append(list, n.ID)
		}
	}
	return list
}

// A moment is the graph at a time. The zero time means now.
type moment struct {
	g  *Graph
	at time.Time
}

// has reports whether the entity was in the dialogue at that time.
func (m moment) has(id blue.EntityID) bool {
	n, ok := m.g.Node(id)
	return ok && (m.at.IsZero() || !n.CreatedAt.After(m.at))
}

// A joint decides which edges of an entity count. other is the entity at the
// other end: the target if outgoing, else the source.
type joint func(t blue.RefType, other blue.EntityID, outgoing bool) bool

// neighbours returns the entities of that time that an edge joins to an id.
func (m moment) neighbours(id blue.EntityID, counts joint) []blue.EntityID {
	found := ids{}
	for _, e := range m.g.out[id] {
		if counts(e.Type, e.Target, true) && m.has(e.Target) {
			found.add(e.Target)
		}
	}
	for _, e := range m.g.in[id] {
		if counts(e.Type, e.Source, false) && m.has(e.Source) {
			found.add(e.Source)
		}
	}
	return found.sorted()
}

// answered returns the tensions that a recommendation addresses or resolves.
func (m moment) answered(id blue.EntityID) []blue.EntityID {
	return m.neighbours(id, func(t blue.RefType, other blue.EntityID, outgoing bool) bool {
		return outgoing && (t == "address" || t == "resolve") && other.Kind == blue.KindTension
	})
}

// raisers returns the perspectives that raised a tension.
func (m moment) raisers(id blue.EntityID) []blue.EntityID {
	return m.neighbours(id, func(t blue.RefType, other blue.EntityID, outgoing bool) bool {
		return (outgoing || t == "reopen") && other.Kind == blue.KindPerspective
	})
}

// grounds returns the evidence and claims at a node (step 3) and adds them to
// a set.
func (m moment) grounds(id blue.EntityID, all ids) (evidence, claims []blue.EntityID) {
	list := m.neighbours(id, func(t blue.RefType, other blue.EntityID, _ bool) bool {
		return isGrounding(t) && isArgument(other)
	})
	all.add(list...)
	return splitGrounding(list)
}

// restsOn adds to a set all evidence and claims that its members rest on (step
// 4), and returns the set.
func (m moment) restsOn(found ids) ids {
	isGround := func(t blue.RefType, other blue.EntityID, outgoing bool) bool {
		if !isArgument(other) || found[other] {
			return false
		}
		return outgoing && (t == "depend" || t == "refine") || !outgoing && t == "support"
	}
	open := found.sorted()
	for len(open) > 0 {
		id := open[len(open)-1]
		grounds := m.neighbours(id, isGround)
		found.add(grounds...)
		open = append(open[:len(open)-1], grounds...)
	}
	return found
}

func isGrounding(t blue.RefType) bool {
	return slices.Contains([]blue.RefType{"support", "refine", "address", "resolve", "depend"}, t)
}

func isArgument(id blue.EntityID) bool {
	return id.Kind == blue.KindEvidence || id.Kind == blue.KindClaim
}

// splitGrounding returns the evidence and the claims of a list. Neither list is
// nil.
func splitGrounding(list []blue.EntityID) (evidence, claims []blue.EntityID) {
	evidence, claims = []blue.EntityID{}, []blue.EntityID{}
	for _, id := range list {
		if id.Kind == blue.KindEvidence {
			evidence = append(evidence, id)
		} else {
			claims = append(claims, id)
		}
	}
	return evidence, claims
}

// A Citation is the answer for one cited id. Its JSON form is Blue's: {"ok": …}
// or {"error": text}.
type Citation struct {
	ID      string `json:"-"` // as cited
	Entity  *Cited `json:"ok,omitempty"`
	Err     error  `json:"-"`               // blue.ErrInvalid: no display id; blue.ErrNotFound: not in the dialogue
	Message string `json:"error,omitempty"` // the text of Err
}

// A Cited is one entity as a citation shows it.
type Cited struct {
	DisplayID  string            `json:"display_id"`
	EntityType string            `json:"entity_type"` // the letter
	Round      blue.Round        `json:"round"`
	Seq        blue.Seq          `json:"seq"`
	Label      string            `json:"label"`
	Snippet    string            `json:"content_snippet"` // at most 200 bytes, then "..."
	Content    string            `json:"content"`         // a tension's description
	Authors    []blue.ExpertSlug `json:"contributors"`
	Status     *blue.Status      `json:"status"`     // of tensions only
	Parameters json.RawMessage   `json:"parameters"` // of recommendations only
}

// Cite looks up display ids, each separately. It returns one answer per id, in
// the order of the ids.
func Cite(s *blue.Snapshot, ids []string) []Citation {
	citations := make([]Citation, len(ids))
	for i, text := range ids {
		entity, err := cite(s, text)
		citations[i] = Citation{ID: text, Entity: entity, Err: err}
		if err != nil {
			citations[i].Message = err.Error()
		}
	}
	return citations
}

func cite(s *blue.Snapshot, text string) (*Cited, error) {
	id, err := blue.ParseEntityID(text)
	if err != nil {
		return nil, err
	}
	e, found := s.Find(id)
	if !found {
		return nil, fmt.Errorf("%w: dialogue %s has no %s %s", blue.ErrNotFound, s.Dialogue.ID, id.Kind, id)
	}
	c := e.Common()
	cited := &Cited{
		DisplayID: id.String(), EntityType: string(rune(id.Kind.Letter())), Round: id.Round, Seq: id.Seq, Label: c.Label,
		// Blue cuts inside a character and crashes (bug 19).
		Snippet: bounded.Cut(e.Text(), 200, "..."), Content: e.Text(), Authors: append([]blue.ExpertSlug{}, c.Contributors...),
	}
	if id.Kind == blue.KindTension {
		cited.Status = new(c.Status)
	}
	if r, ok := e.(*blue.Recommendation); ok {
		cited.Parameters = r.Parameters
	}
	return cited, nil
}
