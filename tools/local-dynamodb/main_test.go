//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// noEngine hides the container engines of this machine, because the tests must
// not change a container that is in use.
func noEngine(t *testing.T) {
	t.Helper()
	engines(t, "exit 1")
}

func engines(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"docker", "podman"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir
}

// A program runs the commands on a folder of its own.
type program struct {
	t            *testing.T
	cache, state string
	given        string
	stdin        string
	terminal     bool
}

func newProgram(t *testing.T, cache string) *program {
	p := &program{t: t, cache: cache, state: filepath.Join(t.TempDir(), "up")}
	t.Cleanup(func() {
		if b, _ := localserver.OpenBackground(p.state); b != nil {
			b.Stop(context.Background())
		}
	})
	return p
}

func (p *program) run(want int, args ...string) (stdout, stderr string) {
	p.t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(p.stdin), stdout: &out, stderr: &errs, terminal: p.terminal, given: p.given}
	args = append([]string{args[0], "--cache", p.cache, "--state", p.state, "--compose", filepath.Join("..", "..", "docker-compose.yml"), "--port", "0"}, args[1:]...)
	if got := a.main(p.t.Context(), args); got != want {
		p.t.Fatalf("%s: exit %d, want %d\n%s%s", args[0], got, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func says(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

// TestLife runs all commands from up to nuke with the jar.
func TestLife(t *testing.T) {
	campaigntest.SkipShort(t) // it starts a server of its own
	noEngine(t)
	p := newProgram(t, localtest.Jar(t))
	_, text := p.run(1, "wait-ready")
	says(t, text, "it was not started", "just up")
	p.run(1, "status")
	p.run(1, "health")

	out, text := p.run(0, "up")
	endpoint := strings.TrimSpace(out)
	says(t, text, "docker is installed but no engine answers", "trying Java", "every interface", "export DYNAMODB_ENDPOINT="+endpoint)
	if again, text := p.run(0, "up"); again != out || !strings.Contains(text, "runs already") {
		t.Errorf("up again: %s %s", again, text)
	}
	if got, _ := p.run(0, "endpoint"); got != out {
		t.Errorf("endpoint %s, want %s", got, out)
	}
	_, text = p.run(0, "wait-ready")
	says(t, text, "ready: "+endpoint)
	out, _ = p.run(0, "status")
	says(t, out, endpoint+" answers (jar, process ")
	p.run(0, "health")
	p.run(0, "health", endpoint)
	if code := healthCheck(t, endpoint); code != 0 {
		t.Errorf("the health check of docker-compose.yml: exit %d", code)
	}

	createTable(t, endpoint)
	p.run(0, "down")
	p.run(1, "health", endpoint)
	if code := healthCheck(t, endpoint); code == 0 {
		t.Error("the health check of docker-compose.yml passes without a server")
	}
	p.run(0, "down") // stopping twice is not an error
	tables := filepath.Join(p.state, "data", "shared-local-instance.db")
	if _, err := os.Stat(tables); err != nil {
		t.Errorf("after down: %v", err)
	}

	nukes(t, p, tables)
}

// createTable makes the server write its file. The server checks no signature.
func createTable(t *testing.T, endpoint string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(`{"TableName":"kept",
		"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.CreateTable")
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Date", "20260101T000000Z")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("CreateTable: %s", response.Status)
	}
}

// nukes checks that nuke needs the typed name, and removes only the files of this
// program.
func nukes(t *testing.T, p *program, tables string) {
	t.Helper()
	p.run(0, "up")
	_, text := p.run(2, "nuke")
	says(t, text, "--confirm blue-dynamodb")
	p.run(1, "nuke", "--confirm", "yes")
	p.terminal = true
	for _, typed := range []string{"", "y\n", "blue\n"} {
		p.stdin = typed
		_, text := p.run(1, "nuke")
		says(t, text, "nothing was removed", "type blue-dynamodb")
	}
	p.run(0, "health")
	if _, err := os.Stat(tables); err != nil {
		t.Fatalf("a refused nuke: %v", err)
	}
	foreign(t, p, tables)
	p.stdin = "blue-dynamodb\n"
	_, text = p.run(0, "nuke")
	says(t, text, "stopped process", "removed "+tables)
	if _, err := os.Stat(p.state); err == nil {
		t.Error("the folder is still there")
	}
	p.run(1, "health")
	p.run(0, "nuke") // twice is not an error
}

// foreign checks that nuke sends no table request to a server that up did not
// start, and that it does not remove the own server either.
func foreign(t *testing.T, p *program, tables string) {
	t.Helper()
	requests := ""
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests += r.Method + r.Header.Get("X-Amz-Target") + " "
		w.WriteHeader(400)
	}))
	defer other.Close()
	p.given = other.URL
	_, text := p.run(1, "nuke", "--confirm", "blue-dynamodb")
	says(t, text, "nothing was removed", other.URL, "deletion protection", "hint: ", "unset DYNAMODB_ENDPOINT", "--no-deletion-protection-enabled")
	if requests != "GET " {
		t.Errorf("it received: %s", requests)
	}
	p.given = "https://dynamodb.eu-west-1.amazonaws.com"
	_, text = p.run(1, "nuke", "--confirm", "blue-dynamodb")
	says(t, text, "nothing was removed", "is AWS")
	p.given = ""
	p.run(0, "health")
	if _, err := os.Stat(tables); err != nil {
		t.Errorf("a refused nuke: %v", err)
	}
	// The endpoint that up printed is the own server, in any spelling.
	out, _ := p.run(0, "endpoint")
	p.given = strings.Replace(strings.TrimSpace(out), "127.0.0.1", "localhost", 1)
}

// TestNukeWithoutAServer sets an endpoint without a server. nuke must work.
func TestNukeWithoutAServer(t *testing.T) {
	noEngine(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	p := newProgram(t, t.TempDir())
	p.given = gone.URL
	p.run(0, "nuke", "--confirm", "blue-dynamodb")
}

func TestSameServer(t *testing.T) {
	const own = "http://127.0.0.1:8000"
	for given, want := range map[string]bool{
		own: true, "http://localhost:8000/": true, "http://LOCALHOST:8000": true, "http://[::1]:8000": true,
		"http://127.0.0.1:8001": false, "https://127.0.0.1:8000": false, "http://example.org:8000": false, "http://localhost": false, "http://10.0.0.7:8000": false,
	} {
		if got := isSameServer(own, given); got != want {
			t.Errorf("%s is %s: %v", given, own, got)
		}
	}
}

// TestCrashed kills the server. wait-ready must show its log.
func TestCrashed(t *testing.T) {
	campaigntest.SkipShort(t) // it starts a server of its own
	noEngine(t)
	p := newProgram(t, localtest.Jar(t))
	p.run(0, "up")
	b, err := localserver.OpenBackground(p.state)
	if err != nil {
		t.Fatal(err)
	}
	crashed, err := os.FindProcess(b.PID)
	if err != nil {
		t.Fatal(err)
	}
	crashed.Kill()
	for localserver.CheckAlive(t.Context(), b.Endpoint) == nil {
	}
	for {
		if b, err := localserver.OpenBackground(p.state); b == nil && err == nil {
			break
		}
	}
	_, text := p.run(1, "wait-ready")
	says(t, text, "ended by itself", "Initializing DynamoDB Local")
	out, _ := p.run(0, "up")
	p.run(0, "health", strings.TrimSpace(out))
}

func TestGiven(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }))
	defer server.Close()
	p := newProgram(t, t.TempDir())
	p.given = server.URL
	out, text := p.run(0, "up")
	says(t, out+text, server.URL+"\n", "nothing to start")
	p.run(0, "wait-ready")
	p.run(0, "health")
	server.Close()
	_, text = p.run(1, "wait-ready", "--within", "20ms")
	says(t, text, "no answer within 20ms", "DYNAMODB_ENDPOINT")
	p.given = "https://dynamodb.eu-west-1.amazonaws.com"
	_, text = p.run(1, "up")
	says(t, text, "is AWS")
	p.run(1, "health")
}

// TestContainer checks the calls of a container engine. nuke must remove only the
// container and the volume of this project.
func TestContainer(t *testing.T) {
	dir := engines(t, `echo "$*" >> "${0%/*}/calls"`)
	p := newProgram(t, t.TempDir())
	p.run(0, "down")
	p.run(0, "nuke", "--confirm", "blue-dynamodb")
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	file := filepath.Join("..", "..", "docker-compose.yml")
	start, compose := "info\ncompose version\n", "compose -p blue-encrypted-store -f "+file+" down"
	if want := start + compose + "\n" + start + compose + " -v\n"; err != nil || string(calls) != want {
		t.Errorf("calls, %v:\n%swant:\n%s", err, calls, want)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"start"}, {"up", "now"}, {"up", "--bogus"}, {"health", "a", "b"}} {
		p := newProgram(t, t.TempDir())
		_, text := p.run(2, args...)
		says(t, text, "--help")
	}
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	if code := a.main(t.Context(), nil); code != 0 {
		t.Errorf("help: exit %d", code)
	}
	for name := range commands {
		says(t, a.stdout.(*bytes.Buffer).String(), "\n  "+name)
	}
}

// testLine matches the health check in the compose file, a list in JSON.
var testLine = regexp.MustCompile(`(?m)^\s+test: (\[.*\])$`)

// healthCheck runs the health check of the compose file against an endpoint, in
// the same way as the engine in the container. It returns the exit code.
func healthCheck(t *testing.T, endpoint string) int {
	t.Helper()
	testrule.Program(t, "curl")
	file, err := os.ReadFile(filepath.Join("..", "..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	found := testLine.FindSubmatch(file)
	if found == nil {
		t.Fatal("docker-compose.yml has no health check")
	}
	var test []string
	if err := json.Unmarshal(found[1], &test); err != nil || len(test) != 2 || test[0] != "CMD-SHELL" {
		t.Fatalf("health check %q, %v", test, err)
	}
	command := strings.Replace(test[1], "http://localhost:8000", endpoint, 1)
	if command == test[1] {
		t.Fatalf("health check %q does not use http://localhost:8000", command)
	}
	cmd := exec.Command("/bin/sh", "-c", command)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}
