package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

func TestParseRoundBatch(t *testing.T) {
	const data = `{"score": -5, "title": "T", "summary": "S", "dialogue_id": "d", "round": 1,
		"score_components": {"wisdom": 1, "consistency": 2, "truth": -3, "relationships": 4},
		"open_tensions": 1, "new_perspectives": -2, "converge_signals": 3, "panel_size": 4,
		"perspectives": [{"local_id": "MUFFIN-P0101", "label": "L", "content": "C", "contributors": ["Muffin", 5],
			"references": [{"type": "support", "target": "P0001"}, {"target": "T0001"}, "x"], "parameters": 1}],
		"tensions": [{"label": "L", "description": "D", "content": "ignored", "contributors": "Muffin"}, 7],
		"recommendations": [{"label": "L", "content": "C", "parameters": null}, {"label": "L", "content": "C", "parameters": {"a": [1, 2.50]}},
			{"label": "L", "content": "C"}],
		"tension_updates": [{"id": "T0001", "by": "Muffin"}, {"id": "T0002", "status": "resolved", "by": ["Muffin", "Scone"], "via": "words"},
			{"id": "T0003", "status": 5, "by": 6}],
		"expert_scores": {"Muffin": 4, "Cupcake": 2.5, "Scone": 3.0},
		"raw_content": {"Muffin": "text", "Scone": 5},
		"moves": [{"expert": "Muffin", "type": "bridge", "targets": ["P0001", 1], "context": "c"}, {}],
		"claims": {"label": "x"}, "foo": 1}`
	got, warnings, err := ParseRoundBatch("d", 1, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	want := blue.RoundBatch{
		Round: 1, Score: -5, Title: "T", Summary: "S", Wisdom: 1, Consistency: 2, Truth: -3, Relationships: 4,
		OpenTensions: 1, NewPerspectives: -2, ConvergeSignals: 3, PanelSize: 4,
		Drafts: map[blue.Kind][]blue.Draft{
			blue.KindPerspective: {{LocalID: "MUFFIN-P0101", Label: "L", Text: "C", Contributors: []blue.ExpertSlug{"Muffin"},
				References: []blue.RefDraft{{Type: "support", Target: "P0001"}, {Target: "T0001"}, {}}}},
			blue.KindTension: {{Label: "L", Text: "D"}, {}},
			blue.KindRecommendation: {{Label: "L", Text: "C", Parameters: json.RawMessage(`null`)},
				{Label: "L", Text: "C", Parameters: json.RawMessage(`{"a":[1,2.50]}`)}, {Label: "L", Text: "C"}},
		},
		TensionUpdates: []blue.TensionUpdate{
			{ID: "T0001", Status: "open", By: []blue.ExpertSlug{"Muffin"}},
			{ID: "T0002", Status: "resolved", By: []blue.ExpertSlug{"Muffin", "Scone"}, Via: "words"},
			{ID: "T0003", Status: ""},
		},
		ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 4, "Scone": 3},
		RawContent:   map[blue.ExpertSlug]string{"Muffin": "text"},
		Moves:        []blue.MoveDraft{{Expert: "Muffin", Type: "bridge", Targets: []string{"P0001"}, Context: "c"}, {}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	var messages []string
	for _, w := range warnings {
		if w.Type != "unknown_field" {
			t.Errorf("warning of type %s", w.Type)
		}
		messages = append(messages, w.Message)
	}
	slices.Sort(messages)
	wantMessages := []string{
		"claims is not a list and was ignored",
		"expert_scores.Cupcake is not an integer and was ignored",
		"moves[0].targets[1] is not a text and was ignored",
		"perspectives[0].contributors[1] is not a text and was ignored",
		"raw_content.Scone is not a text and was ignored",
		"tension_updates[2].by is not a list and was ignored",
		"tension_updates[2].status is not a text and was ignored",
		"tensions[0].contributors is not a list and was ignored",
		"unknown field foo was ignored",
		"unknown field perspectives[0].parameters was ignored",
		"unknown field tensions[0].content was ignored",
	}
	if !slices.Equal(messages, wantMessages) {
		t.Errorf("warnings\n got %q\nwant %q", messages, wantMessages)
	}
}

func TestParseRoundBatchNumbers(t *testing.T) {
	tests := []struct {
		data  string
		want  string // what codesOf says
		score int64
	}{
		{`{"score": 9223372036854775807}`, "ok", 9223372036854775807},
		{`{"score": 4294967303}`, "ok", 4294967303}, // bug 12: Blue stores 7
		{`{"score": 9223372036854775808}`, "refused", 0},
		{`{"score": 1.0}`, "ok", 1},
		{`{"score": -0}`, "ok", 0},
		{`{"score": 1.5}`, "refused", 0},
		{`{"score": 1e3}`, "refused", 0},
		{`{"score": "1"}`, "refused", 0},
		{`{"score": null}`, "refused", 0},
		{`{}`, "refused", 0},
		{`[]`, "invalid", 0},
		{`null`, "invalid", 0},
		{`{"score": 1, "open_tensions": 0.5}`, "refused", 0},
		{`{"score": 1, "open_tensions": "3"}`, "refused", 0},
		{`{"score": 1, "panel_size": 1e30}`, "refused", 0},
		{`{"score": 1, "score_components": {"truth": 18446744073709551616}}`, "refused", 0},
		{`{"score": 1, "expert_scores": {"Muffin": 9223372036854775808}}`, "refused", 0},
		{`{"score": 1, "score_components": 5, "open_tensions": null}`, "ok", 1},
		{`{"score": 1, "dialogue_id": "other"}`, "entity_not_found", 0},
		{`{"score": 1, "dialogue_id": 5}`, "entity_not_found", 0},
		{`{"score": 1, "round": 2}`, "invalid_round", 0},
		{`{"score": 1, "round": "1"}`, "invalid_round", 0},
		{`{"score": 1, "round": 1, "dialogue_id": "d"}`, "ok", 1},
		{`{"score": 1, "round": null, "dialogue_id": null}`, "ok", 1},
	}
	for _, test := range tests {
		b, _, err := ParseRoundBatch("d", 1, []byte(test.data))
		if got := codesOf(err); got[0] != test.want || b.Score != test.score {
			t.Errorf("%s: %v %d, want %s %d", test.data, got, b.Score, test.want, test.score)
		}
	}
	if _, _, err := ParseRoundBatch("d", 1, []byte(`{"score":1.5}`)); !strings.Contains(err.Error(), "Invalid params") {
		t.Error(err)
	}
	_, _, err := ParseRoundBatch("d", 1, []byte(`{"score":1,"round":2,"dialogue_id":"x"}`))
	if got := codesOf(err); !slices.Equal(got, []string{"entity_not_found", "invalid_round"}) {
		t.Errorf("both wrong: %v", got)
	}
}

func TestParseRoundBatchMetrics(t *testing.T) {
	for data, want := range map[string][4]int64{
		`{"score":1,"open_tensions":-3,"new_perspectives":0,"converge_signals":-1}`:                {0, 0, 0, 0},
		`{"score":1,"open_tensions":-3,"new_perspectives":1,"converge_signals":2,"panel_size":-2}`: {-3, 1, 2, -2},
	} {
		b, _, err := ParseRoundBatch("d", 0, []byte(data))
		if got := [4]int64{b.OpenTensions, b.NewPerspectives, b.ConvergeSignals, b.PanelSize}; err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", data, got, err, want)
		}
	}
}

func TestParseNewVerdict(t *testing.T) {
	const required = `"verdict_id":"V01","verdict_type":"interim","round":77,"recommendation":"Go","description":"Because."`
	got, warnings, err := ParseNewVerdict("d", []byte(`{`+required+`,"tensions_resolved":["T0099",5,"junk"],"author_expert":"Nobody",
		"key_evidence":["E0001"],"key_claims":["C0001"],"ethos_compliance":{"ok": true},"force":"true","supporting_experts":[],"extra":1}`))
	want := blue.NewVerdict{
		ID: "V01", Type: "interim", Round: 77, Recommendation: "Go", Description: "Because.", AuthorExpert: "Nobody",
		TensionsResolved: []string{"T0099", "junk"}, KeyEvidence: []string{"E0001"}, KeyClaims: []string{"C0001"},
		SupportingExperts: []blue.ExpertSlug{}, EthosCompliance: json.RawMessage(`{"ok":true}`), Force: true,
	}
	if err != nil || !reflect.DeepEqual(got, want) || len(warnings) != 2 {
		t.Errorf("%+v, %v, %v", got, warnings, err)
	}
	tests := []struct{ data, want string }{
		{`{` + required + `}`, "ok"},
		{`{` + strings.Replace(required, "interim", "ultimate", 1) + `}`, "invalid_status_transition"}, // bug 18
		{`{` + strings.Replace(required, "77", "100", 1) + `}`, "invalid_round"},
		{`{` + strings.Replace(required, "77", "4294967296", 1) + `}`, "invalid_round"},
		{`{` + strings.Replace(required, "V01", "a b", 1) + `}`, "invalid"},
		{`{` + strings.Replace(required, `"Go"`, `5`, 1) + `}`, "refused"},
		{`{` + strings.Replace(required, `"Go"`, `null`, 1) + `}`, "refused"},
		{`{` + strings.Replace(required, `77`, `"77"`, 1) + `}`, "refused"},
		{`{` + required + `,"dialogue_id":"e"}`, "entity_not_found"},
		{`{}`, "refused"}, {`"nope"`, "invalid"}, {`nope`, "invalid"},
	}
	for _, test := range tests {
		_, _, err := ParseNewVerdict("d", []byte(test.data))
		if got := codesOf(err); got[0] != test.want {
			t.Errorf("%s: %v, want %s", test.data, got, test.want)
		}
	}
	for force, want := range map[string]bool{`true`: true, `"true"`: true, `"yes"`: false, `1`: false, `false`: false, `null`: false} {
		v, _, err := ParseNewVerdict("d", []byte(`{`+required+`,"force":`+force+`}`))
		if err != nil || v.Force != want {
			t.Errorf("force %s: %v, %v", force, v.Force, err)
		}
	}
}

func TestParseNewExpert(t *testing.T) {
	got, _, err := ParseNewExpert([]byte(`{"expert_slug":"Muffin","role":"Analyst","tier":"Core","source":"pool","relevance":0.95,
		"focus":null,"creation_reason":"r","first_round":0,"description":"d","color":"c"}`))
	relevance, round := 0.95, blue.Round(0)
	want := blue.NewExpert{Slug: "Muffin", Role: "Analyst", Tier: "Core", Source: "pool", Relevance: &relevance,
		CreationReason: "r", FirstRound: &round, Description: "d", Color: "c"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	tests := []struct{ data, want string }{
		{`{"expert_slug":"Scone","role":"R","tier":"Wildcard"}`, "ok"},
		{`{"expert_slug":"Scone","role":"R","tier":"Guru"}`, "invalid_status_transition"}, // bug 18
		{`{"expert_slug":"Scone","role":"R","tier":"core"}`, "invalid_status_transition"},
		{`{"expert_slug":"Scone","role":"R","tier":"Core","source":"moon"}`, "invalid_status_transition"},
		{`{"expert_slug":"Scone","role":"R","tier":"Core","first_round":100}`, "invalid_round"},
		{`{"expert_slug":"Scone","role":"R","tier":"Core","first_round":0.5}`, "refused"},
		{`{"expert_slug":"Scone","role":"R","tier":"Core","relevance":1e400}`, "invalid"},
		{`{"expert_slug":"Scone","role":"R","tier":"Core","relevance":"0.5"}`, "refused"},
		{`{"expert_slug":"a#b","role":"R","tier":"Core"}`, "invalid"},
		{`{"expert_slug":"Scone","tier":"Core"}`, "refused"},
		{`{"role":"R","tier":"Core"}`, "refused"}, {`{"expert_slug":"Scone","role":"R"}`, "refused"},
	}
	for _, test := range tests {
		if _, _, err := ParseNewExpert([]byte(test.data)); codesOf(err)[0] != test.want {
			t.Errorf("%s: %v, want %s", test.data, err, test.want)
		}
	}
	if e, _, err := ParseNewExpert([]byte(tests[0].data)); err != nil || e.Source != "created" || e.FirstRound != nil || e.Relevance != nil {
		t.Errorf("defaults: %+v, %v", e, err)
	}
}

func TestParseNewDialogue(t *testing.T) {
	got, warnings, err := ParseNewDialogue([]byte(`{"title":"T","question":"Q","output_dir":"o","calibrated":true,"domain_id":"d","ethos_id":"e",
		"background":{"subject":"S","description":null,"constraints":{"n": 1},"situation":"now"},"x":1}`))
	now := "now"
	want := blue.NewDialogue{Title: "T", Question: "Q", OutputDir: "o", Calibrated: true, DomainID: "d", EthosID: "e",
		Background: &blue.Background{Subject: "S", Constraints: json.RawMessage(`{"n":1}`), Situation: &now}}
	if err != nil || !reflect.DeepEqual(got, want) || len(warnings) != 1 {
		t.Errorf("%+v, %v, %v", got, warnings, err)
	}
	for data, want := range map[string]string{
		`{"title":"T"}`: "ok", `{"title":"T","background":null}`: "ok", `{}`: "refused", `{"title":5}`: "refused",
		`{"title":"T","background":{}}`: "refused", `{"title":"T","calibrated":"yes"}`: "refused", `{"title":"T","Title":"U"}`: "invalid",
	} {
		if _, _, err := ParseNewDialogue([]byte(data)); codesOf(err)[0] != want {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

// The canonical text of a batch that can be read is the same after another
// round trip.
func FuzzParseRoundBatch(f *testing.F) {
	for _, s := range []string{
		`{"score":1}`, `{"score":1.5}`, `{"score":1,"tensions":"none","expert_scores":[1]}`,
		`{"score":1,"perspectives":[{"label":"L","content":"C","local_id":"a","references":[{"type":"support","target":"a"}]}]}`,
		`{"score":1,"tensions":[{"label":"L","description":"D","local_id":"t"}],"tension_updates":[{"id":"t","status":"resolved","by":"M","via":"t"}]}`,
		`{"score":1,"recommendations":[{"label":"L","content":"C","parameters":null}],"moves":[{"expert":"M","type":"bridge","targets":["t"]}]}`,
		`{"score":1,"claims":[{"references":[{"type":"refine","target":"P0001"},{}]}]}`, `[]`, `{"score":1,"Score":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, _, err := ParseRoundBatch("d", 1, data)
		if err != nil {
			if !errors.Is(err, blue.ErrInvalid) && !errors.Is(err, blue.ErrRefused) {
				t.Fatal(err)
			}
			return
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var again blue.RoundBatch
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if second, _ := json.Marshal(again); string(second) != string(text) {
			t.Fatalf("canonical text changes:\n%s\n%s", text, second)
		}
	})
}

func codesOf(err error) []string {
	validation, refused := errors.AsType[*blue.ValidationError](err)
	switch {
	case err == nil:
		return []string{"ok"}
	case refused:
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
