package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// dialogues are the project's own and the recorded ones.
var dialogues = fixtures.Dialogues()

// Difference is one place at which our document is not Blue's. Absent holds
// where a side has no such member at all.
type Difference struct {
	Path  string // as in allowances: "experts[*].color"
	Place string // the same with indexes, for people
	Ours  any
	Blues any
}

// Absent stands for a member that a side does not have.
type Absent struct{}

// diffExport lists the differences of two parsed documents in order of place.
// Lists of objects are compared member by member, by index; other lists whole.
func diffExport(ours, blues any) []Difference {
	return diffAt("", "", ours, blues)
}

func diffAt(path, place string, ours, blues any) []Difference {
	switch a := ours.(type) {
	case map[string]any:
		if b, ok := blues.(map[string]any); ok {
			return diffObjects(path, place, a, b)
		}
	case []any:
		if b, ok := blues.([]any); ok && len(a) == len(b) && len(a) > 0 && allObjects(a) && allObjects(b) {
			var all []Difference
			for i := range a {
				all = append(all, diffAt(path+"[*]", fmt.Sprintf("%s[%d]", place, i), a[i], b[i])...)
			}
			return all
		}
	}
	if reflect.DeepEqual(ours, blues) {
		return nil
	}
	return []Difference{{path, place, ours, blues}}
}

func diffObjects(path, place string, a, b map[string]any) []Difference {
	names := maps.Clone(a)
	maps.Copy(names, b)
	var all []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		p, q := strings.TrimPrefix(path+"."+name, "."), strings.TrimPrefix(place+"."+name, ".")
		x, inA := a[name]
		y, inB := b[name]
		switch {
		case !inA:
			all = append(all, Difference{p, q, Absent{}, y})
		case !inB:
			all = append(all, Difference{p, q, x, Absent{}})
		default:
			all = append(all, diffAt(p, q, x, y)...)
		}
	}
	return all
}

func allObjects(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(map[string]any); return !ok })
}

// allowance is one line of testdata/differences.json.
type allowance struct {
	Path      string   `json:"path"`
	Dialogues []string `json:"dialogues"` // ["*"] is all of them
	Reason    string   `json:"reason"`
}

func (a allowance) covers(dialogue string) bool {
	return slices.Contains(a.Dialogues, "*") || slices.Contains(a.Dialogues, dialogue)
}

