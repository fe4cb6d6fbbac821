package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/internal/dynamolocal/localtest"
)

// TestDynamoDBStore runs the commands on a DynamoDB Local: what works on
// SQLite works there, and a dialogue goes from one to the other and back.
func TestDynamoDBStore(t *testing.T) {
	for _, name := range awsNames {
		if name != "DYNAMODB_ENDPOINT" {
			t.Setenv(name, "")
		}
	}
	env := map[string]string{
		"DYNAMODB_ENDPOINT": localtest.Endpoint(t), "BLUE_TABLE_PREFIX": "cli-" + uuid.Must(uuid.NewV4()).String() + "-",
		"BLUE_HOME": t.TempDir(), "BLUE_USER": "tester", "BLUE_STORE": "dynamodb",
	}
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string { return env[name] }}
		if code := a.run(t.Context(), args); code != want {
			t.Fatalf("%q: exit code %d; want %d\n%s%s", args, code, want, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	says := func(answer string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(answer, w) {
				t.Errorf("the answer lacks %q:\n%s", w, answer)
			}
		}
	}
	says(run(exitUnavailable, "list"), "blue-store table create")
	says(run(exitUnavailable, "doctor"), "blue-store table create")
	run(exitOK, "table", "create")
	says(run(exitOK, "doctor", "--text"), "tables as defined", "dummies (local/local)", "not there yet")
	says(run(exitOK, "dialogue", "create", "Which cache?"), "a new key was made")
	run(exitOK, "dialogue", "expert-create", "--dialogue-id", "which-cache", "--expert-slug", "Muffin", "--role", "Baker", "--tier", "Core", "--creation-reason", "to count", "--first-round", "0")
	run(exitOK, "dialogue", "round-register", "--dialogue-id", "which-cache", "--round", "0",
		"--data", `{"score": 1, "tensions": [{"label": "a", "description": "b", "contributors": ["Muffin"]}]}`)
	says(run(exitOK, "list", "--text"), "which-cache  open")
	says(run(exitOK, "list", "--tensions", "--text"), "which-cache  T0001")
	says(run(exitOK, "list", "--expert", "muffin", "--text"), "on the panel, Core")
	says(run(exitOK, "inspect", "which-cache", "T0001", "--text"), "GSI2PK", "what takes your key")
	says(run(exitOK, "verify", "--text"), "✓ which-cache  5 items, version 3")
	says(run(exitOK, "doctor", "--text"), "umk:")
	exported := run(exitOK, "export", "which-cache")

	path := filepath.Join(t.TempDir(), "blue.db")
	env["BLUE_STORE"] = ""
	says(run(exitOK, "copy", "dynamodb", "sqlite:"+path, "--all", "--text"), "copied: 5 items, version 3", "verified")
	env["BLUE_TABLE_PREFIX"] = "cli-" + uuid.Must(uuid.NewV4()).String() + "-"
	says(run(exitUnavailable, "copy", "sqlite:"+path, "dynamodb", "--all"), "blue-store table create")
	run(exitOK, "table", "create", "--store", "dynamodb")
	says(run(exitOK, "copy", "sqlite:"+path, "dynamodb", "--all", "--text"), "copied: 5 items, version 3", "verified")
	says(run(exitOK, "copy", "sqlite:"+path, "dynamodb", "--all", "--text"), "already there")
	env["BLUE_STORE"] = "dynamodb"
	if again := run(exitOK, "export", "which-cache"); exportBody(again) != exportBody(exported) {
		t.Errorf("the export of the second copy differs:\n%s", again)
	}

	// Another master key is not made, and the wrong one opens nothing.
	env["BLUE_HOME"] = t.TempDir()
	says(run(exitKey, "show", "which-cache"), "No new key was made")
}

// exportBody leaves out the time of the export.
func exportBody(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "exported_at") && !strings.Contains(line, "generated") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
