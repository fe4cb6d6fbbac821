package view

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
)

func ptr[T any](v T) *T { return &v }

// full is a dialogue in which every member of the document has a value at one
// place, and is absent or empty at another where it can be.
func fullDialogue() *blue.Snapshot {
	id := func(k blue.Kind, r blue.Round, s blue.Seq) blue.EntityID {
		return blue.EntityID{Kind: k, Round: r, Seq: s}
	}
	c1, t1 := id(blue.KindClaim, 0, 1), id(blue.KindTension, 0, 1)
	east := time.FixedZone("east", 2*3600)
	return &blue.Snapshot{
		Dialogue: blue.Dialogue{
			ID: "größe", Title: "Größe", Question: "<&> \u2028?", Status: blue.StatusConverged, CreatedAt: noon.In(east), ConvergedAt: at(90),
			TotalRounds: 11, TotalAlignment: -3, OutputDir: "out", Calibrated: true, DomainID: "d", EthosID: "e",
			Background: &blue.Background{Subject: "s", Situation: ptr(""), Constraints: []byte(`{"b":[1,2.50,1e2],"a":{}}`)},
		},
		Experts: []*blue.Expert{ // in storage order: by lower-case slug
			{Slug: "alpha", Tier: "Core", Source: "pool", Role: "r", CreatedAt: noon},
			{Slug: "Beta", Tier: "Wildcard", Source: "created", Role: "", Relevance: ptr(0.0), FirstRound: ptr(blue.Round(0)), TotalScore: 7, CreatedAt: noon,
				Description: "d", Focus: "f", CreationReason: "c", Color: "#fff",
				Scores: map[blue.Round]int64{2: 3, 10: 4}, RawContent: map[blue.Round]string{2: "# text\n", 10: ""}},
		},
		Rounds: []*blue.RoundRecord{
			{Round: 2, Status: "completed", Score: 1, Wisdom: 2, Consistency: 3, Truth: 4, Relationships: 5, OpenTensions: 6, NewPerspectives: 7,
				ConvergeSignals: 5, PanelSize: 2, CreatedAt: at(1), CompletedAt: at(2), Title: "t", Summary: "s",
				Signals: map[blue.ExpertSlug]time.Time{"alpha": at(3), "Beta": at(4)}},
			{Round: 10, Status: blue.StatusOpen, Score: -4, CreatedAt: at(50)},
		},
		Entities: map[blue.Kind][]blue.Contributed{
			blue.KindPerspective: {
				&blue.Perspective{Contribution: blue.Contribution{ID: id(blue.KindPerspective, 10, 1), CreatedAt: at(51), Label: "later", Status: "merged"}},
				&blue.Perspective{Contribution: blue.Contribution{ID: id(blue.KindPerspective, 2, 1), CreatedAt: at(1), Label: "l", Contributors: []blue.ExpertSlug{"alpha", "Judge"}, LocalID: "ALPHA-P0201", Status: "open"}, Content: "\x01\x1b\b\f"},
			},
			blue.KindTension: {&blue.Tension{Contribution: blue.Contribution{ID: t1, CreatedAt: at(1), Label: "t", Contributors: []blue.ExpertSlug{}, Status: "resolved"}, Description: "d"}},
			blue.KindRecommendation: {
				&blue.Recommendation{Contribution: blue.Contribution{ID: id(blue.KindRecommendation, 2, 1), CreatedAt: at(1), Label: "r", Status: "adopted",
					References: []blue.Reference{{Type: "address", Target: t1}, {Type: "depend", Target: id(blue.KindEvidence, 2, 1)}}},
					AdoptedInVerdict: "V1", Parameters: []byte(`null`)},
				&blue.Recommendation{Contribution: blue.Contribution{ID: id(blue.KindRecommendation, 2, 2), CreatedAt: at(1), Status: "proposed"}, Parameters: []byte(` [18446744073709551615, "x", {"z":1,"a":-0}] `)},
			},
			blue.KindEvidence: {&blue.Evidence{Contribution: blue.Contribution{ID: id(blue.KindEvidence, 2, 1), CreatedAt: at(1), Label: "e", Status: "cited"}, Content: "c"}},
			blue.KindClaim: {&blue.Claim{Contribution: blue.Contribution{ID: c1, CreatedAt: at(1), Label: "c", Status: "asserted",
				References: []blue.Reference{{Type: "resolve", Target: t1}}}, Content: "c"}},
		},
		Moves: []*blue.Move{
			{Round: 2, Expert: "beta", Seq: 1, Type: "bridge", CreatedAt: at(1), Display: "Beta", Targets: []string{"P0201"}, Context: "c"},
			{Round: 2, Expert: "gone", Seq: 1, Type: "converge", CreatedAt: at(1)},
		},
		Events: []*blue.Event{
			{Of: t1, Stamp: "1", Type: "created", CreatedAt: at(1)},
			{Of: t1, Stamp: "2", Type: "resolved", Round: 2, CreatedAt: at(60), Actors: []blue.ExpertSlug{"Beta"}, Reason: "r", Reference: "C0001", ResultID: "P0201"},
		},
		Verdicts: []*blue.Verdict{
			{ID: "V2", Type: "final", Round: 10, CreatedAt: at(90), Recommendation: "r", ConfidenceText: "a long sentence", Forced: true, Conditions: []string{}},
			{ID: "V1", Type: "interim", Round: 10, CreatedAt: at(59), AuthorExpert: "Beta", Recommendation: "r", Description: "d", Conditions: []string{"c"}, Vote: "2-1",
				Confidence: "strong", SupportingExperts: []blue.ExpertSlug{"alpha"}, TensionsAccepted: []string{"T0001"}, EthosCompliance: []byte(`{"ok":true}`)},
		},
	}
}

