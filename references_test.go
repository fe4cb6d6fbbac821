package blue

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/plainjson"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

func TestReferenceRulesRecorded(t *testing.T) { fixtures.EachSet(t, testReferenceRules) }

func testReferenceRules(t *testing.T, path fixtures.Set) {
	var rules struct {
		Refs []struct {
			Error               json.RawMessage
			Ref, Source, Target string
		} `json:"validate_ref_semantics"`
	}
	fixtures.ReadJSON(t, path(t, "rules.json"), &rules)
	seen := map[string]bool{}
	for _, v := range rules.Refs {
		name := fmt.Sprintf("%s %s %s", v.Source, v.Ref, v.Target)
		seen[name] = true
		got := RefType(v.Ref).Check(kindOfLetter(v.Source[0]), kindOfLetter(v.Target[0]))
		fixtures.SameJSON(t, name, got, v.Error)
	}
	if len(seen) != 200 {
		t.Errorf("%d combinations, want 200", len(seen))
	}
}

func TestErrorTextsRecorded(t *testing.T) { fixtures.EachSet(t, testErrorTexts) }

func testErrorTexts(t *testing.T, path fixtures.Set) {
	var rules struct {
		Match   []json.RawMessage `json:"validate_id_type_match"`
		Samples []json.RawMessage `json:"error_samples"`
	}
	fixtures.ReadJSON(t, path(t, "rules.json"), &rules)
	fixtures.SameJSON(t, "type and id", typeIDMismatch(KindTension, "P0001"), rules.Match[0])
	got := []*FieldError{
		missingField("label").atPointer("label"), invalidEntityType("X"), invalidRefType("agree"), typeIDMismatch(KindTension, "P0001"),
		tensionRequired("resolve", KindPerspective), invalidDisplayID("MUFFIN-P0001"),
	}
	if len(got) != len(rules.Samples) {
		t.Fatalf("%d samples, want %d", len(rules.Samples), len(got))
	}
	for i, e := range got {
		fixtures.SameJSON(t, e.Code, e, rules.Samples[i])
	}
}

func (e *FieldError) atPointer(field string) *FieldError {
	moved := *e
	moved.Field = field
	return &moved
}

func TestCheckReferenceUnknownType(t *testing.T) {
	for _, bad := range []RefType{"", "agree", "Support"} {
		if e := bad.Check(KindClaim, KindClaim); e == nil || e.Code != "invalid_ref_type" || !errors.Is(e, ErrRefused) {
			t.Errorf("%q: %v", bad, e)
		}
	}
}

// Ids in messages are cut, and '<' is not escaped.
func TestFieldErrorJSON(t *testing.T) {
	text, err := plainjson.Marshal(invalidDisplayID("<&>" + string(make([]byte, 500))))
	if err != nil || len(text) > 1000 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	e := ValidationError{[]FieldError{*invalidDisplayID("<&>")}}
	text, err = e.MarshalJSON()
	const want = `{"error_code":"validation_failed","error_count":1,"errors":[{"code":"invalid_display_id","context":null,"field":null,` +
		`"message":"Invalid display ID format '<&>'. Expected format: [P|R|T|E|C]RRSS (e.g., P0101, T0203)",` +
		`"suggestion":"Use format: type prefix + 2-digit round + 2-digit sequence (e.g., P0101)"}],` +
		`"message":"Validation failed with 1 error(s)","status":"error"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}
