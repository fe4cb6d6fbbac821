package campaign

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// sealedText is one encrypted text and the field that it comes from.
type sealedText struct {
	field string // e.g. "tension.description"
	text  string
}

// sealedTexts lists every text in the fields with the tag sealed: texts, lists,
// map keys and values, and all texts and names within JSON.
func sealedTexts(t testing.TB, s *blue.Snapshot) []sealedText {
	t.Helper()
	var all []sealedText
	for _, e := range entities(s) {
		v := reflect.ValueOf(e).Elem()
		for _, f := range reflect.VisibleFields(v.Type()) {
			if name := f.Tag.Get("sealed"); name != "" {
				field := string(e.EntityKind()) + "." + name
				walk(t, v.FieldByIndex(f.Index), func(text string) { all = append(all, sealedText{field, text}) })
			}
		}
	}
	return all
}

// entities lists every entity of a dialogue. It finds them by reflection, so
// that a new list of Snapshot is not forgotten.
func entities(s *blue.Snapshot) []blue.Entity {
	all := []blue.Entity{&s.Dialogue}
	add := func(list reflect.Value) {
		for i := range list.Len() {
			if e, ok := list.Index(i).Interface().(blue.Entity); ok {
				all = append(all, e)
			}
		}
	}
	v := reflect.ValueOf(s).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		switch list := v.FieldByIndex(f.Index); list.Kind() {
		case reflect.Slice:
			add(list)
		case reflect.Map:
			for _, key := range list.MapKeys() {
				add(list.MapIndex(key))
			}
		}
	}
	return all
}

// walk calls found with every text inside a value.
func walk(t testing.TB, v reflect.Value, found func(string)) {
	t.Helper()
	switch x := v.Interface().(type) {
	case json.RawMessage:
		if len(x) > 0 {
			var inner any
			decode(t, string(x), &inner)
			walkJSON(inner, found)
		}
		return
	case time.Time:
		found(x.UTC().Format("2006-01-02T15:04:05.000000000Z"))
		return
	case blue.EntityID:
		found(x.String())
		return
	}
	switch v.Kind() {
	case reflect.String:
		found(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			walk(t, v.Elem(), found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(t, v.Index(i), found)
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			walk(t, key, found)
			walk(t, value, found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(t, v.Field(i), found)
		}
	case reflect.Int, reflect.Int64, reflect.Bool:
	default:
		t.Fatalf("a sealed field has the type %s, which the walk does not search", v.Type())
	}
}

// walkJSON calls found with every text and every name of a JSON value.
func walkJSON(v any, found func(string)) {
	switch v := v.(type) {
	case string:
		found(v)
	case []any:
		for _, e := range v {
			walkJSON(e, found)
		}
	case map[string]any:
		for name, e := range v {
			found(name)
			walkJSON(e, found)
		}
	}
}

// TestSealedTexts shows that the walk searches all fields.
func TestSealedTexts(t *testing.T) {
	situation := "a situation"
	s := &blue.Snapshot{
		Dialogue: blue.Dialogue{
			Title: "a title", DomainID: "clear",
			Background: &blue.Background{Subject: "a subject", Situation: &situation, Constraints: json.RawMessage(`{"a name":["a text",{"x":"deep"}]}`)},
			Imports:    map[string]blue.ImportProgress{"a digest": {Refused: []blue.ImportRefusal{{Kind: "a kind", Reason: "a reason"}}}},
		},
		Experts: []*blue.Expert{{Slug: "Muffin", RawContent: map[blue.Round]string{1: "a raw text"}}},
		Verdicts: []*blue.Verdict{{ID: "clear", Conditions: []string{"a condition"}, EthosCompliance: json.RawMessage(`"ethos"`),
			SupportingExperts: []blue.ExpertSlug{"Scone"}}},
	}
	found := map[string]bool{}
	for _, x := range sealedTexts(t, s) {
		found[x.text] = true
	}
	for _, want := range []string{"a title", "a subject", "a situation", "a name", "a text", "deep", "a digest", "a kind", "a reason",
		"Muffin", "a raw text", "a condition", "ethos", "Scone"} {
		if !found[want] {
			t.Errorf("%q was not found", want)
		}
	}
	if found["clear"] {
		t.Error("a clear field was reported as a sealed one")
	}
	if t.Failed() {
		t.Log(fmt.Sprint(found))
	}
}
