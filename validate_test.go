package blue

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/internal/testing/shareddata"
)

// deliberate lists where the recorded cases and this package differ: per case
// and step the codes of our refusal, "invalid" for ErrInvalid, or "ok" where
// Blue refuses and we take it. The number is the bug of SPEC §13.
var deliberate = map[string]struct {
	bug   string
	steps map[int][]string
}{
	"invalid_display_id_local":               {"§7: local ids resolve", map[int][]string{0: {"ok"}}},
	"passes_bad_refs_on_evidence_and_claims": {"22", map[int][]string{0: {CodeInvalidRefType, CodeInvalidRefTarget, CodeInvalidRefTarget, CodeInvalidDisplayID, CodeInvalidRefType, CodeInvalidRefTarget, CodeInvalidRefTarget}}},
	"passes_negative_round_in_data":          {"4, 25", map[int][]string{0: {CodeInvalidRound}}},
	"passes_ref_empty_type_or_target":        {"23", map[int][]string{0: {CodeInvalidRefType, CodeInvalidDisplayID, CodeInvalidRefType, CodeInvalidDisplayID}}},
	"passes_round_100":                       {"9", map[int][]string{0: {CodeInvalidRound}, 1: {CodeInvalidRound, CodeInvalidDisplayID}}},
	"passes_seq_100":                         {"9", map[int][]string{0: {CodeInvalidRound}}},
	"passes_signed_display_id":               {"11", map[int][]string{0: {CodeInvalidDisplayID, CodeInvalidDisplayID}}},
	"passes_tension_update_bad_status":       {"18", map[int][]string{0: {CodeInvalidTransition}}},
	"passes_tension_update_unknown":          {"24", map[int][]string{0: {CodeEntityNotFound}}},
}

// recordedCase is one file pair of shared/blue/cases/errors.
type recordedCase struct {
	Steps []struct {
		CLI   []json.RawMessage
		Probe string
	}
	SQL, Project json.RawMessage // a damaged or unusual database: not for rules
}

type recordedAnswer struct {
	Steps []struct {
		Exit   int
		Stdout json.RawMessage
		Stderr string
	}
}

// TestCases runs every round-register and verdict-register step of the
// project's own cases and compares the whole answer.
func TestCases(t *testing.T) {
	compared := 0
	for _, c := range fixtures.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			r := errorCases()
			for i, step := range c.Steps {
				if step.Exit == 3 || step.Exit == 8 || strings.Contains(string(step.Stdout), `"repeated"`) {
					continue // a store's answer
				}
				if ran, err := r.command(t, step.CLI[1:]); ran {
					compared++
					exit := 0
					if step.Codes != nil {
						for i, c := range step.Codes {
							_, step.Codes[i], _ = strings.Cut(c, ": ")
						}
						if got := codesOf(err); !slices.Equal(got, step.Codes) {
							t.Errorf("step %d: %v, want %v", i, got, step.Codes)
						}
						continue
					}
					if step.Stdout == nil { // refused without an object on standard output
						exit = 1
					}
					sameAnswer(t, i, err, exit, step.Stdout)
				}
			}
		})
	}
	if compared < 60 {
		t.Errorf("only %d steps were compared", compared)
	}
}

// TestRecordedCases runs every round-register and verdict-register step of
// the recorded cases and compares the whole answer.
func TestRecordedCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shareddata.Path(t, "blue", "cases", "errors"), "*.in.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	compared := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.json")
		t.Run(name, func(t *testing.T) { compared[name] = runCase(t, name) })
	}
	for name := range deliberate {
		if compared[name] == 0 {
			t.Errorf("no step of the case %s was compared", name)
		}
	}
	total := 0
	for _, n := range compared {
		total += n
	}
	if total < 70 {
		t.Errorf("only %d steps were compared", total)
	}
}

func runCase(t *testing.T, name string) (compared int) {
	var in recordedCase
	var out recordedAnswer
	fixtures.ReadJSON(t, shareddata.Path(t, "blue", "cases", "errors", name+".in.json"), &in)
	fixtures.ReadJSON(t, shareddata.Path(t, "blue", "cases", "errors", name+".out.json"), &out)
	if in.SQL != nil || in.Project != nil {
		return 0
	}
	r := errorCases()
	for i, step := range in.Steps {
		if len(step.CLI) == 0 {
			if step.Probe == "create-dialogue" {
				r = &replay{Snapshot{Dialogue: Dialogue{ID: "empty", Status: StatusOpen}}}
			}
			continue
		}
		answer := out.Steps[i]
		if strings.Contains(answer.Stderr, "Dialogue not found") || answer.Exit == 2 {
			continue // a store's answer, or a flag's
		}
		ran, err := r.command(t, step.CLI)
		if !ran {
			continue
		}
		compared++
		if codes, ok := deliberate[name].steps[i]; ok {
			if got := codesOf(err); !slices.Equal(got, codes) {
				t.Errorf("step %d: %v, want %v (bug %s)", i, got, codes, deliberate[name].bug)
			}
			continue
		}
		sameAnswer(t, i, err, answer.Exit, answer.Stdout)
	}
	return compared
}

