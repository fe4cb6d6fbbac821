//go:build unix

package kmslocal

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

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
	failed, ok := errors.AsType[*localserver.NotFoundError](err)
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
	_, err := Options{Ready: 100 * time.Millisecond}.start(t.Context(), filepath.Join(dir, "python3"), "")
	if err == nil || !strings.Contains(err.Error(), "no answer at http://127.0.0.1:") || !strings.Contains(err.Error(), "thinking") {
		t.Errorf("%v", err)
	}
}

// TestInstalledOnce: a full folder needs no Python.
func TestInstalledOnce(t *testing.T) {
	programs(t, map[string]string{"python3": `/bin/mkdir -p "$3/bin"
printf '#!/bin/sh\nexit 0\n' > "$3/bin/python"; /bin/chmod +x "$3/bin/python"`})
	cache := t.TempDir()
	for range 2 {
		if python, err := installed(t.Context(), cache); err != nil || python != inside(filepath.Join(cache, "moto", Version)) {
			t.Errorf("%s, %v", python, err)
		}
		programs(t, nil)
	}
}

func TestGivenIsFinal(t *testing.T) {
	programs(t, nil)
	if _, err := Find(t.Context(), Options{Endpoint: "https://kms.eu-west-1.amazonaws.com"}); err == nil || !strings.Contains(err.Error(), "is AWS") {
		t.Errorf("AWS: %v", err)
	}
}

// TestOurs: another server's 404 is not moto's.
func TestOurs(t *testing.T) {
	ours := Options{}.moto("").Ours
	if ours(&http.Response{StatusCode: 404}) || !ours(&http.Response{StatusCode: 200}) {
		t.Error("moto is not told apart from another server")
	}
}

func cacheFolder(t *testing.T) string {
	t.Helper()
	testrule.Wanted(t, Kind.Skip)
	cache, err := testrule.Cache()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// TestStartsAndStops: moto itself; it serves KMS, S3 and STS, listens on
// 127.0.0.1 alone.
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
}

// TestInstalled: the environment in the cache, which pip fills the first time.
// Where Python has moto already and the cache has none, it is filled in CI alone.
func TestInstalled(t *testing.T) {
	cache := cacheFolder(t)
	_, absent := os.Stat(filepath.Join(cache, "moto", Version))
	if _, err := imports(t.Context(), "python3"); err == nil && absent != nil && os.Getenv("CI") != "true" {
		t.Skip("python3 has moto, and nothing is installed beside it")
	}
	server, err := Options{Cache: cache}.byInstall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	version, err := imports(t.Context(), inside(filepath.Join(cache, "moto", Version)))
	if err != nil || version != Version || !strings.Contains(server.How, Version) {
		t.Errorf("version %q, %v; want %s", version, err, Version)
	}
}

// TestPinned: the version stands in the requirements too.
func TestPinned(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "scripts", "requirements.txt"))
	if err != nil || !strings.Contains(string(text), "\nmoto[server]=="+Version+"\n") {
		t.Errorf("scripts/requirements.txt does not pin moto %s: %v", Version, err)
	}
}
