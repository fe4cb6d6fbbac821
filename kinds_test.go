package blue

import (
	"slices"
	"testing"
)

// The lifecycles of SPEC §5, DESIGN, written as every allowed step.
func TestLifecycles(t *testing.T) {
	allowed := map[Kind][]string{
		KindPerspective:    {"open→refined", "open→conceded", "open→merged"},
		KindTension:        {"open→addressed", "addressed→resolved", "resolved→reopened", "reopened→addressed", "reopened→resolved"},
		KindRecommendation: {"proposed→amended", "proposed→adopted", "proposed→rejected", "amended→adopted", "amended→rejected"},
		KindEvidence:       {"cited→challenged", "challenged→confirmed", "challenged→refuted"},
		KindClaim: {"asserted→supported", "asserted→opposed", "supported→adopted", "supported→withdrawn",
			"opposed→adopted", "opposed→withdrawn"},
	}
	for _, kind := range NumberedKinds() {
		statuses := kind.Statuses()
		if !kind.HasStatus(kind.InitialStatus()) || kind.InitialStatus() != statuses[0] {
			t.Errorf("%s begins as %q", kind, kind.InitialStatus())
		}
		for _, from := range append(statuses, "", "closed") {
			for _, to := range append(statuses, "", "closed") {
				if got, want := kind.CanChange(from, to), slices.Contains(allowed[kind], string(from+"→"+to)); got != want {
					t.Errorf("%s %q → %q: %v, want %v", kind, from, to, got, want)
				}
			}
		}
	}
}

func TestClosedLists(t *testing.T) {
	for _, s := range []string{"", "Open", " open", "closed"} {
		if KindDialogue.HasStatus(Status(s)) || KindRound.HasStatus(Status(s)) || KindTension.HasStatus(Status(s)) || VerdictType(s).Valid() ||
			MoveType(s).Valid() || Tier(s).Valid() || ExpertSource(s).Valid() || RefType(s).Valid() {
			t.Errorf("%q is in a closed list", s)
		}
	}
	if Tier("core").Valid() || !Tier("Core").Valid() {
		t.Error("tiers are capitalised")
	}
	if KindVerdict.InitialStatus() != "" || KindMove.Statuses() != nil || KindVerdict.HasStatus("open") {
		t.Error("a kind without a lifecycle has a status")
	}
}

// What the lists hand out can be changed without changing the rules.
func TestListsAreCopies(t *testing.T) {
	RefTypes()[0], KindTension.Statuses()[0], KindDialogue.Statuses()[0] = "x", "x", "x"
	if !RefType("support").Valid() || KindTension.InitialStatus() != StatusOpen || !KindDialogue.HasStatus(StatusOpen) {
		t.Error("a caller changed a closed list")
	}
}
