package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/internal/testing/shareddata"
)

// recordedCase is one pair of files in shared/blue/cases/errors: a call of Blue
// and its answer.
type recordedCase struct {
	name    string
	Project string         `json:"project"`
	SQL     string         `json:"sql"`
	Steps   []recordedStep `json:"steps"`
	answers []recordedAnswer
}

type recordedStep struct {
	CLI   []any  `json:"cli"`
	Probe string `json:"probe"` // a call of Blue's library
	Stdin struct {
		DialogueID string   `json:"dialogue_id"`
		IDs        []string `json:"ids"`
		Title      string   `json:"title"`
	} `json:"stdin"` // of a probe
}

type recordedAnswer struct {
	Exit   int    `json:"exit"`
	Stdout any    `json:"stdout"`
	Stderr string `json:"stderr"`
}

func readCases(t *testing.T) []recordedCase {
	t.Helper()
	folder := shareddata.Path(t, "blue", "cases", "errors")
	files, err := filepath.Glob(filepath.Join(folder, "*.in.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", folder, err)
	}
	cases := make([]recordedCase, len(files))
	for i, file := range files {
		c := &cases[i]
		c.name = strings.TrimSuffix(filepath.Base(file), ".in.json")
		readCaseFile(t, file, c)
		var out struct {
			Steps []recordedAnswer `json:"steps"`
		}
		readCaseFile(t, strings.TrimSuffix(file, ".in.json")+".out.json", &out)
		if c.answers = out.Steps; len(c.answers) != len(c.Steps) {
			t.Fatalf("%s: %d steps, %d answers", c.name, len(c.Steps), len(c.answers))
		}
	}
	return cases
}

func readCaseFile(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// startingState is the dialogue on which the cases were recorded. It has one
// round, one perspective, one tension and two experts.
func startingState(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.must("dialogue", "create", "Error Cases", "--question", "What is refused?")
	for _, name := range []string{"Muffin", "Cupcake"} {
		m.must("dialogue", "expert-create", "--dialogue-id", "error-cases", "--data",
			`{"expert_slug":"`+name+`","role":"Analyst","tier":"Core","source":"pool","creation_reason":"recorded","first_round":0}`)
	}
	m.must("dialogue", "round-register", "--dialogue-id", "error-cases", "--round", "0", "--data",
		`{"score":10,"open_tensions":1,"new_perspectives":1,"converge_signals":0,"panel_size":2,
		"perspectives":[{"label":"First","content":"A first view.","contributors":["Muffin"]}],
		"tensions":[{"label":"First tension","description":"A first tension.","contributors":["Cupcake"]}]}`)
	return m
}

// TestCases runs the project's own cases and compares each answer.
func TestCases(t *testing.T) {
	start := startingState(t)
	for _, c := range fixtures.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			m := start.copyOf(t)
			for i, step := range c.Steps {
				var args []string
				for _, raw := range step.CLI {
					text := string(raw)
					_ = json.Unmarshal(raw, &text) // a string; other values stay JSON
					args = append(args, text)
				}
				want := expected{exit: step.Exit, codes: step.Codes}
				if step.Stdout != nil {
					if err := json.Unmarshal(step.Stdout, &want.stdout); err != nil {
						t.Fatal(err)
					}
				}
				if object, ok := want.stdout.(map[string]any); ok {
					want.warnings = warningsOf(object["warnings"])
					delete(object, "warnings")
				}
				got := m.run(args...)
				compareAnswer(t, i, want, got)
				if step.Stderr != "" && !strings.Contains(unquoted(t, got.stderr), step.Stderr) {
					t.Errorf("step %d: standard error lacks %q: %s", i, step.Stderr, got.stderr)
				}
			}
		})
	}
}

// commandLine returns the command line of this program for a recorded call.
func commandLine(t *testing.T, step recordedStep) []string {
	t.Helper()
	switch step.Probe {
	case "create-dialogue":
		return []string{"dialogue", "create", step.Stdin.Title}
	case "expand":
		return append([]string{"cite", step.Stdin.DialogueID}, step.Stdin.IDs...)
	}
	var args []string
	for _, arg := range step.CLI {
		text, ok := arg.(string)
		if !ok {
			data, err := json.Marshal(arg)
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
		}
		args = append(args, text)
	}
	if args[0] != "export" {
		args = append([]string{"dialogue"}, args...)
	}
	return args
}

