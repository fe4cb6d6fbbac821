//go:build unix

package dynamolocal_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// TestShared: two users of a cache share one server.
func TestShared(t *testing.T) {
	cache := shared(t)
	first, err := dynamolocal.Find(t.Context(), dynamolocal.Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Stop)
	second, err := dynamolocal.Find(t.Context(), dynamolocal.Options{Cache: cache})
	if err != nil || first.Endpoint != second.Endpoint {
		t.Errorf("two servers: %+v, %+v, %v", first, second, err)
	}
	if !strings.Contains(first.How, "jar 2.6.1 by Java") {
		t.Errorf("how: %s", first.How)
	}
}

// shared returns the cache folder in which the tests of all packages share a
// server.
func shared(t *testing.T) string {
	t.Helper()
	cache := localtest.Jar(t)
	t.Setenv("PATH", hideEngines(t)+":"+os.Getenv("PATH"))
	return cache
}

// hideEngines returns a folder with container engines that do not answer.
func hideEngines(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"docker", "podman"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBackground: tables stay when the server is stopped and started.
func TestBackground(t *testing.T) {
	options := dynamolocal.Options{Cache: localtest.Jar(t)}
	dir := filepath.Join(t.TempDir(), "up [1]")
	b := start(t, options, dir)
	if got := call(t, b.Endpoint, "ListTables", "{}"); got != `{"TableNames":[]}` {
		t.Errorf("tables of a new server: %s", got)
	}
	call(t, b.Endpoint, "CreateTable", `{"TableName":"kept","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = start(t, options, dir)
	if got := call(t, b.Endpoint, "ListTables", "{}"); got != `{"TableNames":["kept"]}` {
		t.Errorf("tables after a restart: %s", got)
	}
	if log := localserver.BackgroundLog(dir); !strings.Contains(log, "Version:\t2.6.1") {
		t.Errorf("log: %s", log)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if removed, err := dynamolocal.RemoveBackground(dir); err != nil || len(removed) < 4 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is still there")
	}
}

func start(t *testing.T, o dynamolocal.Options, dir string) *localserver.Background {
	t.Helper()
	b, started, err := dynamolocal.StartBackground(t.Context(), o, dir)
	if err != nil || !started {
		t.Fatalf("started %v, %v", started, err)
	}
	t.Cleanup(func() { b.Stop(context.Background()) })
	return b
}

// call sends a request as the SDK does, with a wrong signature, because DynamoDB
// Local does not check it.
func call(t *testing.T, endpoint, operation, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Date", "20260101T000000Z")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", operation, response.Status, text, err)
	}
	return string(text)
}
