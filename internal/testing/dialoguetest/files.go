package dialoguetest

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files returns the content of every file in a folder by name.
func Files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = text
	}
	return all
}

// Search reports each secret that a file of a folder contains, once for each
// file. It returns the number of secrets that were found.
func Search(t testing.TB, dir string, secrets map[string][]byte) (found []string, distinct int) {
	t.Helper()
	all := Files(t, dir)
	for _, what := range slices.Sorted(maps.Keys(secrets)) {
		before := len(found)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if bytes.Contains(all[name], secrets[what]) {
				found = append(found, name+" contains "+what)
			}
		}
		if len(found) > before {
			distinct++
		}
	}
	return found, distinct
}
