//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// just runs the recipes of the repository.
func just(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	program := testrule.Program(t, "just")
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join("..", ".."), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func TestJustSummary(t *testing.T) {
	out, text, err := just(t, "--summary")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	recipes := strings.Fields(out)
	for _, name := range []string{"up", "wait-ready", "test", "setup", "down", "nuke", "check"} {
		if !slices.Contains(recipes, name) {
			t.Errorf("no recipe %s in %v", name, recipes)
		}
	}
	// This test can run in `just test`, so it only reads the command.
	if _, text, err := just(t, "--dry-run", "test"); err != nil || text != "go test ./...\n" {
		t.Errorf("just test: %q, %v", text, err)
	}
}

// TestRecipes runs each recipe, in a home of its own.
func TestRecipes(t *testing.T) {
	testrule.Program(t, "just")
	noEngine(t)
	home, state := ownHome(t, localtest.Jar(t))
	key := filepath.Join(home, ".blue", "keys", "umk.key")
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	must := func(args ...string) (string, string) {
		t.Helper()
		out, text, err := just(t, args...)
		if err != nil {
			t.Fatalf("just %v: %v\n%s%s", args, err, out, text)
		}
		return out, text
	}
	out, _ := must("setup", "--port", "0")
	endpoint, _, _ := strings.Cut(out, "\n")
	if err := localserver.CheckAlive(t.Context(), endpoint); err != nil {
		t.Errorf("after setup: %v", err)
	}
	if again, _ := must("up"); again != endpoint+"\n" {
		t.Errorf("up after setup: %q, want %s", again, endpoint)
	}
	_, text := must("wait-ready")
	says(t, text, "ready: "+endpoint)
	must("down")
	if _, text, err := just(t, "wait-ready"); err == nil {
		t.Errorf("ready after down: %s", text)
	}
	must("up", "--port", "0")
	if _, text, err := just(t, "nuke"); err == nil || !strings.Contains(text, "--confirm") {
		t.Errorf("nuke without its name: %v\n%s", err, text)
	}
	must("nuke", "--confirm", "blue-dynamodb")
	if _, err := os.Stat(state); err == nil {
		t.Error("the state is still there after nuke")
	}
	if text, err := os.ReadFile(key); err != nil || string(text) != "a key" {
		t.Errorf("the key after nuke: %q, %v", text, err)
	}
}

// ownHome sets a home folder for the test. The caches of Go and the jar stay the
// same.
func ownHome(t *testing.T, jar string) (home, state string) {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, strings.TrimSpace(string(value)))
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("DYNAMODB_ENDPOINT", "")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, localserver.Folder, "dynamodb-local")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(jar, "dynamodb-local", dynamolocal.Version)
	if err := os.Symlink(lib, filepath.Join(cache, dynamolocal.Version)); err != nil {
		t.Fatal(err)
	}
	state = filepath.Join(cache, "up")
	t.Cleanup(func() {
		if b, _ := localserver.OpenBackground(state); b != nil {
			b.Stop(context.Background())
		}
	})
	return home, state
}

// TestComposeFile makes docker-compose read the file.
func TestComposeFile(t *testing.T) {
	cmd := exec.Command(testrule.Program(t, "docker-compose"), "-f", filepath.Join("..", "..", "docker-compose.yml"), "config")
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	says(t, string(text), "image: amazon/dynamodb-local:"+dynamolocal.Version, "container_name: "+dynamolocal.Container, "name: "+dynamolocal.Volume)
	if !strings.Contains(string(text), "127.0.0.1:8000:8000") && !strings.Contains(string(text), "host_ip: 127.0.0.1") {
		t.Errorf("the port is not on loopback alone:\n%s", text)
	}
}