func sameAnswer(t *testing.T, step int, err error, exit int, stdout []byte) {
	t.Helper()
	var status struct{ Status string }
	_ = json.Unmarshal(stdout, &status)
	switch {
	case exit == 1:
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrRefused) {
			t.Errorf("step %d: %v, want it refused", step, err)
		}
	case status.Status == "success":
		if err != nil {
			t.Errorf("step %d: %v, want success", step, err)
		}
	case !errors.Is(err, ErrRefused):
		t.Errorf("step %d: %v, want a refusal", step, err)
	default:
		sameJSON(t, "answer", err, stdout)
	}
}

// errorCases is the dialogue the cases start from: a round 0 with P0001 and
// T0001, and two experts.
func errorCases() *replay {
	return &replay{Snapshot{
		Dialogue:     Dialogue{ID: "error-cases", Status: StatusOpen, TotalRounds: 1, TotalAlignment: 10},
		Experts:      []*Expert{{Slug: "Cupcake"}, {Slug: "Muffin"}},
		Rounds:       []*RoundRecord{{Score: 10, OpenTensions: 1, NewPerspectives: 1, PanelSize: 2}},
		Entities: map[Kind][]Contributed{
			KindPerspective: {&Perspective{Contribution: Contribution{ID: EntityID{KindPerspective, 0, 1}, Status: "open"}}},
			KindTension:     {&Tension{Contribution: Contribution{ID: EntityID{KindTension, 0, 1}, Status: StatusOpen}}},
		},
	}}
}

// command runs round-register or verdict-register; it does not run others.
func (r *replay) command(t *testing.T, args []json.RawMessage) (ran bool, err error) {
	t.Helper()
	flags := map[string]json.RawMessage{}
	for i := 1; i+1 < len(args); i += 2 {
		flag, _ := textOf(args[i])
		flags[flag] = args[i+1]
	}
	data := []byte(flags["--data"])
	if text, ok := textOf(flags["--data"]); ok { // given as text, not as JSON
		data = []byte(text)
	}
	switch name, _ := textOf(args[0]); name {
	case "round-register":
		if flags["--round"] == nil {
			return false, nil // a flag's answer
		}
		text, _ := textOf(flags["--round"])
		round, ok := integerOf(json.RawMessage(text))
		if !ok {
			t.Fatalf("round %s", flags["--round"])
		}
		_, err = r.round(Round(round), data)
		return true, err
	case "verdict-register":
		return true, r.verdict(data)
	}
	return false, nil
}

func codesOf(err error) []string {
	var validation *ValidationError
	switch {
	case err == nil:
		return []string{"ok"}
	case errors.As(err, &validation):
		var codes []string
		for _, e := range validation.Errors {
			codes = append(codes, e.Code)
		}
		return codes
	case errors.Is(err, ErrInvalid):
		return []string{"invalid"}
	case errors.Is(err, ErrRefused):
		return []string{"refused"}
	}
	return []string{err.Error()}
}

