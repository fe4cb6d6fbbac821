//go:build unix

package localserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const testIdle = 200 * time.Millisecond

func startBackground(t *testing.T, dir string, want bool) *Background {
	t.Helper()
	b, started, err := StartBackground(t.Context(), dir, 0, startTestServer)
	if err != nil || started != want {
		t.Fatalf("started %v, %v; want %v", started, err, want)
	}
	t.Cleanup(func() { b.Stop(context.Background()) })
	return b
}

// TestBackground: a server is started once in a folder. Stop ends it, and
// afterwards its files can be removed. A file of another program stays.
func TestBackground(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "up [1]")
	b := startBackground(t, dir, true)
	if again := startBackground(t, dir, false); *again != *b || b.How != "this test" {
		t.Errorf("started twice: %+v and %+v", b, again)
	}
	if log := BackgroundLog(dir); log != "serving" {
		t.Errorf("its log: %q", log)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := CheckAlive(t.Context(), b.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	if ended, err := OpenBackground(dir); ended != nil || err != nil {
		t.Errorf("after Stop: %+v, %v", ended, err)
	}
	foreign := filepath.Join(dir, "umk.key")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	removed, err := RemoveBackground(dir)
	if entries, _ := os.ReadDir(dir); err != nil || len(removed) != 3 || len(entries) != 1 {
		t.Errorf("removed %v, %v, left %v; want the foreign file left", removed, err, entries)
	}
	os.Remove(foreign)
	if _, err := RemoveBackground(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the empty folder is still there")
	}
}

// TestWatcherKilled: after kill -9 of the watcher the server ends, the folder
// has no server, and another one can be started.
func TestWatcherKilled(t *testing.T) {
	dir := t.TempDir()
	b := startBackground(t, dir, true)
	if err := syscall.Kill(b.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitDead(t, b.Endpoint)
	startBackground(t, dir, true)
}

// TestShare: processes share one server. It ends after the last of them.
func TestShare(t *testing.T) {
	dir := t.TempDir()
	first, endpoint := other(t, "user", dir)
	server, err := Share(t.Context(), dir, testIdle, startTestServer)
	if err != nil || server.Endpoint != endpoint {
		t.Fatalf("%+v, %v; want %s", server, err, endpoint)
	}
	first.Process.Kill()
	first.Wait()
	time.Sleep(3 * testIdle) // the watcher must not end the server in this time
	if err := CheckAlive(t.Context(), endpoint); err != nil {
		t.Errorf("the server ended while it was in use: %v", err)
	}
	server.Stop()
	waitDead(t, endpoint)
	again, err := Share(t.Context(), dir, testIdle, startTestServer)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckAlive(t.Context(), again.Endpoint); err != nil {
		t.Error(err)
	}
	again.Stop()
	waitDead(t, again.Endpoint)
}

// TestShareFails: the error is that of the program, and it is not started again
// by the watcher.
func TestShareFails(t *testing.T) {
	no := errors.New("java is not installed")
	if _, err := Share(t.Context(), t.TempDir(), testIdle, func() (*Program, error) { return nil, no }); !errors.Is(err, no) {
		t.Error(err)
	}
	dir := t.TempDir()
	_, err := Share(t.Context(), dir, testIdle, func() (*Program, error) { return script("echo no library; exit 3"), nil })
	if err == nil || !strings.HasPrefix(err.Error(), "tester ended at once: exit status 3\nno library") {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "server.json" }) {
		t.Errorf("left in the folder: %v", entries)
	}
}