func TestExportGolden(t *testing.T) {
	for name, s := range map[string]*blue.Snapshot{"full": fullDialogue(), "empty": {}} {
		var b bytes.Buffer
		if err := WriteExport(&b, s, time.Date(2026, 12, 1, 9, 30, 0, 120, time.FixedZone("", 3600))); err != nil {
			t.Fatal(err)
		}
		path := "testdata/export/" + name + ".json"
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s differs; run with -update if that is meant (-want +got):\n%s", path, d)
		}
		if bytes.HasSuffix(b.Bytes(), []byte("\n")) {
			t.Errorf("%s ends in a line feed", name)
		}
	}
}

// TestWriteTwice: members come from maps, their order does not.
func TestWriteTwice(t *testing.T) {
	var first, again bytes.Buffer
	for range 20 {
		again.Reset()
		if err := WriteExport(&again, fullDialogue(), noon); err != nil {
			t.Fatal(err)
		}
		if first.Len() == 0 {
			first.Write(again.Bytes())
		}
		if !bytes.Equal(first.Bytes(), again.Bytes()) {
			t.Fatal("the same dialogue became other bytes")
		}
	}
}

func TestExportWriteErrors(t *testing.T) {
	bad := []byte(`{"secret": "words`)
	spoil := map[string]func(*blue.Snapshot){
		"parameters":       func(s *blue.Snapshot) { s.Recommendations()[0].Parameters = bad },
		"constraints":      func(s *blue.Snapshot) { s.Dialogue.Background.Constraints = bad },
		"ethos_compliance": func(s *blue.Snapshot) { s.Verdicts[0].EthosCompliance = bad },
	}
	for name, f := range spoil {
		s := fullDialogue()
		f(s)
		var b bytes.Buffer
		err := WriteExport(&b, s, noon)
		if !errors.Is(err, blue.ErrInvalid) || b.Len() > 0 {
			t.Errorf("%s: error %v after %d bytes", name, err, b.Len())
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("%s: the error shows the dialogue: %v", name, err)
		}
	}
	r, w := io.Pipe()
	r.Close()
	if err := WriteExport(w, fullDialogue(), noon); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a closed writer: %v", err)
	}
}