func TestValidateOwnRules(t *testing.T) {
	ok := func(local string, refs ...RefDraft) Draft {
		return Draft{LocalID: local, Label: "L", Text: "C", References: refs}
	}
	tests := []struct {
		name  string
		batch RoundBatch
		want  []string // "field code"
	}{
		{"nothing wrong", RoundBatch{}, nil},
		{"round", RoundBatch{Round: 100}, []string{"round invalid_round"}},
		{"negative round", RoundBatch{Round: -1}, []string{"round invalid_round"}},
		{"local id as target", RoundBatch{Drafts: map[Kind][]Draft{
			KindPerspective: {ok("MUFFIN-P0101", RefDraft{"resolve", "CUPCAKE-T0101"})}, KindTension: {ok("CUPCAKE-T0101")}}}, nil},
		{"kind of a local target", RoundBatch{Drafts: map[Kind][]Draft{
			KindPerspective: {ok("a", RefDraft{"resolve", "a"}, RefDraft{"refine", "b"})}, KindTension: {ok("b", RefDraft{"refine", "b"})}}},
			[]string{"perspectives[0].references[0] invalid_ref_target", "perspectives[0].references[1] invalid_ref_target"}},
		{"unknown local target", RoundBatch{Drafts: map[Kind][]Draft{KindClaim: {ok("a", RefDraft{"support", "b"})}}},
			[]string{"claims[0].references[0].target invalid_display_id"}},
		{"a display id is not a local id", RoundBatch{Drafts: map[Kind][]Draft{KindClaim: {ok("T0001", RefDraft{"resolve", "T0001"})}}}, nil},
		{"local id twice, across kinds", RoundBatch{Drafts: map[Kind][]Draft{KindPerspective: {ok("a")}, KindClaim: {ok("a"), ok(""), ok("")}}},
			[]string{"claims[0].local_id duplicate_entity"}},
		{"tension update of a local tension", RoundBatch{Drafts: map[Kind][]Draft{KindTension: {ok("x")}, KindClaim: {ok("y")}},
			TensionUpdates: []TensionUpdate{{ID: "x", Status: "resolved"}, {ID: "y", Status: "resolved"}, {ID: "z", Status: ""}}},
			[]string{"tension_updates[1].id type_id_mismatch", "tension_updates[2].id invalid_display_id",
				"tension_updates[2].status invalid_status_transition"}},
		{"moves", RoundBatch{Moves: []MoveDraft{{Expert: "Muffin", Type: "bridge", Targets: []string{"anything"}},
			{}, {Expert: "a#b", Type: "attack"}}},
			[]string{"moves[1].expert missing_field", "moves[1].type missing_field", "moves[2].expert expert_not_in_dialogue",
				"moves[2].type invalid_status_transition"}},
		{"too many moves of one expert", RoundBatch{Moves: slices.Repeat([]MoveDraft{{Expert: "Muffin", Type: "defend"}}, 101)},
			[]string{"moves[99] invalid_round"}},
		{"too many", RoundBatch{Drafts: map[Kind][]Draft{KindEvidence: slices.Repeat([]Draft{ok("")}, 100)}},
			[]string{"evidence invalid_round"}},
		{"as many as fit", RoundBatch{Drafts: map[Kind][]Draft{KindEvidence: slices.Repeat([]Draft{ok("")}, 99)}}, nil},
		{"not a kind", RoundBatch{Drafts: map[Kind][]Draft{KindVerdict: {ok("")}}}, []string{"drafts invalid_entity_type"}},
		{"one expert in two cases", RoundBatch{ExpertScores: map[ExpertSlug]int64{"Muffin": 1, "muffin": 2}},
			[]string{"expert_scores duplicate_entity"}},
	}
	for _, test := range tests {
		var got []string
		if err := test.batch.Validate(); err != nil {
			for _, e := range err.(*ValidationError).Errors {
				got = append(got, e.Field+" "+e.Code)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
	}
}

func TestValidateAgainst(t *testing.T) {
	s := &errorCases().snapshot
	draft := Draft{Label: "L", Text: "D", LocalID: "local"}
	update := func(id string) RoundBatch {
		return RoundBatch{Round: 1, Drafts: map[Kind][]Draft{KindTension: {draft}}, TensionUpdates: []TensionUpdate{{ID: id, Status: "resolved"}}}
	}
	for id, want := range map[string]string{
		"T0001": "ok", "local": "ok", "T0101": "ok", // the batch makes T0101
		"T0102": CodeEntityNotFound, "T0100": CodeEntityNotFound, "T0000": CodeEntityNotFound, "T9901": CodeEntityNotFound,
		"P0001": CodeTypeIDMismatch,
	} {
		if got := codesOf(update(id).ValidateAgainst(s)); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", id, got, want)
		}
	}
	full := RoundBatch{Round: 0, Drafts: map[Kind][]Draft{KindTension: slices.Repeat([]Draft{{Label: "L", Text: "D"}}, 99)}}
	if got := codesOf(full.ValidateAgainst(s)); !slices.Equal(got, []string{CodeInvalidRound}) {
		t.Errorf("99 more after T0001: %v", got)
	}
	if err := full.Validate(); err != nil {
		t.Errorf("99 alone: %v", err)
	}
}

// A refusal names fields and codes, and no entity's text.
func TestValidationErrorHidesText(t *testing.T) {
	b := RoundBatch{Drafts: map[Kind][]Draft{KindPerspective: slices.Repeat([]Draft{{Text: "secret words"}}, 7)}}
	err := b.Validate()
	if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "and 2 more") {
		t.Error(err)
	}
}