// TestBlueCases runs the recorded calls of Blue's command line and compares each
// answer. The map deliberate lists the differences with their reasons. The map
// notRun lists the calls that cannot run.
func TestBlueCases(t *testing.T) {
	cases := readCases(t)
	start := startingState(t)
	known := map[string]bool{}
	for _, c := range cases {
		known[c.name] = true
		if why, skip := notRun[c.name]; skip {
			t.Logf("%s is not run: %s", c.name, why)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := start.copyOf(t)
			for i, step := range c.Steps {
				got := m.run(commandLine(t, step)...)
				if step.Probe != "create-dialogue" { // its answer differs from the answer of the command
					compareAnswer(t, i, expectation(t, c, i), got)
				}
			}
		})
	}
	for name := range deliberate {
		if !known[name] {
			t.Errorf("the table of differences names %s, which is not a case", name)
		}
	}
	for name := range notRun {
		if !known[name] {
			t.Errorf("notRun names %s, which is not a case", name)
		}
	}
}

// expected is the answer that this program must give to one step.
type expected struct {
	exit   int
	stdout any      // nil: empty
	codes  []string // if set, the errors of a failed validation, instead of stdout
	// the warnings of the answer, each as [type, message]; Blue has no warnings
	warnings [][2]string
}

// expectation returns Blue's answer with the exit code of this program and with
// the deliberate difference.
func expectation(t *testing.T, c recordedCase, step int) expected {
	t.Helper()
	answer := c.answers[step]
	want := expected{exit: exitFor(answer), stdout: answer.Stdout}
	if answer.Stdout == "" {
		want.stdout = nil
	}
	for _, d := range deliberate[c.name] {
		if d.step != step {
			continue
		}
		blues := want
		if want = d.apply(want); reflect.DeepEqual(blues, want) {
			t.Errorf("step %d: the table names a difference that is none: %s", step, d.reason)
		}
	}
	return want
}

// exitFor maps an outcome of Blue to an exit code. A refusal is 4 instead of 0
// (bug 28). The message selects the code for Blue's 1.
func exitFor(a recordedAnswer) int {
	if object, ok := a.Stdout.(map[string]any); ok && object["status"] == "error" {
		return exitRefused
	}
	switch {
	case a.Exit == 0, a.Exit == 2:
		return a.Exit
	case strings.Contains(a.Stderr, "Invalid params"):
		return exitRefused // members missing or of the wrong type (security.md, JSON)
	case strings.Contains(a.Stderr, "Data JSON"), strings.Contains(a.Stderr, "data JSON"):
		return exitUsage
	case strings.Contains(a.Stderr, "not found"):
		return exitNotFound
	case strings.Contains(a.Stderr, "UNIQUE constraint"):
		return exitConflict
	case strings.Contains(a.Stderr, "is not a valid pastry name"):
		return exitRefused
	}
	return exitUnexpected
}

func compareAnswer(t *testing.T, step int, want expected, got outcome) {
	t.Helper()
	if got.code != want.exit {
		t.Errorf("step %d: exit %d; want %d\n%s", step, got.code, want.exit, got.stderr)
	}
	if got.code == exitUnexpected && want.exit != exitUnexpected {
		t.Errorf("step %d: an unexpected error:\n%s", step, got.stderr)
	}
	var stdout any
	if got.stdout != "" {
		if err := json.Unmarshal([]byte(got.stdout), &stdout); err != nil {
			t.Fatalf("step %d: stdout is not JSON: %v\n%s", step, err, got.stdout)
		}
	}
	if object, ok := stdout.(map[string]any); ok {
		if diff := cmp.Diff(want.warnings, warningsOf(object["warnings"])); diff != "" {
			t.Errorf("step %d: warnings (-want +got):\n%s", step, diff)
		}
		delete(object, "warnings")
	}
	if want.codes != nil {
		if diff := cmp.Diff(want.codes, codesOf(got.stdout)); diff != "" {
			t.Errorf("step %d: errors (-want +got):\n%s", step, diff)
		}
		return
	}
	if diff := cmp.Diff(want.stdout, stdout); diff != "" {
		t.Errorf("step %d: stdout (-Blue +got):\n%s", step, diff)
	}
}

// codesOf returns the errors of a validation object as "field: code".
func codesOf(stdout string) []string {
	var answer struct {
		Status string `json:"status"`
		Errors []struct{ Field, Code string }
	}
	if json.Unmarshal([]byte(stdout), &answer) != nil || answer.Status != "error" {
		return nil
	}
	var codes []string
	for _, e := range answer.Errors {
		codes = append(codes, e.Field+": "+e.Code)
	}
	return codes
}

// warningsOf returns warnings as [type, message].
func warningsOf(list any) [][2]string {
	var warnings [][2]string
	objects, _ := list.([]any)
	for _, w := range objects {
		object := w.(map[string]any)
		warnings = append(warnings, [2]string{object["type"].(string), object["message"].(string)})
	}
	return warnings
}
