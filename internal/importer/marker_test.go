package importer

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
)

// folderOf makes a folder of path, text, path, text…, with what every small
// case needs: a pool and a scoreboard that agree with Muffin in one round.
func folderOf(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{
		"expert-pool.json": {Data: []byte(`{"question":"Why?","experts":[{"role":"Baker","tier":"core","relevance":0.9},{"role":"Eater","tier":"wildcard","relevance":0.1}]}`)},
		"background.md":    {Data: []byte("# Bread - Background\n\nFlour.\n")},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

const muffinPanel = `{"panel":[{"name":"Muffin","role":"Baker","tier":"core","source":"pool"}]}`

// oneFile reads one expert's file of round 0.
func oneFile(t *testing.T, text string) *Source {
	t.Helper()
	src, err := ReadFolder(folderOf("round-0/panel.json", muffinPanel, "round-0/muffin.md", text))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// brief is a batch in a few words: "P MUFFIN-P0001 label|text → support P0001".
func brief(b *blue.RoundBatch) []string {
	var list []string
	for _, kind := range blue.NumberedKinds() {
		for _, d := range b.Drafts[kind] {
			s := string(kind.Letter()) + " " + d.LocalID + " " + d.Label + "|" + d.Text
			for _, ref := range d.References {
				s += " → " + ref.Type + " " + ref.Target
			}
			list = append(list, s)
		}
	}
	for _, u := range b.TensionUpdates {
		list = append(list, "U "+u.ID+" "+string(u.Status)+" "+string(u.By[0])+" "+u.Via)
	}
	for _, m := range b.Moves {
		list = append(list, "M "+string(m.Expert)+" "+m.Type+" ["+strings.Join(m.Targets, " ")+"] "+m.Context)
	}
	return list
}

func TestMarkerForms(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		unplaced   []string // "line message"
	}{
		{"perspective", "[PERSPECTIVE P01: A]\ntext\n\nmore\n\n---\n", []string{"P MUFFIN-P0001 A|text\n\nmore"}, nil},
		{"brackets in the label", "[PERSPECTIVE P01: a [b] c]\ntext", []string{"P MUFFIN-P0001 a [b] c|text"}, nil},
		{"text on the marker's line", "[PERSPECTIVE P01: A] text\nmore", []string{"P MUFFIN-P0001 A|text\nmore"}, nil},
		{"in a heading, bold", "### **[PERSPECTIVE P01: A]**\ntext", []string{"P MUFFIN-P0001 A|text"}, nil},
		{"four digits", "[PERSPECTIVE P0002: A]\ntext", []string{"P MUFFIN-P0002 A|text"}, nil},
		{"no number", "[PERSPECTIVE: A]\nx\n[PERSPECTIVE P01: B]\ny", []string{"P MUFFIN-P0002 A|x", "P MUFFIN-P0001 B|y"}, nil},
		{"no label", "[PERSPECTIVE P01]\nfirst line\nsecond", []string{"P MUFFIN-P0001 first line|first line\nsecond"}, nil},
		{"no text", "[PERSPECTIVE P01: A]", []string{"P MUFFIN-P0001 A|A"}, nil},
		{"nothing at all", "[PERSPECTIVE P01]", nil, []string{"1 a PERSPECTIVE without label and text"}},
		{"every kind", "[TENSION T01: t]\n1\n[RECOMMENDATION R01: r]\n2\n[EVIDENCE E01: e]\n3\n[CLAIM C01: c]\n4",
			[]string{"T MUFFIN-T0001 t|1", "R MUFFIN-R0001 r|2", "E MUFFIN-E0001 e|3", "C MUFFIN-C0001 c|4"}, nil},
		{"statements number around claims", "[REFINEMENT: r]\n1\n[CLAIM C01: c]\n2\n[CONCESSION: k]\n3",
			[]string{"C MUFFIN-C0002 Refinement: r|1", "C MUFFIN-C0001 c|2", "C MUFFIN-C0003 Concession: k|3", "M Muffin concede [] k"}, nil},
		{"resolved, own", "[TENSION T01: t]\n1\n[RESOLVED T01: done]\n2",
			[]string{"T MUFFIN-T0001 t|1", "C MUFFIN-C0001 Resolved: T01: done|2 → resolve T0001", "U T0001 resolved Muffin C0001"}, nil},
		{"resolved by name, twice named", "[TENSION T01: t]\n1\n[RESOLVED: MUFFIN R0-T01, MUFFIN-T0001]\n2",
			[]string{"T MUFFIN-T0001 t|1", "C MUFFIN-C0001 Resolved: MUFFIN R0-T01, MUFFIN-T0001|2 → resolve T0001", "U T0001 resolved Muffin C0001"}, nil},
		{"resolved, unknown", "[RESOLVED CUPCAKE-T01]\nx", []string{"C MUFFIN-C0001 Resolved: CUPCAKE-T01|x"},
			[]string{`1 resolved is "CUPCAKE-T01", which names no known tension; stored as a claim alone`}},
		{"refinement addresses what its label names", "[TENSION T01: t]\n1\n[REFINEMENT: of MUFFIN-T01]\n2",
			[]string{"T MUFFIN-T0001 t|1", "C MUFFIN-C0001 Refinement: of MUFFIN-T01|2 → address T0001"}, nil},
		{"mention addresses", "[TENSION T01: t]\n1\n[PERSPECTIVE P01: A]\nsee MUFFIN-T01 (R0), not T01 and not MUFFIN-P01",
			[]string{"P MUFFIN-P0001 A|see MUFFIN-T01 (R0), not T01 and not MUFFIN-P01 → address T0001", "T MUFFIN-T0001 t|1"}, nil},
		{"typed references", "[PERSPECTIVE P01: A]\nx\n[RE:SUPPORT P02]\n[RE:OPPOSE MUFFIN-P0002, P0002] [RE:ADDRESS T01]\n[PERSPECTIVE P02: B]\ny\n[TENSION T01: t]\nz",
			[]string{"P MUFFIN-P0001 A|x → support P0002 → oppose P0002 → address T0001", "P MUFFIN-P0002 B|y", "T MUFFIN-T0001 t|z"}, nil},
		{"typed reference wins over a mention", "[TENSION T01: t]\n1\n[PERSPECTIVE P01: A]\nMUFFIN-T01\n[RE:QUESTION T01]",
			[]string{"P MUFFIN-P0001 A|MUFFIN-T01 → question T0001", "T MUFFIN-T0001 t|1"}, nil},
		{"bad references", "[PERSPECTIVE P01: A]\nx\n[RE:LIKE P01]\n[RE:SUPPORT P09]\n[RE:RESOLVE P01]\n[RE:REFINE T01]\n[TENSION T01: t]\ny",
			[]string{"P MUFFIN-P0001 A|x", "T MUFFIN-T0001 t|y"},
			[]string{`3 "like" is no type of reference`, `4 a reference to "P09", which names nothing`, "5 a perspective cannot resolve a perspective", "6 a perspective cannot refine a tension"}},
		{"moves", "[PERSPECTIVE P01: A]\nx\n[MOVE:CHALLENGE P01, MUFFIN-P0001: why]\n[MOVE:DEFEND my view]\n[MOVE:CONVERGE]\n---",
			[]string{"P MUFFIN-P0001 A|x", "M Muffin challenge [P0001] why", "M Muffin defend [] my view", "M Muffin converge [] "}, nil},
		{"bad moves", "[MOVE:DANCE]\n[MOVE:BRIDGE CUPCAKE-P01: x]", []string{"M Muffin bridge [] CUPCAKE-P01: x"},
			[]string{`1 "DANCE" is no type of move`, `2 a move against "CUPCAKE-P01", which names nothing`}},
		{"strays", "Hello\n\n# Muffin\n[PERSPECTIVE P01: A]\nx\n[RESERVATION: hm]\n[RFC 0058](link) is prose\n[PERSPECTIVE P02: open",
			[]string{"P MUFFIN-P0001 A|x\n[RESERVATION: hm]\n[RFC 0058](link) is prose\n[PERSPECTIVE P02: open"},
			[]string{"1 text that no marker holds; it is kept in the expert's raw content", "6 text that no marker holds; it is kept in the expert's raw content", "8 text that no marker holds; it is kept in the expert's raw content"}},
		{"windows", "\ufeff[PERSPECTIVE P01: A]\r\ntext\r\n", []string{"P MUFFIN-P0001 A|text"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := oneFile(t, c.text)
			if diff := cmp.Diff(c.want, brief(rounds(src)[0])); diff != "" {
				t.Errorf("batch (-want +got):\n%s", diff)
			}
			var unplaced []string
			for _, n := range notesOf(src, noteUnplaced) {
				unplaced = append(unplaced, strings.TrimPrefix(n, "round-0/muffin.md:"))
			}
			if diff := cmp.Diff(c.unplaced, unplaced); diff != "" {
				t.Errorf("unplaced (-want +got):\n%s", diff)
			}
			if err := rounds(src)[0].Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A name without a round is the first round's; a bare one is the latest own.
func TestNamesAcrossRounds(t *testing.T) {
	src, err := ReadFolder(folderOf(
		"round-0/panel.json", muffinPanel, "round-0/muffin.md", "[TENSION T01: zero]\nx",
		"round-1/panel.json", muffinPanel, "round-1/muffin.md", "[TENSION T01: one]\nx\n[RESOLVED MUFFIN-T01]\ny",
		"round-2/panel.json", muffinPanel, "round-2/muffin.md", "[RESOLVED T01: the latest]\nx\n[PERSPECTIVE P01: p]\nMUFFIN R1-T01 and MUFFIN-T01 (R1) and MUFFIN-T0101 are one"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"P MUFFIN-P0201 p|MUFFIN R1-T01 and MUFFIN-T01 (R1) and MUFFIN-T0101 are one → address T0101",
		"C MUFFIN-C0201 Resolved: T01: the latest|x → resolve T0101", "U T0101 resolved Muffin C0201"}
	if diff := cmp.Diff(want, brief(rounds(src)[2])); diff != "" {
		t.Errorf("round 2 (-want +got):\n%s", diff)
	}
	if u := rounds(src)[1].TensionUpdates; len(u) != 1 || u[0].ID != "T0001" {
		t.Errorf("round 1 updates %v, want T0001", u)
	}
}

// FuzzReadFolder reads any text as any file of a small folder: never a panic,
// the same answer twice, valid JSON, no expert's line lost, no reference to
// nothing.
func FuzzReadFolder(f *testing.F) {
	files := []string{"round-0/muffin.md", "round-1/muffin.md", "round-0/panel.json", "round-1/scoreboard.md", "scoreboard.md", "tensions.md", "verdict.md", "background.md", "expert-pool.json", "round-1/context-brief.md"}
	for i := range files {
		f.Add(uint8(i), "[PERSPECTIVE P01: A]\ntext\n[RE:SUPPORT P01]\n[RESOLVED T01: x]\n")
		f.Add(uint8(i), "| ID | Tension | Raised By | Status |\n|--|--|--|--|\n| T01 | x | Muffin | RESOLVED |\n")
		f.Add(uint8(i), "| Round | W | C | T | R | Score |\n|--|--|--|--|--|--|\n| 0 | 1 | 1 | 1 | 1 | 4 |\n┌──┐\n│ Topic │ Decision │\n├\n│ a │ b │\n└\n")
		f.Add(uint8(i), `{"panel":[{"name":"Muffin","relevance":1e308}],"experts":[{"role":"Baker"}]}`)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		path := files[int(which)%len(files)]
		fsys := folderOf("round-0/muffin.md", "[TENSION T01: t]\nx\n[PERSPECTIVE P01: A]\nx", "round-1/muffin.md", "[MOVE:CONVERGE]", path, text)
		src, err := ReadFolder(fsys)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadFolder(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(src, again); diff != "" {
			t.Errorf("read twice:\n%s", diff)
		}
		checkSource(t, src)
		if raw := rounds(src)[0].RawContent["Muffin"]; path == files[0] && raw != normal(text) {
			t.Errorf("raw content %q, want %q", raw, normal(text))
		}
	})
}

func normal(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(strings.ToValidUTF8(text, "\ufffd"), "\ufeff"), "\r\n", "\n")
}

// checkSource holds for every source that was read from a folder.
func checkSource(t *testing.T, src *Source) {
	t.Helper()
	placed := map[string]bool{}
	for i, op := range src.Ops {
		if op.Index != i {
			t.Errorf("operation %d has index %d", i, op.Index)
		}
		if op.Round == nil {
			continue
		}
		if _, err := json.Marshal(op.Round); err != nil {
			t.Error(err)
		}
		for kind, drafts := range op.Round.Drafts {
			locals := map[string]bool{}
			for i, d := range drafts {
				if d.Label == "" || d.Text == "" || locals[d.LocalID] {
					t.Errorf("draft %q: label %q, text %q, local id taken %v", d.LocalID, d.Label, d.Text, locals[d.LocalID])
				}
				locals[d.LocalID] = true
				placed[blue.EntityID{Kind: kind, Round: op.Round.Round, Seq: blue.Seq(i + 1)}.String()] = true
			}
		}
		for _, drafts := range op.Round.Drafts {
			for _, d := range drafts {
				for _, ref := range d.References {
					if !placed[ref.Target] {
						t.Errorf("%s refers to %s, which is nothing", d.LocalID, ref.Target)
					}
				}
			}
		}
		for _, u := range op.Round.TensionUpdates {
			if !placed[u.ID] || u.Via != "" && !placed[u.Via] {
				t.Errorf("update of %s via %q", u.ID, u.Via)
			}
		}
	}
}
