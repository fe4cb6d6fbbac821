//go:build unix

package dynamolocal

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// programs makes a folder with shell scripts by name and sets PATH to it.
func programs(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

func composeFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker-compose.yml")
	if err := os.WriteFile(path, []byte("services: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func refusing(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }))
	t.Cleanup(server.Close)
	return server
}

const (
	java17   = `echo 'openjdk version "17.0.15" 2025-04-15' >&2`
	noEngine = `echo "Cannot connect" >&2; exit 1`
)

func TestFindNothing(t *testing.T) {
	programs(t, nil)
	_, err := Find(t.Context(), Options{Compose: composeFile(t), Cache: t.TempDir()})
	failed, ok := errors.AsType[*localserver.NotFoundError](err)
	if !ok || len(failed.Tried) != 2 {
		t.Fatalf("found nothing: %v", err)
	}
	for _, want := range []string{"docker is not installed", "podman is not installed", "java is not installed", "DYNAMODB_ENDPOINT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if !strings.Contains(failed.Hint(), "BLUE_TEST_SKIP=dynamodb") {
		t.Errorf("the hint has no opt-out: %s", failed.Hint())
	}
}

func TestFindReasons(t *testing.T) {
	for _, c := range []struct {
		name    string
		scripts map[string]string
		want    string
	}{
		{"client without engine", map[string]string{"docker": noEngine}, "docker is installed but no engine answers"},
		{"engine without compose", map[string]string{"podman": `[ "$1" = info ]`}, "podman answers but has no compose command"},
		{"compose fails", map[string]string{"docker": `case "$*" in *up*) echo "no such image"; exit 1;; esac`}, "no such image"},
		{"old Java", map[string]string{"java": `echo 'java version "1.8.0_402"' >&2`}, "java is 1; the jar needs 17"},
		{"Java 11", map[string]string{"java": `echo 'openjdk version "11.0.2"' >&2`}, "java is 11; the jar needs 17"},
		{"stub without Java", map[string]string{"java": `echo "Unable to locate a Java Runtime" >&2; exit 1`}, "Unable to locate"},
		{"no Maven", map[string]string{"java": java17}, "maven (mvn) is not installed"},
		{"Maven fails", map[string]string{"java": java17, "mvn": `echo "Unknown host"; exit 1`}, "Unknown host"},
		{"Maven fetches nothing", map[string]string{"java": java17, "mvn": `exit 0`}, "without DynamoDBLocal-2.6.1.jar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			programs(t, c.scripts)
			cache := t.TempDir()
			_, err := Find(t.Context(), Options{Compose: composeFile(t), Cache: cache})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(cache, "dynamodb-local", Version)); err == nil {
				t.Error("an incomplete jar folder is left in the cache")
			}
		})
	}
}

func TestFindContainer(t *testing.T) {
	server := refusing(t)
	for _, c := range []struct{ name, engine, compose string }{
		{"docker compose", "docker", "docker compose"},
		{"podman compose", "podman", "podman compose"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := programs(t, map[string]string{c.engine: `echo "$*" >> "${0%/*}/calls"`})
			file := composeFile(t)
			found, err := Find(t.Context(), Options{Compose: file, container: server.URL})
			if err != nil || found.Endpoint != server.URL || found.How != "container blue-dynamodb by "+c.engine {
				t.Fatalf("%+v, %v", found, err)
			}
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if want := "info\ncompose version\ncompose -p blue-encrypted-store -f " + file + " up -d\n"; err != nil || string(calls) != want {
				t.Errorf("calls %q, %v; want %q", calls, err, want)
			}
		})
	}
}

// TestContainerNeverReady: the error has the container's log.
func TestContainerNeverReady(t *testing.T) {
	server := refusing(t)
	server.Close()
	programs(t, map[string]string{"docker": `[ "$1" = logs ] && echo "unable to open database file"; exit 0`})
	_, err := Find(t.Context(), Options{Compose: composeFile(t), Ready: 20 * time.Millisecond, container: server.URL})
	if err == nil || !strings.Contains(err.Error(), "unable to open database file") {
		t.Errorf("no log in: %v", err)
	}
}

// TestJarOnce: a complete folder needs no Maven.
func TestJarOnce(t *testing.T) {
	programs(t, map[string]string{"mvn": `for last; do :; done
out=${last#-DoutputDirectory=}
/bin/mkdir "$out"; : > "$out/other.jar"; : > "$out/DynamoDBLocal-2.6.1.jar"`})
	cache := t.TempDir()
	for range 2 {
		lib, err := jar(t.Context(), cache)
		if entries, _ := os.ReadDir(lib); err != nil || len(entries) != 3 {
			t.Errorf("%s holds %v, %v", lib, entries, err)
		}
		programs(t, nil)
	}
}

// TestJavaFails: the error has the output of Java.
func TestJavaFails(t *testing.T) {
	cache := fakeJar(t)
	dir := programs(t, map[string]string{"java": `[ "$1" = -version ] && { ` + java17 + `; exit; }
echo "UnsatisfiedLinkError: no sqlite4java"; exit 3`})
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	_, err := Find(t.Context(), Options{Cache: cache})
	for _, want := range []string{"ended at once", "exit status 3", "UnsatisfiedLinkError"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func fakeJar(t *testing.T) string {
	t.Helper()
	cache := t.TempDir()
	lib := filepath.Join(cache, "dynamodb-local", Version)
	if err := os.MkdirAll(lib, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lib, "complete"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return cache
}

// TestGivenIsFinal: a given endpoint that is wrong is an error, and nothing
// else is tried in its place.
func TestGivenIsFinal(t *testing.T) {
	programs(t, nil)
	_, err := Find(t.Context(), Options{Endpoint: "https://dynamodb.eu-west-1.amazonaws.com"})
	if err == nil || !strings.Contains(err.Error(), "is AWS") {
		t.Errorf("AWS: %v", err)
	}
}
