package view

import (
	"encoding/json"
	"io"

	blue "github.com/superviber/blue-encrypted-store"
)

// GraphSchema names the document that WriteJSON writes.
const GraphSchema = "blue-store/graph@1"

// The members of a document in the order of their names: encoding/json keeps
// the order of a struct's fields.
type document struct {
	Cycles   [][]blue.EntityID `json:"cycles"`
	Dangling []Edge            `json:"dangling"`
	Edges    []Edge            `json:"edges"`
	Nodes    []documentNode    `json:"nodes"`
	Schema   string            `json:"schema"`
	Verdicts []*Provenance     `json:"verdicts"`
}

type documentNode struct {
	ID     blue.EntityID `json:"id"`
	Kind   blue.Kind     `json:"kind"`
	Label  string        `json:"label"`
	Round  blue.Round    `json:"round"`
	Status blue.Status   `json:"status"`
}

// WriteJSON writes the graph as one JSON object and a line feed:
//
//	{"cycles":[[id…]…], "dangling":[edge…], "edges":[{"source","target","type"}…],
//	 "nodes":[{"id","kind","label","round","status"}…],
//	 "schema":"blue-store/graph@1", "verdicts":[Provenance…]}
//
// indented by two spaces, members sorted by name, '<', '>' and '&' as they
// are. An empty list is [], never null. The only errors are the writer's.
func (g *Graph) WriteJSON(w io.Writer) error {
	doc := document{
		Cycles:   full(g.Cycles),
		Dangling: full(g.Dangling),
		Edges:    full(g.Edges),
		Nodes:    make([]documentNode, 0, len(g.Nodes)),
		Schema:   GraphSchema,
		Verdicts: make([]*Provenance, 0, len(g.verdicts)),
	}
	for _, n := range g.Nodes {
		doc.Nodes = append(doc.Nodes, documentNode{n.ID, n.ID.Kind, n.Label, n.ID.Round, n.Status})
	}
	for _, v := range g.verdicts {
		doc.Verdicts = append(doc.Verdicts, g.provenance(v).full())
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// full turns an absent list into an empty one.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// full makes every list of a fresh Provenance present.
func (p *Provenance) full() *Provenance {
	p.Claims, p.Evidence = full(p.Claims), full(p.Evidence)
	p.Recommendations, p.Tensions = full(p.Recommendations), full(p.Tensions)
	for i := range p.Recommendations {
		a := &p.Recommendations[i]
		a.Claims, a.Evidence, a.Tensions = full(a.Claims), full(a.Evidence), full(a.Tensions)
	}
	for i := range p.Tensions {
		s := &p.Tensions[i]
		s.Claims, s.Evidence, s.RaisedBy = full(s.Claims), full(s.Evidence), full(s.RaisedBy)
	}
	return p
}
