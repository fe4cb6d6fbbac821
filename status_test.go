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
		statuses := Statuses(kind)
		if !ValidStatus(kind, InitialStatus(kind)) || InitialStatus(kind) != statuses[0] {
			t.Errorf("%s begins as %q", kind, InitialStatus(kind))
		}
		for _, from := range append(statuses, "", "closed") {
			for _, to := range append(statuses, "", "closed") {
				if got, want := MayTransition(kind, from, to), slices.Contains(allowed[kind], from+"→"+to); got != want {
					t.Errorf("%s %q → %q: %v, want %v", kind, from, to, got, want)
				}
			}
		}
	}
}

func TestClosedLists(t *testing.T) {
	for _, s := range []string{"", "Open", " open", "closed"} {
		if DialogueStatus(s).Valid() || RoundStatus(s).Valid() || ValidStatus(KindTension, s) || VerdictType(s).Valid() ||
			MoveType(s).Valid() || Tier(s).Valid() || ExpertSource(s).Valid() || RefType(s).Valid() {
			t.Errorf("%q is in a closed list", s)
		}
	}
	if Tier("core").Valid() || !Tier("Core").Valid() {
		t.Error("tiers are capitalised")
	}
	if InitialStatus(KindVerdict) != "" || Statuses(KindMove) != nil || ValidStatus(KindVerdict, "open") {
		t.Error("a kind without a lifecycle has a status")
	}
}

// What the lists hand out can be changed without changing the rules.
func TestListsAreCopies(t *testing.T) {
	RefTypes()[0], Statuses(KindTension)[0], DialogueStatuses()[0] = "x", "x", "x"
	if !RefSupport.Valid() || InitialStatus(KindTension) != "open" || !DialogueOpen.Valid() {
		t.Error("a caller changed a closed list")
	}
}
