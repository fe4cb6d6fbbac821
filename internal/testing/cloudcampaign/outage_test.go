package cloudcampaign

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// outageFigures are the figures of the test.
type outageFigures struct {
	Operations int `json:"operations_of_the_source"`
	Requests   int `json:"requests_of_an_undisturbed_import"`
	Outages    int `json:"imports_that_met_an_outage"`
	Failed     int `json:"failed_with_exit_code_5"`
	Resumed    int `json:"resumed_by_the_same_command"`
	Equal      int `json:"exports_equal_to_the_undisturbed_one"`
}

// TestOutage: DynamoDB goes away in the middle of an import, at one request
// after another. The import ends with exit code 5; when DynamoDB is back, the
// same command resumes, and the export equals the export of an undisturbed import.
func TestOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := faultproxy.New(w.endpoint)
	defer proxy.Close()
	m := newMachine(t, at(proxy.URL, w.prefix)...)
	source := filepath.Join(t.TempDir(), "source.json")
	export := func(n int) string {
		return steady(m.must("export", fmt.Sprintf("outage-%04d", n)))
	}
	m.writeSource(source, 0)
	m.must("import", source, "--quiet") // makes the key
	f := &outageFigures{Operations: len(sourceOps(0))}
	m.writeSource(source, 1)
	proxy.Play(nil)
	m.must("import", source, "--quiet")
	f.Requests = len(proxy.Log())
	undisturbed := export(1)
	if !strings.Contains(undisturbed, "entity 59") {
		t.Fatalf("the export lacks imported text: %s", undisturbed)
	}

	step := max(1, f.Requests/campaigntest.Length(2, 6, f.Requests))
	for k := 2; k <= f.Requests; k += step {
		n := 1 + k
		m.writeSource(source, n)
		proxy.Play(faultproxy.Script{{Nth: k, Times: 1 << 30, Fault: faultproxy.Lose()}}.Decide)
		r := m.run("import", source, "--quiet", "--json")
		proxy.Settle()
		lost := len(proxy.Log()) >= k
		proxy.Play(nil)
		if !lost {
			t.Errorf("request %d: none was lost: exit code %d, %s", k, r.code, r.stderr)
			continue
		}
		f.Outages++
		hint := r.code == 0 || errorOf(t, []string{"import"}, r).Hint != ""
		switch {
		case r.code == 0 && k > f.Requests-8: // only what follows the last commit was lost
		case r.code != exitUnavailable || !hint:
			t.Errorf("request %d: exit code %d, %s", k, r.code, r.stderr)
		default:
			f.Failed++
		}
		var answer struct{ Status string }
		check(t, json.Unmarshal([]byte(m.must("import", source, "--quiet", "--json")), &answer))
		if answer.Status == "resumed" {
			f.Resumed++
		}
		if got := export(n); got != undisturbed {
			t.Errorf("request %d: after %q the export differs: %s", k, answer.Status, difference(got, undisturbed))
			continue
		}
		f.Equal++
		m.must("verify", fmt.Sprintf("outage-%04d", n))
	}
	campaigntest.Figures(t, "cloud-outage", f)
}

// sourceOps are the operations of an import: small commits, and one of more
// than a transaction.
func sourceOps(n int) []map[string]any {
	round := func(r, entities int) map[string]any {
		var list []map[string]any
		for i := range entities {
			list = append(list, map[string]any{"local_id": fmt.Sprintf("MUFFIN-P%04d", i), "label": fmt.Sprintf("entity %d", i), "content": "what was said", "contributors": []string{"muffin"}})
		}
		return map[string]any{"op": "round-register", "round": r, "data": map[string]any{"round": r, "score": r, "perspectives": list}}
	}
	return []map[string]any{
		{"op": "create", "data": map[string]any{"title": fmt.Sprintf("Outage %04d", n), "question": "What is lost?"}},
		{"op": "expert-register", "data": map[string]any{"expert_slug": "muffin", "role": "Baker", "tier": "Core"}},
		round(0, 3), round(1, 60),
		{"op": "signal", "round": 1, "data": map[string]any{"expert_name": "muffin"}},
	}
}

func (m *machine) writeSource(path string, n int) {
	m.t.Helper()
	text, err := json.Marshal(map[string]any{"title": fmt.Sprintf("Outage %04d", n), "ops": sourceOps(n)})
	check(m.t, err)
	check(m.t, os.WriteFile(path, text, 0o600))
}

var unsteady = []*regexp.Regexp{
	regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`),
	regexp.MustCompile(`(?i)\boutage.\d{4}\b`),
	regexp.MustCompile(`\b[0-9a-f]{16,64}\b`),
}

// steady takes times, the name and digests out of an export.
func steady(text string) string {
	for _, u := range unsteady {
		text = u.ReplaceAllString(text, "*")
	}
	return text
}

// difference shows where two texts part.
func difference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-60)
	return fmt.Sprintf("%q, not %q", got[from:min(len(got), i+60)], want[from:min(len(want), i+60)])
}
