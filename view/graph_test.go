package view

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestBuild(t *testing.T) {
	tests := []struct {
		name            string
		entities        [][2]string // id, references
		edges, dangling string
		cycles          []string
		inOf, wantIn    string
		outOf, wantOut  string
	}{
		{name: "nothing"},
		{
			name:     "a chain",
			entities: [][2]string{{"P0001", ""}, {"P0002", "refine P0001"}, {"C0001", "support P0002"}},
			edges:    "P0002 refine P0001, C0001 support P0002",
			inOf:     "P0001", wantIn: "P0002 refine P0001",
			outOf: "C0001", wantOut: "C0001 support P0002",
		},
		{
			name:     "two types between the same nodes are two edges",
			entities: [][2]string{{"P0001", ""}, {"C0001", "support P0001, depend P0001"}},
			edges:    "C0001 support P0001, C0001 depend P0001",
			inOf:     "P0001", wantIn: "C0001 support P0001, C0001 depend P0001",
		},
		{
			name:     "a repeat counts once",
			entities: [][2]string{{"P0001", ""}, {"C0001", "support P0001, support P0001"}},
			edges:    "C0001 support P0001",
		},
		{
			name:     "a dangling target has an in-edge and no node",
			entities: [][2]string{{"C0001", "address T0909"}},
			edges:    "C0001 address T0909", dangling: "C0001 address T0909",
			inOf: "T0909", wantIn: "C0001 address T0909",
		},
		{
			name:     "self reference",
			entities: [][2]string{{"P0001", "refine P0001"}},
			edges:    "P0001 refine P0001", cycles: []string{"P0001"},
		},
		{
			name:     "two cycles and a bridge",
			entities: [][2]string{{"P0001", "support C0001"}, {"P0002", "support P0003"}, {"P0003", "oppose P0002, support P0001"}, {"C0001", "depend P0001"}},
			edges:    "P0001 support C0001, P0002 support P0003, P0003 oppose P0002, P0003 support P0001, C0001 depend P0001",
			cycles:   []string{"P0001 C0001", "P0002 P0003"},
		},
		{
			name:     "forward and cross edges are no cycle",
			entities: [][2]string{{"P0001", "support P0002, support P0003"}, {"P0002", "support P0003"}, {"P0003", ""}},
			edges:    "P0001 support P0002, P0001 support P0003, P0002 support P0003",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &blue.Snapshot{}
			for _, e := range tt.entities {
				put(t, s, e[0], "label", "", e[1], 0)
			}
			g := NewGraph(s)
			check := func(what, got, want string) {
				if got != want {
					t.Errorf("%s: got %q, want %q", what, got, want)
				}
			}
			check("edges", edgeText(g.Edges), tt.edges)
			check("dangling", edgeText(g.Dangling), tt.dangling)
			if tt.inOf != "" {
				check("in", edgeText(g.In(id(t, tt.inOf))), tt.wantIn)
			}
			if tt.outOf != "" {
				check("out", edgeText(g.Out(id(t, tt.outOf))), tt.wantOut)
			}
			var cycles []string
			for _, c := range g.Cycles {
				cycles = append(cycles, display.Join(c, " "))
			}
			if !slices.Equal(cycles, tt.cycles) {
				t.Errorf("cycles: got %q, want %q", cycles, tt.cycles)
			}
			if len(g.Nodes) != len(tt.entities) {
				t.Errorf("%d nodes for %d entities", len(g.Nodes), len(tt.entities))
			}
		})
	}
}

func edgeText(edges []Edge) string {
	var words []string
	for _, e := range edges {
		words = append(words, e.Source.String()+" "+string(e.Type)+" "+e.Target.String())
	}
	return strings.Join(words, ", ")
}

// TestBuildOrder: the order of the snapshot's lists does not matter.
func TestBuildOrder(t *testing.T) {
	s := sample(t)
	want := NewGraph(s)
	slices.Reverse(s.Numbered(blue.KindPerspective))
	slices.Reverse(s.Numbered(blue.KindClaim))
	slices.Reverse(s.Events)
	slices.Reverse(s.Verdicts)
	got := NewGraph(s)
	if d := cmp.Diff(render(t, want), render(t, got)); d != "" {
		t.Errorf("another order of the snapshot changed the graph (-want +got):\n%s", d)
	}
}

func TestNode(t *testing.T) {
	g := NewGraph(sample(t))
	n, ok := g.Node(id(t, "T0002"))
	if want := (Node{id(t, "T0002"), blue.KindTension, "speed vs care", 0, "reopened", at(1)}); !ok || n != want {
		t.Errorf("got %v %v, want %v", n, ok, want)
	}
	if n, ok := g.Node(id(t, "E0909")); ok {
		t.Errorf("a node that is not there: %v", n)
	}
}

