package engine

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/internal/testing/shareddata"
	"github.com/superviber/blue-encrypted-store/wire"
)

// replay applies requests to a snapshot in memory, with the rules of this
// package and nothing else: no store, no times.
type replay struct {
	snapshot blue.Snapshot
}

// deliberate lists where the recorded cases and this package differ: per case
// and step the codes of our refusal, "invalid" for ErrInvalid, or "ok" where
// Blue refuses and we take it. The number is the bug of SPEC §13.
var deliberate = map[string]struct {
	bug   string
	steps map[int][]string
}{
	"invalid_display_id_local":               {"§7: local ids resolve", map[int][]string{0: {"ok"}}},
	"passes_bad_refs_on_evidence_and_claims": {"22", map[int][]string{0: {"invalid_ref_type", "invalid_ref_target", "invalid_ref_target", "invalid_display_id", "invalid_ref_type", "invalid_ref_target", "invalid_ref_target"}}},
	"passes_negative_round_in_data":          {"4, 25", map[int][]string{0: {"invalid_round"}}},
	"passes_ref_empty_type_or_target":        {"23", map[int][]string{0: {"invalid_ref_type", "invalid_display_id", "invalid_ref_type", "invalid_display_id"}}},
	"passes_round_100":                       {"9", map[int][]string{0: {"invalid_round"}, 1: {"invalid_round", "invalid_display_id"}}},
	"passes_seq_100":                         {"9", map[int][]string{0: {"invalid_round"}}},
	"passes_signed_display_id":               {"11", map[int][]string{0: {"invalid_display_id", "invalid_display_id"}}},
	"passes_tension_update_bad_status":       {"18", map[int][]string{0: {"invalid_status_transition"}}},
	"passes_tension_update_unknown":          {"24", map[int][]string{0: {"entity_not_found"}}},
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
				r = &replay{blue.Snapshot{Dialogue: blue.Dialogue{ID: "empty", Status: blue.StatusOpen}}}
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
		if !errors.Is(err, blue.ErrInvalid) && !errors.Is(err, blue.ErrRefused) {
			t.Errorf("step %d: %v, want it refused", step, err)
		}
	case status.Status == "success":
		if err != nil {
			t.Errorf("step %d: %v, want success", step, err)
		}
	case !errors.Is(err, blue.ErrRefused):
		t.Errorf("step %d: %v, want a refusal", step, err)
	default:
		fixtures.SameJSON(t, "answer", err, stdout)
	}
}

// errorCases is the dialogue the cases start from: a round 0 with P0001 and
// T0001, and two experts.
func errorCases() *replay {
	return &replay{blue.Snapshot{
		Dialogue: blue.Dialogue{ID: "error-cases", Status: blue.StatusOpen, TotalRounds: 1, TotalAlignment: 10},
		Experts:  []*blue.Expert{{Slug: "Cupcake"}, {Slug: "Muffin"}},
		Rounds:   []*blue.RoundRecord{{Score: 10, OpenTensions: 1, NewPerspectives: 1, PanelSize: 2}},
		Entities: map[blue.Kind][]blue.Contributed{
			blue.KindPerspective: {&blue.Perspective{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindPerspective, Round: 0, Seq: 1}, Status: "open"}}},
			blue.KindTension:     {&blue.Tension{Contribution: blue.Contribution{ID: blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}, Status: blue.StatusOpen}}},
		},
	}}
}

// command runs round-register or verdict-register; it does not run others.
func (r *replay) command(t *testing.T, args []json.RawMessage) (ran bool, err error) {
	t.Helper()
	flags := map[string]json.RawMessage{}
	for i := 1; i+1 < len(args); i += 2 {
		flag := textOf(args[i])
		flags[flag] = args[i+1]
	}
	data := []byte(flags["--data"])
	if text := textOf(flags["--data"]); text != "" { // given as text, not as JSON
		data = []byte(text)
	}
	switch textOf(args[0]) {
	case "round-register":
		if flags["--round"] == nil {
			return false, nil // a flag's answer
		}
		round, err := strconv.Atoi(textOf(flags["--round"]))
		if err != nil {
			t.Fatalf("round %s", flags["--round"])
		}
		_, err = r.round(blue.Round(round), data)
		return true, err
	case "verdict-register":
		return true, r.verdict(data)
	}
	return false, nil
}

