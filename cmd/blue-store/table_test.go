package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
)

// withTables runs the program with the settings of DynamoDB.
func withTables(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	m := newMachine(t)
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string {
		if v, ok := env[name]; ok {
			return v
		}
		return m.env(name)
	}}
	code := a.run(context.WithoutCancel(t.Context()), args)
	return outcome{code, out.String(), errs.String()}
}

func TestTable(t *testing.T) {
	prefix := "c-" + uuid.Must(uuid.NewV4()).String()[:8] + "-"
	env := map[string]string{"DYNAMODB_ENDPOINT": localtest.Endpoint(t), "BLUE_TABLE_PREFIX": prefix}

	o := withTables(t, env, "table", "status", "--text")
	if o.code != exitUnavailable || strings.Count(o.stdout, "missing ") != 3 || !strings.Contains(o.stderr, "hint: create: blue-store table create") {
		t.Errorf("before: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	for _, state := range []string{"created", "as defined"} {
		o := withTables(t, env, "table", "create", "--text")
		if o.code != exitOK || o.stderr != "" || !strings.Contains(o.stdout, fmt.Sprintf("%-10s %sblue_keys\n             not supported here: point-in-time recovery\n", state, prefix)) {
			t.Errorf("create: exit %d\n%s%s", o.code, o.stdout, o.stderr)
		}
	}
	o = withTables(t, env, "table", "status", "--json")
	var answer tablesJSON
	if err := json.Unmarshal([]byte(o.stdout), &answer); err != nil || o.code != exitOK || answer.Status != "ok" || len(answer.Tables) != 3 || !strings.HasSuffix(answer.Where, "(from DYNAMODB_ENDPOINT)") {
		t.Errorf("after: exit %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
}

func TestTablePlan(t *testing.T) {
	o := withTables(t, map[string]string{"BLUE_TABLE_PREFIX": "team-"}, "table", "plan")
	var template struct{ Resources map[string]any }
	if err := json.Unmarshal([]byte(o.stdout), &template); err != nil || o.code != exitOK || len(template.Resources) != 3 || !strings.Contains(o.stdout, `"team-blue_keys"`) {
		t.Errorf("exit %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	if o := withTables(t, map[string]string{"BLUE_TABLE_PREFIX": "a b"}, "table", "plan"); o.code != exitUsage || o.stdout != "" {
		t.Errorf("a broken prefix: exit %d\n%s", o.code, o.stdout)
	}
}

// TestTableFaults checks the exit code and the hint for each answer of a server
// that refuses every request.
func TestTableFaults(t *testing.T) {
	for code, want := range map[string]string{
		"AccessDeniedException":       "dynamodb:DescribeTable",
		"UnrecognizedClientException": "AWS_ACCESS_KEY_ID=local",
		"ExpiredTokenException":       "aws sso login",
		"RequestTimeTooSkewed":        "timedatectl",
		"ThrottlingException":         "wait a minute",
	} {
		t.Run(code, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"__type":"x#%s","message":"no"}`, code)
			}))
			defer server.Close()
			for _, args := range [][]string{{"table", "status"}, {"table", "create"}} {
				o := withTables(t, map[string]string{"DYNAMODB_ENDPOINT": server.URL}, args...)
				var e errorJSON
				if err := json.Unmarshal([]byte(o.stderr), &e); err != nil || o.code != exitUnavailable || o.stdout != "" || !strings.Contains(e.Hint, want) {
					t.Errorf("%q: exit %d, %v\n%s%s", args, o.code, err, o.stdout, o.stderr)
				}
			}
		})
	}
}
