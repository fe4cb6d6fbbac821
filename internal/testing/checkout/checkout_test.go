package checkout

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRoot(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if got, want := Root(), filepath.Dir(filepath.Dir(filepath.Dir(here))); got != want {
		t.Errorf("root %s, want %s", got, want)
	}
	if got := find(); got != "" {
		t.Errorf("outside a module: %s", got)
	}
}
