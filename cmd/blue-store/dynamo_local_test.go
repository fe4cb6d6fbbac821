package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
)

// TestDynamoDBStore runs the commands on a DynamoDB Local. It copies a dialogue
// from SQLite to DynamoDB and back.
func TestDynamoDBStore(t *testing.T) {
	t.Parallel()
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
	says(run(exitOK, "dialogue", "create", "Which cache?"), "a new key was created")
	run(exitOK, "dialogue", "expert-create", "--dialogue-id", "which-cache", "--expert-slug", "Muffin", "--role", "Baker", "--tier", "Core", "--creation-reason", "to count", "--first-round", "0")
	run(exitOK, "dialogue", "round-register", "--dialogue-id", "which-cache", "--round", "0",
		"--data", `{"score": 1, "tensions": [{"label": "a", "description": "b", "contributors": ["Muffin"]}]}`)
	says(run(exitOK, "list", "--text"), "which-cache  open")
	says(run(exitOK, "list", "--tensions", "--text"), "which-cache  T0001")
	says(run(exitOK, "list", "--expert", "muffin", "--text"), "on the panel, Core")
	says(run(exitOK, "inspect", "which-cache", "T0001", "--text"), "GSI2PK", "readable only with your key")
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

	// The program creates no other master key, and a wrong one opens nothing.
	env["BLUE_HOME"] = t.TempDir()
	says(run(exitKey, "show", "which-cache"), "No new key was made")
}

// TestAuditUnreachable checks the exit code if the audit event of a read, its
// last request, cannot be stored. The code is 10 if only the audit table fails,
// and 5 if DynamoDB as a whole is unreachable.
func TestAuditUnreachable(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(localtest.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	var fault string // of each PutItem: "" for no fault, "gone", or an error code
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fault == "" || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem"):
			forward.ServeHTTP(w, r)
		case fault == "gone":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type":"x#%s","message":"no"}`, fault)
		}
	}))
	t.Cleanup(proxy.Close)
	env := map[string]string{
		"DYNAMODB_ENDPOINT": proxy.URL, "BLUE_TABLE_PREFIX": "cli-" + uuid.Must(uuid.NewV4()).String() + "-",
		"BLUE_HOME": t.TempDir(), "BLUE_USER": "tester", "BLUE_STORE": "dynamodb",
	}
	run := func(args ...string) outcome {
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string { return env[name] }}
		code := a.run(t.Context(), args)
		return outcome{code, out.String(), errs.String()}
	}
	source := filepath.Join("..", "..", "internal", "demo", "source")
	for _, args := range [][]string{{"table", "create"}, {"import", source, "--quiet"}} {
		if o := run(args...); o.code != exitOK {
			t.Fatalf("%q: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
	for _, c := range []struct {
		fault string
		code  int
		kind  string
	}{
		{"gone", exitUnavailable, "store_unavailable"},
		{"ExpiredTokenException", exitUnavailable, "store_unavailable"},
		{"ResourceNotFoundException", exitAudit, "audit_unavailable"},
		{"AccessDeniedException", exitAudit, "audit_unavailable"},
	} {
		fault = c.fault
		for _, args := range [][]string{{"show", "references-inline-or-as-items"}, {"import", source, "--quiet"}} {
			o := run(args...)
			var e errorJSON
			if err := json.Unmarshal([]byte(o.stderr), &e); err != nil || o.code != c.code || e.Kind != c.kind || e.Hint == "" || o.stdout != "" {
				t.Errorf("%s, %q: exit code %d; want %d, %v\n%s%s", c.fault, args, o.code, c.code, err, o.stdout, o.stderr)
			}
			if !strings.Contains(e.Message, blue.ErrAudit.Error()) {
				t.Errorf("%s, %q: no word of the audit log: %s", c.fault, args, e.Message)
			}
		}
	}
}

// exportBody returns an export without its time.
func exportBody(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "exported_at") && !strings.Contains(line, "generated") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
