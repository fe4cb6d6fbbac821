package blue

import (
	"errors"
	"slices"
	"strings"
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

// A caller can change a returned list without changing the rules.
func TestListsAreCopies(t *testing.T) {
	RefTypes()[0], KindTension.Statuses()[0], KindDialogue.Statuses()[0] = "x", "x", "x"
	if !RefType("support").Valid() || KindTension.InitialStatus() != StatusOpen || !KindDialogue.HasStatus(StatusOpen) {
		t.Error("a caller changed a closed list")
	}
}

// planted is an entity of a kind that the table does not have.
type planted struct {
	Contribution
	Content string `sealed:"content"`
}

func (e *planted) Text() string        { return e.Content }
func (e *planted) SetText(text string) { e.Content = text }

// A row of the table is enough for ids, messages, validation and snapshots.
func TestPlantedRow(t *testing.T) {
	before := kinds
	defer func() { kinds = before }()
	kinds = append(slices.Clone(kinds), kindRow{
		kind: "objection", plural: "objections", statuses: []Status{"raised", "answered"}, letter: 'O', rank: 6,
		word: "Objection", text: "content", shape: "octagon",
		moves: map[Status][]Status{"raised": {"answered"}}, fresh: func() Contributed { return new(planted) },
	})
	const kind = Kind("objection")
	id, err := ParseEntityID("O0102")
	if err != nil || id != (EntityID{kind, 1, 2}) || id.String() != "O0102" {
		t.Errorf("O0102 is %+v, %v", id, err)
	}
	if k := NumberedKinds(); k[len(k)-1] != kind || (EntityID{KindClaim, 9, 9}).Compare(id) >= 0 {
		t.Errorf("the order is %v", k)
	}
	for _, want := range []string{invalidDisplayID("x").Message, *invalidEntityType("x").Suggestion} {
		if !strings.Contains(want, "|O]") && !strings.HasSuffix(want, "C (Claim), or O (Objection)") {
			t.Errorf("a message leaves the kind out: %s", want)
		}
	}
	b := RoundBatch{Drafts: map[Kind][]Draft{kind: {{Label: "L", LocalID: "a", References: []RefDraft{{"refine", "a"}, {"refine", "P0001"}}}}}}
	validation, _ := errors.AsType[*ValidationError](b.Validate())
	if validation == nil || len(validation.Errors) != 2 || validation.Errors[0].Field != "objections[0].content" || validation.Errors[1].Code != codeInvalidRefTarget {
		t.Errorf("validation: %v", validation)
	}
	var s Snapshot
	e := kind.New()
	e.Common().ID = id
	s.Add(e)
	if found, ok := s.Find(id); !ok || found != e || len(s.Contributed()) != 1 || e.EntityKey() != (EntityKey{kind, "O0102"}) {
		t.Errorf("the snapshot holds %v", s.Contributed())
	}
	if kind.InitialStatus() != "raised" || !kind.CanChange("raised", "answered") || kind.EventKind() != "objection_event" {
		t.Error("the lifecycle is not the row's")
	}
}
