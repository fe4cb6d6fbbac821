//go:build unix

package dynamolocal_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

func TestJarStartsAndStops(t *testing.T) {
	server, err := dynamolocal.Find(t.Context(), dynamolocal.Options{Cache: localtest.Jar(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if !strings.Contains(server.How, "jar 2.6.1 by Java") {
		t.Errorf("how: %s", server.How)
	}
	if got := call(t, server.Endpoint, "ListTables", "{}"); got != `{"TableNames":[]}` {
		t.Errorf("tables of a fresh server: %s", got)
	}
	server.Stop()
	if err := localserver.Alive(t.Context(), server.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	server.Stop() // a second time does nothing
}

func TestBackground(t *testing.T) {
	options := dynamolocal.Options{Cache: localtest.Jar(t)}
	dir := filepath.Join(t.TempDir(), "up [1]")
	b := start(t, options, dir, true)
	again := start(t, options, dir, false)
	if again.PID != b.PID || again.Endpoint != b.Endpoint {
		t.Errorf("started twice: %+v and %+v", b, again)
	}
	call(t, b.Endpoint, "CreateTable", `{"TableName":"kept","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := localserver.Alive(t.Context(), b.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	if gone, err := dynamolocal.OpenBackground(t.Context(), dir); gone != nil || err != nil {
		t.Errorf("after Stop: %+v, %v", gone, err)
	}
	b = start(t, options, dir, true)
	if got := call(t, b.Endpoint, "ListTables", "{}"); got != `{"TableNames":["kept"]}` {
		t.Errorf("tables after a restart: %s", got)
	}
	if !strings.Contains(dynamolocal.BackgroundLog(dir), "Version:\t2.6.1") {
		t.Errorf("log: %s", dynamolocal.BackgroundLog(dir))
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	removesOwn(t, dir)
}

// removesOwn: what somebody else put into the folder stays.
func removesOwn(t *testing.T, dir string) {
	t.Helper()
	foreign := filepath.Join(dir, "umk.key")
	if err := os.WriteFile(foreign, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	removed, err := dynamolocal.RemoveBackground(dir)
	if err != nil || len(removed) < 3 {
		t.Errorf("removed %v, %v", removed, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v; want the foreign file alone", entries, err)
	}
	os.Remove(foreign)
	if _, err := dynamolocal.RemoveBackground(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the empty folder stays")
	}
}

func start(t *testing.T, o dynamolocal.Options, dir string, want bool) *dynamolocal.Background {
	t.Helper()
	b, started, err := dynamolocal.StartBackground(t.Context(), o, dir)
	if err != nil || started != want {
		t.Fatalf("started %v, %v; want %v", started, err, want)
	}
	t.Cleanup(func() {
		if b, _ := dynamolocal.OpenBackground(context.Background(), dir); b != nil {
			b.Stop(context.Background())
		}
	})
	return b
}

// TestForeignProcess: a process id that is now another's is not ours to end.
func TestForeignProcess(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Process.Kill()
	dir := t.TempDir()
	state := `{"pid":` + strconv.Itoa(other.Process.Pid) + `,"endpoint":"http://127.0.0.1:1","mark":"-Dblue.dynamodb.local=` + dir + `"}`
	if err := os.WriteFile(filepath.Join(dir, "server.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := dynamolocal.OpenBackground(t.Context(), dir); b != nil || err != nil {
		t.Errorf("took process %d for ours: %+v, %v", other.Process.Pid, b, err)
	}
}

// call sends one request as the SDK would, but for a true signature, which
// DynamoDB Local does not check.
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
