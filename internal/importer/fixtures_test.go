package importer

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// TestNightBusFolder reads the project's own folder of experts' files. It
// compares the entities, the stated numbers, and each contradiction that was
// written into the folder.
func TestNightBusFolder(t *testing.T) {
	src, _ := folderForm(t, fixtures.NightBus)
	want := map[string]int{
		"rounds": 3, "experts": 6, "perspectives": 12, "tensions": 6, "recommendations": 4, "evidence": 2, "claims": 12, "references": 22,
		"tension_updates": 6, "moves": 11, "convergence_signals": 4, "expert_scores": 14, "verdicts": 1,
	}
	if diff := cmp.Diff(want, src.Found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	numbers := [][]int64{{74, 28, 18, 17, 11, 5, 7, 0, 5}, {81, 26, 20, 21, 14, 3, 4, 1, 5}, {50, 14, 13, 13, 10, 0, 0, 4, 4}}
	for i, b := range rounds(src) {
		if diff := cmp.Diff(numbers[i], numbersOf(b)); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", i, diff)
		}
	}
	contradictions := []string{
		`round-2/panel.json:0 Cupcake is "Depot and Drivers Manager" here, "Depot Manager" before`,
		"round-2/panel.json:0 the relevance of Scone is 0.8 here, 0.75 before",
		"scoreboard.md:19 convergence signals of round 1: stated 20%, which is 1 of 5; counted 0",
		"scoreboard.md:19 open tensions of round 1: stated 3, counted 4",
		"scoreboard.md:20 new perspectives of round 2: stated 0, counted 1",
		"verdict.md:16 tensions resolved: stated 5, counted 6",
		"verdict.md:16 tensions: stated 5, counted 6",
	}
	if diff := cmp.Diff(contradictions, notesOf(src, noteContradiction)); diff != "" {
		t.Errorf("contradictions (-want +got):\n%s", diff)
	}
	unplaced := []string{
		`round-1/eclair.md:10 resolved is "the question of premise", which names no known tension; stored as a claim alone`,
		`tensions.md:19 "TARTLET-T01 (R0)" names no known tension`,
	}
	if diff := cmp.Diff(unplaced, notesOf(src, noteUnplaced)); diff != "" {
		t.Errorf("unplaced (-want +got):\n%s", diff)
	}
	for _, op := range src.Ops { // facts that only the pool states
		if e := op.Expert; e != nil && e.Slug == "Brioche" && (e.Relevance == nil || *e.Relevance != 0.3 || e.Tier != "Wildcard") {
			t.Errorf("Brioche: relevance %v, tier %s", e.Relevance, e.Tier)
		}
	}
	sameVerdict(t, fixtures.NightBus)
}

// TestLibraryHoursFolder reads the project's own folder with a scoreboard in
// each round.
func TestLibraryHoursFolder(t *testing.T) {
	src, _ := folderForm(t, fixtures.LibraryHours)
	want := map[string]int{
		"rounds": 3, "experts": 6, "perspectives": 12, "tensions": 6, "recommendations": 3, "claims": 6, "references": 11,
		"tension_updates": 6, "moves": 0, "convergence_signals": 5, "expert_scores": 12, "verdicts": 1,
	}
	if diff := cmp.Diff(want, src.Found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	numbers := [][]int64{{103, 32, 25, 27, 19, 4, 9, 0, 4}, {153, 42, 38, 38, 35, 3, 6, 2, 5}, {80, 22, 20, 20, 18, 0, 0, 4, 4}}
	for i, b := range rounds(src) {
		if diff := cmp.Diff(numbers[i], numbersOf(b)); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", i, diff)
		}
	}
	contradictions := []string{
		"CONVERGENCE.md:15 tensions resolved: stated 5, counted 4",
		"CONVERGENCE.md:54 T04 is listed as resolved here, the scoreboard says ACCEPTED; it stays addressed",
		"round-0/scoreboard.md:30 new perspectives of round 0: stated 9, counted 4",
		"round-1/scoreboard.md:35 open tensions of round 1: stated 3, counted 4",
		"round-1/scoreboard.md:36 new perspectives of round 1: stated 6, counted 5",
		"round-2/scoreboard.md:30 open tensions of round 2: stated 0, counted 2",
		"round-2/scoreboard.md:31 new perspectives of round 2: stated 0, counted 3",
		"round-2/scoreboard.md:45 convergence signals of round 2: stated 4, counted 3",
		"round-2/scoreboard.md:45 panel size of round 2: stated 4, members of the panel 3",
	}
	if diff := cmp.Diff(contradictions, notesOf(src, noteContradiction)); diff != "" {
		t.Errorf("contradictions (-want +got):\n%s", diff)
	}
	if got := len(notesOf(src, noteUnplaced)); got != 4 { // three signals that are none, one status
		t.Errorf("%d unplaced, want 4: %q", got, notesOf(src, noteUnplaced))
	}
	if v := src.Ops[len(src.Ops)-1].Verdict; !slices.Equal(v.TensionsAccepted, []string{"T0004"}) || len(v.TensionsResolved) != 5 || v.Confidence != "unanimous" {
		t.Errorf("verdict: accepted %v, %d resolved, confidence %q", v.TensionsAccepted, len(v.TensionsResolved), v.Confidence)
	}
	sameVerdict(t, fixtures.LibraryHours)
}

// sameVerdict compares the verdict of the folder with the verdict of the operations.
func sameVerdict(t *testing.T, name string) {
	t.Helper()
	type essence struct {
		Recommendation, Vote, Confidence        string
		Conditions, Resolved, Accepted, Adopted []string
		Supporting                              []blue.ExpertSlug
	}
	of := func(src *Source) essence {
		v := src.Ops[len(src.Ops)-1].Verdict
		return essence{v.Recommendation, v.Vote, v.Confidence, v.Conditions, v.TensionsResolved, v.TensionsAccepted, v.RecommendationsAdopted, v.SupportingExperts}
	}
	folder, _ := folderForm(t, name)
	if diff := cmp.Diff(of(operationsForm(t, name)), of(folder)); diff != "" {
		t.Errorf("verdict (-operations +folder):\n%s", diff)
	}
}
