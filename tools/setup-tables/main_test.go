package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
)

// setupTables runs the program with an environment.
func setupTables(ctx context.Context, env map[string]string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(ctx, args, func(name string) string { return env[name] }, &o, &e)
	return code, o.String(), e.String()
}

func TestTwice(t *testing.T) {
	prefix := "s-" + uuid.Must(uuid.NewV4()).String()[:8] + "-"
	env := map[string]string{"DYNAMODB_ENDPOINT": localtest.Endpoint(t), "BLUE_TABLE_PREFIX": prefix}
	for _, state := range []string{"created", "as defined"} {
		code, out, errs := setupTables(t.Context(), env)
		if code != 0 || errs != "" {
			t.Fatalf("exit %d: %s", code, errs)
		}
		for _, table := range []string{"blue_dialogues", "blue_audit", "blue_keys"} {
			if line := fmt.Sprintf("%-10s %s%s\n", state, prefix, table); !strings.Contains(out, line) {
				t.Errorf("no line %q in\n%s", line, out)
			}
		}
		if n := strings.Count(out, "not supported here: point-in-time recovery"); n != 3 {
			t.Errorf("%d tables lack recovery in\n%s", n, out)
		}
	}
}

func TestFailures(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	unused := "http://" + l.Addr().String()
	remote := strings.Replace(unused, "127.0.0.1", "0.0.0.0", 1) // not a loopback address, and no server listens
	t.Setenv("AWS_REGION", "eu-central-1")
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		errs []string
	}{
		{"no server", map[string]string{"DYNAMODB_ENDPOINT": unused}, nil, 5, []string{"(from DYNAMODB_ENDPOINT)", "connection refused", "hint: start it: just up"}},
		{"the flag has priority", map[string]string{"DYNAMODB_ENDPOINT": "http://example.org"}, []string{"--endpoint", unused}, 5, []string{"(from --endpoint)"}},
		{"the specific variable has priority", map[string]string{"AWS_ENDPOINT_URL": "http://example.org", "AWS_ENDPOINT_URL_DYNAMODB": unused}, nil, 5, []string{"(from AWS_ENDPOINT_URL_DYNAMODB)"}},
		{"plain http to another host", map[string]string{"AWS_ENDPOINT_URL": "http://example.org"}, nil, 2, []string{"(from AWS_ENDPOINT_URL) is plain http", "hint: use https"}},
		{"plain http to another host, allowed", map[string]string{"AWS_ENDPOINT_URL": remote}, []string{"--insecure-endpoint"}, 5, []string{"at " + remote + " (from AWS_ENDPOINT_URL)"}},
		{"an empty flag", map[string]string{"DYNAMODB_ENDPOINT": unused}, []string{"--endpoint", ""}, 2, []string{"--endpoint is empty"}},
		{"a password", map[string]string{"DYNAMODB_ENDPOINT": "http://me:sesame@localhost:1"}, nil, 2, []string{"holds a user or a password"}},
		{"a broken prefix", map[string]string{"DYNAMODB_ENDPOINT": unused}, []string{"--prefix", "a b"}, 2, []string{"prefix"}},
		{"an argument", nil, []string{"now"}, 2, []string{"no arguments"}},
		{"no such flag", nil, []string{"--nuke"}, 2, []string{"-nuke"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := setupTables(t.Context(), c.env, c.args...)
			if code != c.code || out != "" {
				t.Errorf("exit %d, want %d; %s%s", code, c.code, out, errs)
			}
			for _, want := range c.errs {
				if !strings.Contains(errs, want) {
					t.Errorf("no %q in %s", want, errs)
				}
			}
			if strings.Contains(errs, "sesame") {
				t.Errorf("a password is shown: %s", errs)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, errs := setupTables(ctx, map[string]string{"DYNAMODB_ENDPOINT": "http://127.0.0.1:1"}); code != 130 {
		t.Errorf("exit %d: %s", code, errs)
	}
}
