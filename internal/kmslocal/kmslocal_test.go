//go:build unix

package kmslocal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testrule"
)

// TestMain lets a test start this binary again as a process that finds a
// server, says where, and waits to be killed.
func TestMain(m *testing.M) {
	cache := os.Getenv("KMSLOCAL_TEST_HOLD")
	if cache == "" {
		os.Exit(m.Run())
	}
	server, err := Find(context.Background(), Options{Cache: cache})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.Endpoint)
	select {}
}

// programs fills PATH with shell scripts alone, by name.
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

func TestFindNothing(t *testing.T) {
	programs(t, nil)
	_, err := Find(t.Context(), Options{Cache: t.TempDir()})
	failed, ok := errors.AsType[*NotFoundError](err)
	if !ok || len(failed.Tried) != 2 {
		t.Fatalf("found nothing: %v", err)
	}
	for _, want := range []string{"python3 is not installed", "moto[server]", "BLUE_TEST_KMS_ENDPOINT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if !strings.Contains(failed.Hint(), "BLUE_TEST_SKIP=kms") {
		t.Errorf("the hint has no opt-out: %s", failed.Hint())
	}
}

const noMoto = `case "$2" in *moto*) echo "ModuleNotFoundError: No module named 'moto'" >&2; exit 1;; esac
`

func TestFindReasons(t *testing.T) {
	for name, c := range map[string]struct{ python, want string }{
		"no moto":                {noMoto + `exit 1`, "No module named 'moto'"},
		"no venv":                {noMoto + `echo "ensurepip is not available"; exit 1`, "ensurepip is not available"},
		"pip fails":              {noMoto + `/bin/mkdir -p "$3/bin"; printf '#!/bin/sh\necho "No matching distribution"; exit 1\n' > "$3/bin/python"; /bin/chmod +x "$3/bin/python"`, "No matching distribution"},
		"installed but useless":  {noMoto + `/bin/mkdir -p "$3/bin"; printf '#!/bin/sh\n[ "$2" = pip ] && exit 0; echo "No module named flask"; exit 1\n' > "$3/bin/python"; /bin/chmod +x "$3/bin/python"`, "No module named flask"},
		"moto ends at once":      {`[ "$1" = -c ] && { echo 5.2.5; exit 0; }; echo "ImportError: werkzeug" >&2; exit 3`, "ImportError: werkzeug"},
		"moto ends, exit status": {`[ "$1" = -c ] && { echo 5.2.5; exit 0; }; exit 3`, "moto ended at once: exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := programs(t, map[string]string{"python3": c.python})
			t.Setenv("PATH", dir+":/bin:/usr/bin")
			cache := t.TempDir()
			_, err := Find(t.Context(), Options{Cache: cache})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			left, _ := filepath.Glob(filepath.Join(cache, "moto", "[^l]*"))
			if len(left) != 0 {
				t.Errorf("left in the cache: %v", left)
			}
		})
	}
}

// TestNeverReady: a server that says nothing costs its time and shows its log.
func TestNeverReady(t *testing.T) {
	dir := programs(t, map[string]string{"python3": `[ "$1" = -c ] && { echo 5.2.5; exit 0; }; echo "thinking"; exec sleep 60`})
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	_, err := start(t.Context(), Options{Ready: 100 * time.Millisecond}, filepath.Join(dir, "python3"))
	if err == nil || !strings.Contains(err.Error(), "no answer at http://127.0.0.1:") || !strings.Contains(err.Error(), "thinking") {
		t.Errorf("%v", err)
	}
}

// TestInstalledOnce: processes that start at once install once, and whoever
// sees the folder sees all of it.
func TestInstalledOnce(t *testing.T) {
	dir := programs(t, map[string]string{"python3": `/bin/mkdir -p "$3/bin"
printf '#!/bin/sh\n[ "$2" = pip ] && { echo called >> "%s/calls"; /bin/sleep 0.2; }; exit 0\n' "${0%/*}" > "$3/bin/python"; /bin/chmod +x "$3/bin/python"`})
	cache := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if python, _, err := installed(context.Background(), Options{Cache: cache}); err != nil || python != inside(filepath.Join(cache, "moto", Version)) {
				t.Errorf("%s, %v", python, err)
			}
		})
	}
	all.Wait()
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil || string(calls) != "called\n" {
		t.Errorf("calls of pip: %q, %v; want one", calls, err)
	}
	if entries, err := os.ReadDir(filepath.Join(cache, "moto")); err != nil || len(entries) != 2 {
		t.Errorf("in the cache: %v, %v; want the folder and the lock", entries, err)
	}
}

func TestGiven(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }))
	found, err := Find(t.Context(), Options{Endpoint: server.URL})
	if err != nil || found.Endpoint != server.URL {
		t.Fatalf("%+v, %v", found, err)
	}
	found.Stop()
	server.Close()
	programs(t, nil)
	for endpoint, want := range map[string]string{"https://kms.eu-west-1.amazonaws.com": "is AWS", server.URL: "no answer"} {
		if endpoint == server.URL && testing.Short() {
			continue // five seconds
		}
		if _, err := Find(t.Context(), Options{Endpoint: endpoint}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", endpoint, err, want)
		}
	}
}

// TestAnother: what answers at the port must be the server that was started.
func TestAnother(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if final, err := ask(t.Context(), server.URL); !final || err == nil || !strings.Contains(err.Error(), "something else answers") {
		t.Errorf("took another server for ours: %v", err)
	}
}

func cacheFolder(t *testing.T) string {
	t.Helper()
	testrule.Wanted(t, "kms")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, localserver.Folder)
}

// TestStartsAndStops: moto itself; it serves KMS, S3 and STS, listens on
// 127.0.0.1 alone, and ends when the process does that started it, by kill -9.
func TestStartsAndStops(t *testing.T) {
	cache := cacheFolder(t)
	server, err := Find(t.Context(), Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if !strings.HasPrefix(server.How, "moto 5.") {
		t.Errorf("how: %s", server.How)
	}
	server.Stop()
	if err := localserver.Alive(t.Context(), server.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	server.Stop() // a second time does nothing

	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "KMSLOCAL_TEST_HOLD="+cache)
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
	if err := localserver.Alive(t.Context(), endpoint); err != nil {
		t.Fatalf("while the parent lives: %v", err)
	}
	parent.Process.Kill()
	parent.Wait()
	for range 600 {
		if localserver.Alive(t.Context(), endpoint) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s still answers", endpoint)
}

// TestInstalled: the environment in the cache, which pip fills the first time.
// Where Python has moto already and the cache has none, it is filled in CI alone.
func TestInstalled(t *testing.T) {
	cache := cacheFolder(t)
	if _, _, err := importable(t.Context(), Options{}); err == nil && !complete(filepath.Join(cache, "moto", Version)) && os.Getenv("CI") != "true" {
		t.Skip("python3 has moto, and nothing is installed beside it")
	}
	python, how, err := installed(t.Context(), Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	version, err := imports(t.Context(), python)
	if err != nil || version != Version || !strings.Contains(how, Version) {
		t.Errorf("version %q, %v; want %s", version, err, Version)
	}
	server, err := start(t.Context(), Options{}, python)
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
}

// TestPinned: the version stands in the requirements too.
func TestPinned(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "scripts", "requirements.txt"))
	if err != nil || !strings.Contains(string(text), "\nmoto[server]=="+Version+"\n") {
		t.Errorf("scripts/requirements.txt does not pin moto %s: %v", Version, err)
	}
}