var nineDigitsZ = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$`)

// permits reports whether the difference is of the sort the reason names: a
// "timestamp" must be one on both sides, ours with nine digits and Z; what is
// "added" must be absent from Blue's document, what is "BUG 5" null there.
func (a allowance) permits(d Difference) bool {
	kind, _, _ := strings.Cut(a.Reason, ":")
	switch kind {
	case "timestamp":
		ours, ok1 := d.Ours.(string)
		blues, ok2 := d.Blues.(string)
		_, err := time.Parse(time.RFC3339Nano, blues)
		return ok1 && ok2 && err == nil && nineDigitsZ.MatchString(ours)
	case "added":
		return d.Blues == Absent{}
	case "BUG 5":
		return d.Blues == nil
	}
	return d.Ours != Absent{} && d.Blues != Absent{}
}

// judge returns one sentence per difference that no allowance permits, and one
// per allowance for this dialogue that nothing used.
func judge(allowed []allowance, dialogue string, differences []Difference) (unlisted, unused []string) {
	used := make(map[int]bool)
	for _, d := range differences {
		i := slices.IndexFunc(allowed, func(a allowance) bool { return a.Path == d.Path && a.covers(dialogue) && a.permits(d) })
		if i < 0 {
			unlisted = append(unlisted, fmt.Sprintf("unlisted difference at %s: ours %s, Blue's %s", d.Place, brief(d.Ours), brief(d.Blues)))
			continue
		}
		used[i] = true
	}
	for i, a := range allowed {
		if a.covers(dialogue) && !used[i] {
			unused = append(unused, fmt.Sprintf("listed difference that never occurs: %s (%s)", a.Path, a.Reason))
		}
	}
	return unlisted, unused
}

func brief(v any) string {
	if (v == Absent{}) {
		return "absent"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(text) > 120 {
		return string(text[:120]) + "…"
	}
	return string(text)
}

func readAllowances(t *testing.T) []allowance {
	t.Helper()
	data, err := os.ReadFile("testdata/differences.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []allowance
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for i, a := range all {
		if a.Path == "" || len(a.Dialogues) == 0 || a.Reason == "" {
			t.Fatalf("allowance %d lacks something: %+v", i, a)
		}
		for _, d := range a.Dialogues {
			if d != "*" && !slices.Contains(dialogues, d) {
				t.Fatalf("allowance for an unknown dialogue: %+v", a)
			}
		}
	}
	return all
}

func TestDiffExport(t *testing.T) {
	tests := []struct{ name, ours, blues, want string }{
		{"same", `{"a":[{"b":1}],"c":null}`, `{"a":[{"b":1}],"c":null}`, ""},
		{"value", `{"a":[{"b":1},{"b":2}]}`, `{"a":[{"b":1},{"b":3}]}`, "a[*].b a[1].b"},
		{"added", `{"a":null}`, `{}`, "a a"},
		{"missing", `{}`, `{"x":{"y":1}}`, "x x"},
		{"null is not absent", `{"a":null}`, `{"a":0}`, "a a"},
		{"0.0 is not 0", `{"a":0.0}`, `{"a":0}`, "a a"},
		{"list of another length", `{"a":[{"b":1}]}`, `{"a":[]}`, "a a"},
		{"order of texts", `{"a":["x","y"]}`, `{"a":["y","x"]}`, "a a"},
		{"object for null", `{"a":{}}`, `{"a":null}`, "a a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, err1 := parseAny([]byte(tt.ours))
			blues, err2 := parseAny([]byte(tt.blues))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			var got []string
			for _, d := range diffExport(ours, blues) {
				got = append(got, d.Path+" "+d.Place)
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}

// TestJudge: an unlisted difference, an unused allowance and a difference of
// another sort than the allowance names are all found.
func TestJudge(t *testing.T) {
	stamp := Difference{"a", "a", "2026-01-02T03:04:05.000000000Z", "2026-01-02T03:04:05+00:00"}
	tests := []struct {
		name             string
		allow            []allowance
		differ           []Difference
		unlisted, unused int
	}{
		{"nothing", nil, nil, 0, 0},
		{"unlisted", nil, []Difference{stamp}, 1, 0},
		{"listed", []allowance{{"a", []string{"*"}, "timestamp"}}, []Difference{stamp}, 0, 0},
		{"listed for another dialogue", []allowance{{"a", []string{"ukfs"}, "timestamp"}}, []Difference{stamp}, 1, 0},
		{"never occurs", []allowance{{"a", []string{"supersession"}, "timestamp"}}, nil, 0, 1},
		{"not a timestamp", []allowance{{"a", []string{"*"}, "timestamp"}}, []Difference{{"a", "a", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"}}, 1, 1},
		{"not added", []allowance{{"a", []string{"*"}, "added: x"}}, []Difference{{"a", "a", "x", "y"}}, 1, 1},
		{"not null", []allowance{{"a", []string{"*"}, "BUG 5: x"}}, []Difference{{"a", "a", "x", []any{}}}, 1, 1},
		{"removed", []allowance{{"a", []string{"*"}, "RFC 0058"}}, []Difference{{"a", "a", Absent{}, "y"}}, 1, 1},
	}
	for _, tt := range tests {
		if unlisted, unused := judge(tt.allow, "supersession", tt.differ); len(unlisted) != tt.unlisted || len(unused) != tt.unused {
			t.Errorf("%s: unlisted %q, unused %q, want %d and %d", tt.name, unlisted, unused, tt.unlisted, tt.unused)
		}
	}
}
