//go:build unix

package kmslocal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
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

func TestFindNothing(t *testing.T) {
	programs(t, nil)
	_, err := Find(t.Context(), Options{Cache: t.TempDir()})
	failed, ok := errors.AsType[*localserver.NotFoundError](err)
	if !ok || len(failed.Tried) != 1 {
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

const (
	noMoto   = `[ "$2" = -c ] && { echo "ModuleNotFoundError: No module named 'moto'" >&2; exit 1; }` + "\n"
	makeVenv = `/bin/mkdir -p "$3/bin"; printf '#!/bin/sh\n%s\n' > "$3/bin/python"; /bin/chmod +x "$3/bin/python"`
)

func TestFindReasons(t *testing.T) {
	root := checkout.Root()
	for name, c := range map[string]struct{ root, python, want string }{
		"no moto":                {"", noMoto + `exit 1`, "No module named 'moto'"},
		"no venv":                {root, noMoto + `echo "ensurepip is not available"; exit 1`, "ensurepip is not available"},
		"pip fails":              {root, noMoto + strings.Replace(makeVenv, "%s", `echo "No matching distribution"; exit 1`, 1), "No matching distribution"},
		"installed but useless":  {root, noMoto + strings.Replace(makeVenv, "%s", `[ "$2" = pip ] \&\& exit 0; echo "No module named flask"; exit 1`, 1), "No module named"},
		"moto ends at once":      {"", `[ "$2" = -c ] && exit 0; echo "ImportError: werkzeug" >&2; exit 3`, "ImportError: werkzeug"},
		"moto ends, exit status": {"", `[ "$2" = -c ] && exit 0; exit 3`, "moto ended at once: exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := programs(t, map[string]string{"python3": strings.ReplaceAll(c.python, `\&`, "&")})
			t.Setenv("PATH", dir+":/bin:/usr/bin")
			_, err := Find(t.Context(), Options{Cache: t.TempDir(), Root: c.root})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
		})
	}
}

// TestNeverReady: a server that does not answer is given up after its time, and
// the error has its log.
func TestNeverReady(t *testing.T) {
	dir := programs(t, map[string]string{"python3": `[ "$2" = -c ] && exit 0; echo "thinking"; exec sleep 60`})
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	_, err := Find(t.Context(), Options{Cache: t.TempDir(), Ready: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no answer at http://127.0.0.1:") || !strings.Contains(err.Error(), "thinking") {
		t.Errorf("%v", err)
	}
}

func TestGivenIsFinal(t *testing.T) {
	programs(t, nil)
	if _, err := Find(t.Context(), Options{Endpoint: "https://kms.eu-west-1.amazonaws.com"}); err == nil || !strings.Contains(err.Error(), "is AWS") {
		t.Errorf("AWS: %v", err)
	}
}

// TestStartsAndStops starts moto itself, which listens on 127.0.0.1 only.
func TestStartsAndStops(t *testing.T) {
	testrule.Need(t, Kind.Skip)
	cache, err := localserver.Cache()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Cache: cache, Root: checkout.Root()}
	python, err := o.python(t.Context())
	if err != nil {
		t.Fatalf("%v\nfix: %s\ngo without: BLUE_TEST_SKIP=%s", err, Kind.Fix, Kind.Skip)
	}
	server, err := o.program(python).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := localserver.CheckAlive(t.Context(), server.Endpoint); err == nil {
		t.Error("it answers after Stop")
	}
	server.Stop() // a second call does nothing
}
