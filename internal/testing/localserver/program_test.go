//go:build unix

package localserver

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// roleVariable lets a test start this binary again as another process.
const roleVariable = "BLUE_LOCAL_SERVER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "parent": // starts a server and prints its endpoint
		report(testServer().Start(context.Background()))
	case "user": // shares the server of a folder and prints its endpoint
		report(Share(context.Background(), os.Args[1], testIdle, startTestServer))
	case "server":
		fmt.Println("serving")
		err := http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Page", r.URL.Path)
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func report(server *Server, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.Endpoint)
	select {}
}

// testServer is this binary as a server.
func testServer() *Program {
	return &Program{
		Name: "tester", How: "this test", Address: "127.0.0.1:0", Page: "/page", Header: "Page", Within: time.Minute,
		Command: []string{"/usr/bin/env", roleVariable + "=server", os.Args[0], "{port}"},
	}
}

func startTestServer() (*Program, error) { return testServer(), nil }

// script is a shell script in the place of a server.
func script(text string) *Program {
	p := testServer()
	p.Command = []string{"/bin/sh", "-c", text}
	return p
}

// other starts this binary in a role and returns the line that it prints.
func other(t *testing.T, role string, args ...string) (cmd *exec.Cmd, line string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(line)
}

// waitDead returns when no server answers at the endpoint.
func waitDead(t *testing.T, endpoint string) {
	t.Helper()
	for began := time.Now(); CheckAlive(t.Context(), endpoint) == nil; time.Sleep(pause) {
		if time.Since(began) > time.Minute {
			t.Fatalf("%s still answers", endpoint)
		}
	}
}

func TestStartsAndStops(t *testing.T) {
	server, err := testServer().Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := CheckAlive(t.Context(), server.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	server.Stop() // a second call does nothing
}

// TestParentKilled: after kill -9 of the process that started it, the server ends.
func TestParentKilled(t *testing.T) {
	parent, endpoint := other(t, "parent")
	if err := CheckAlive(t.Context(), endpoint); err != nil {
		t.Fatalf("while the parent runs: %v", err)
	}
	parent.Process.Kill()
	waitDead(t, endpoint)
}

func TestEndsAtOnce(t *testing.T) {
	_, err := script("echo no library; exit 3").Start(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "tester ended at once: exit status 3\nno library") {
		t.Error(err)
	}
}

// TestNeverReady: a server that does not answer is given up after its time, and
// the error has its log.
func TestNeverReady(t *testing.T) {
	p := script("echo thinking; exec sleep 60")
	p.Within = 100 * time.Millisecond
	_, err := p.Start(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "no answer at http://127.0.0.1:") || !strings.Contains(err.Error(), " within 100ms: context deadline exceeded\nthinking") {
		t.Error(err)
	}
}

// TestAnother: an answer of another server at the port is an error.
func TestAnother(t *testing.T) {
	another := httptest.NewServer(http.NotFoundHandler())
	defer another.Close()
	p := script("exec sleep 60")
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{Endpoint: another.URL, process: follow(cmd)}
	defer s.process.cmd.Process.Kill()
	if err := p.waitReady(t.Context(), s); err == nil || !strings.Contains(err.Error(), "something else answers") {
		t.Errorf("took another server for its own: %v", err)
	}
}

func TestIsOwn(t *testing.T) {
	with := func(status int, header string) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{header: {"1"}}}
	}
	for _, c := range []struct {
		header string
		answer *http.Response
		want   bool
	}{
		{"Page", with(400, "Page"), true}, {"Page", with(200, "Server"), false},
		{"", with(200, "Server"), true}, {"", with(404, "Server"), false},
	} {
		if got := (&Program{Header: c.header}).isOwn(c.answer); got != c.want {
			t.Errorf("header %q, answer %d %v: %v", c.header, c.answer.StatusCode, c.answer.Header, got)
		}
	}
}

func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := testServer()
	p.Address = listener.Addr().String()
	if _, err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Error(err)
	}
}