func (r *replay) round(round blue.Round, data []byte) ([]blue.Warning, error) {
	s := &r.snapshot
	b, warnings, err := wire.ParseRoundBatch(s.Dialogue.ID, round, data)
	if err != nil {
		return warnings, err
	}
	if err := b.Validate(); err != nil {
		return warnings, err
	}
	if err := checkBatch(b, s); err != nil {
		return warnings, err
	}
	ids := numberDrafts(b, s)
	b = resolveDraftIDs(b, ids)
	s.Rounds = append(s.Rounds, &blue.RoundRecord{
		Round: b.Round, Score: b.Score, Wisdom: b.Wisdom, Consistency: b.Consistency, Truth: b.Truth, Relationships: b.Relationships,
		OpenTensions: b.OpenTensions, NewPerspectives: b.NewPerspectives, ConvergeSignals: b.ConvergeSignals, PanelSize: b.PanelSize,
	})
	s.Dialogue.TotalRounds = max(s.Dialogue.TotalRounds, int64(round)+1)
	s.Dialogue.TotalAlignment += b.Score
	for _, kind := range blue.NumberedKinds() {
		for i, d := range b.Drafts[kind] {
			if err := r.add(ids[kind][i].ID, d); err != nil {
				return warnings, err
			}
		}
	}
	for _, u := range b.TensionUpdates {
		id, err := blue.ParseEntityID(u.ID)
		if err != nil {
			return warnings, err
		}
		e, _ := s.Find(id)
		e.Common().Status = u.Status
	}
	scores, unknown := knownExperts(b, s)
	for slug, score := range scores {
		e, _ := s.Expert(slug)
		if e.Scores == nil {
			e.Scores = map[blue.Round]int64{}
		}
		e.Scores[round] = score
		e.TotalScore += score
	}
	return append(warnings, unknown...), nil
}

func (r *replay) add(id blue.EntityID, d blue.Draft) error {
	c := blue.Contribution{ID: id, Label: d.Label, Contributors: d.Contributors, LocalID: d.LocalID}
	for _, ref := range d.References {
		target, err := blue.ParseEntityID(ref.Target)
		if err != nil {
			return err
		}
		c.References = append(c.References, blue.Reference{Type: blue.RefType(ref.Type), Target: target})
	}
	c.Status = id.Kind.InitialStatus()
	e := id.Kind.New()
	*e.Common() = c
	e.SetText(d.Text)
	if rec, ok := e.(*blue.Recommendation); ok {
		rec.Parameters = d.Parameters
	}
	r.snapshot.Add(e)
	return nil
}

func (r *replay) verdict(data []byte) error {
	s := &r.snapshot
	n, _, err := wire.ParseNewVerdict(s.Dialogue.ID, data)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(s.Verdicts, func(v *blue.Verdict) bool { return v.ID == n.ID }) {
		return blue.ErrConflict
	}
	if n.Type == blue.VerdictFinal {
		if gate := s.CheckConvergence(); gate != nil && !n.Force {
			return gate
		}
		s.Dialogue.Status, s.Dialogue.ConvergedAt = blue.StatusConverged, time.Unix(0, 0)
	}
	s.Verdicts = append(s.Verdicts, &blue.Verdict{ID: n.ID, Type: n.Type, Round: n.Round, Recommendation: n.Recommendation, Description: n.Description})
	return nil
}

// codesOf returns the codes of a validation error, "ok" for nil, or the class of
// another error.
func codesOf(err error) []string {
	var validation *blue.ValidationError
	switch {
	case err == nil:
		return []string{"ok"}
	case errors.As(err, &validation):
		var codes []string
		for _, e := range validation.Errors {
			codes = append(codes, e.Code)
		}
		return codes
	case errors.Is(err, blue.ErrInvalid):
		return []string{"invalid"}
	case errors.Is(err, blue.ErrRefused):
		return []string{"refused"}
	}
	return []string{err.Error()}
}

// textOf returns a JSON text, "" for any other value.
func textOf(raw json.RawMessage) (text string) {
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}
