package campaign

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// root is the root of the checkout, seen from this folder.
var root = filepath.Join("..", "..")

// built is the program with its failpoints, made once for all tests.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program returns the path of the built program.
func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "campaign-*"); built.err != nil {
			return
		}
		built.err = os.Chmod(built.dir, 0o755) // some tests run it as another user
		built.path = filepath.Join(built.dir, "blue-store")
		if runtime.GOOS == "windows" {
			built.path += ".exe"
		}
		build := exec.Command("go", "build", "-tags", "failpoint", "-o", built.path, "./cmd/blue-store")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// long reports whether the long form was asked for.
func long() bool { return os.Getenv("BLUE_CAMPAIGN") == "long" }

// length picks a number by the length of the run.
func length(short, ordinary, longest int) int {
	switch {
	case long():
		return longest
	case testing.Short():
		return short
	}
	return ordinary
}

// figures reports what a test counted: to the log, and with BLUE_FIGURES=1 to
// docs/figures/{name}.json.
func figures(t *testing.T, name string, counts any) {
	t.Helper()
	text, err := json.MarshalIndent(counts, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", name, text)
	if os.Getenv("BLUE_FIGURES") != "1" || t.Failed() {
		return
	}
	folder := filepath.Join(root, "docs", "figures")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
