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
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets a test start this binary again: as a server, which answers at a
// port, or as the parent of one, which says where that is.
func TestMain(m *testing.M) {
	role, port := os.Getenv("LOCALSERVER_TEST_ROLE"), os.Args[len(os.Args)-1]
	switch role {
	case "":
		os.Exit(m.Run())
	case "parent":
		os.Setenv("LOCALSERVER_TEST_ROLE", "server")
		server, err := serving().Start(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(server.Endpoint)
		select {}
	}
	fmt.Println("serving")
	err := http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Page", r.URL.Path)
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// serving is this binary as a server.
func serving() *Program {
	return &Program{
		Name:    "tester",
		Address: "127.0.0.1:0",
		Command: func(port int) *exec.Cmd { return exec.Command(os.Args[0], strconv.Itoa(port)) },
		Page:    "/page",
		Ours:    func(r *http.Response) bool { return r.Header.Get("Page") == "/page" },
		Within:  time.Minute,
	}
}

// script is a shell script in its place.
func script(text string) *Program {
	p := serving()
	p.Command = func(int) *exec.Cmd { return exec.Command("/bin/sh", "-c", text) }
	return p
}

// dead waits until nobody answers at the endpoint.
func dead(t *testing.T, endpoint string) {
	t.Helper()
	for range 600 {
		if Alive(t.Context(), endpoint) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s still answers", endpoint)
}

func TestStartsAndStops(t *testing.T) {
	t.Setenv("LOCALSERVER_TEST_ROLE", "server")
	server, err := serving().Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := Alive(t.Context(), server.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	server.Stop() // a second time does nothing
}

// TestParentKilled: kill -9 of the process that started the server leaves
// nothing behind.
func TestParentKilled(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "LOCALSERVER_TEST_ROLE=parent")
	parent.Stderr = os.Stderr
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	endpoint := strings.TrimSpace(line)
	if err := Alive(t.Context(), endpoint); err != nil {
		t.Fatalf("while the parent lives: %v", err)
	}
	parent.Process.Kill()
	parent.Wait()
	dead(t, endpoint)
}

// TestDetached: it prints to its log, and Terminate ends it by its id.
func TestDetached(t *testing.T) {
	t.Setenv("LOCALSERVER_TEST_ROLE", "server")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	server, pid, err := serving().StartDetached(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if Tail(log) != "serving" {
		t.Errorf("its log: %q", Tail(log))
	}
	if err := Terminate(pid); err != nil {
		t.Error(err)
	}
	dead(t, server.Endpoint)
}

func TestEndsAtOnce(t *testing.T) {
	_, err := script("echo no library; exit 3").Start(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "tester ended at once: exit status 3\nno library") {
		t.Error(err)
	}
}

// TestNeverReady: a server that says nothing costs its time and shows its log.
func TestNeverReady(t *testing.T) {
	p := script("echo thinking; exec sleep 60")
	p.Within = 100 * time.Millisecond
	_, err := p.Start(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "no answer at http://127.0.0.1:") || !strings.Contains(err.Error(), " within 100ms: context deadline exceeded\nthinking") {
		t.Error(err)
	}
}

// TestAnother: what answers at the port must be the server that was started.
func TestAnother(t *testing.T) {
	p := script("exec sleep 60")
	p.Command = func(port int) *exec.Cmd {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Fatal(err)
		}
		other := &http.Server{Handler: http.NotFoundHandler()}
		t.Cleanup(func() { other.Close() })
		go other.Serve(listener)
		return exec.Command("sleep", "60")
	}
	if _, err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "something else answers") {
		t.Errorf("took another server for ours: %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	p := serving()
	p.Address = other.Listener.Addr().String()
	if _, err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Error(err)
	}
}

// TestOutputHangs: a program that says nothing costs its deadline, no more,
// though a child of it holds the pipe.
func TestOutputHangs(t *testing.T) {
	text, err := Output(t.Context(), 50*time.Millisecond, "/bin/sh", "-c", "echo begun; sleep 60; :")
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("%q, %v", text, err)
	}
}