func TestProvenance(t *testing.T) {
	g := NewGraph(sample(t))
	ids := func(text string) []blue.EntityID { return idList(t, text) }
	tests := map[blue.VerdictID]*Provenance{
		"V01": {
			Verdict: "V01", Type: "interim", Round: 0,
			Recommendations: []Adoption{{ID: id(t, "R0001"), Tensions: ids("T0001 T0002"), Claims: ids("C0001")}},
			Tensions: []Settlement{
				{ID: id(t, "T0001"), Resolved: true, RaisedBy: ids("P0001"), Claims: ids("C0001")},
				{ID: id(t, "T0002"), Resolved: true, RaisedBy: ids("P0002 P0003"), Evidence: ids("E0003"), Claims: ids("C0002")},
			},
			Evidence: ids("E0001 E0002 E0003"), // what C0001 depends on, and what supports that; E0101 came later
			Claims:   ids("C0001 C0002 C0003"), // not C0004, which opposes
		},
		"final": {
			Verdict: "final", Type: blue.VerdictFinal, Round: 1,
			Tensions: []Settlement{
				{ID: id(t, "T0001"), Resolved: true, RaisedBy: ids("P0001"), Evidence: ids("E0101"), Claims: ids("C0001")},
			},
			Evidence: ids("E0001 E0002 E0101"),
			Claims:   ids("C0001"),
		},
	}
	for v, want := range tests {
		got, err := g.Provenance(v)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", v, d)
		}
		adopted := map[blue.VerdictID]string{"V01": "R0001"}[v]
		if d := cmp.Diff(ids(adopted), got.RecommendationsAdopted()); d != "" {
			t.Errorf("%s adopted (-want +got):\n%s", v, d)
		}
	}
}

func TestProvenanceUnknown(t *testing.T) {
	g := NewGraph(sample(t))
	if p, err := g.Provenance("v01"); !errors.Is(err, blue.ErrNotFound) || p != nil {
		t.Errorf("got %v, %v", p, err)
	}
}

// provenanceOf returns what the verdict V01 rests on.
func provenanceOf(t *testing.T, s *blue.Snapshot) *Provenance {
	t.Helper()
	p, err := NewGraph(s).Provenance("V01")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTensionsResolved moves a verdict through the sample's time.
func TestTensionsResolved(t *testing.T) {
	for second, want := range map[int]string{
		0: "", 19: "", 20: "T0001", 29: "T0001", 30: "T0001 T0002", 109: "T0001 T0002", 110: "T0001", 999: "T0001",
	} {
		s := sample(t)
		s.Verdicts[0].CreatedAt = at(second)
		if got := display.Join(provenanceOf(t, s).TensionsResolved(), " "); got != want {
			t.Errorf("at second %d: got %q, want %q", second, got, want)
		}
	}
}

// TestTensionsResolvedSameInstant: of two events of one instant, the later stamp counts.
func TestTensionsResolvedSameInstant(t *testing.T) {
	for _, last := range []string{"resolved", "reopened"} {
		s := &blue.Snapshot{Verdicts: []*blue.Verdict{{ID: "V01", CreatedAt: at(5)}}}
		put(t, s, "T0001", "t", last, "", 0)
		first := map[string]string{"resolved": "reopened", "reopened": "resolved"}[last]
		happen(t, s, "T0001", last, 5)
		s.Events[len(s.Events)-1].Stamp += "-01"
		happen(t, s, "T0001", first, 5)
		got := len(provenanceOf(t, s).TensionsResolved())
		if want := map[string]int{"resolved": 1, "reopened": 0}[last]; got != want {
			t.Errorf("last %s: %d resolved, want %d", last, got, want)
		}
	}
}

func render(t testing.TB, g *Graph) map[string]string {
	t.Helper()
	var text, dot, js bytes.Buffer
	for _, err := range []error{g.WriteText(&text, 0), g.WriteDOT(&dot), g.WriteJSON(&js)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"txt": text.String(), "dot": dot.String(), "json": js.String()}
}

func TestGraphGolden(t *testing.T) {
	for name, s := range map[string]*blue.Snapshot{"sample": sample(t), "empty": {}} {
		for ext, got := range render(t, NewGraph(s)) {
			path := filepath.Join("testdata", "graph", name+"."+ext)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("%s differs; run with -update if that is meant (-want +got):\n%s", path, d)
			}
		}
	}
}

// failing is a writer that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestGraphWriteErrors(t *testing.T) {
	g := NewGraph(sample(t))
	for name, err := range map[string]error{
		"text": g.WriteText(failing{}, 0), "dot": g.WriteDOT(failing{}), "json": g.WriteJSON(failing{}),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
