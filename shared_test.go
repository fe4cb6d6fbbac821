package blue

import (
	"encoding/json"
	"reflect"
	"testing"
)

// sameJSON compares a value's JSON form with a recorded one.
func sameJSON(t *testing.T, what string, got any, want []byte) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var g, w any
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s:\n got %s\nwant %s", what, text, want)
	}
}
