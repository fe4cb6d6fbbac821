package view

import (
	"encoding/json"
	"io"

	blue "github.com/superviber/blue-encrypted-store"
)

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
