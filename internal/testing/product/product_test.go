package product

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestShips(t *testing.T) {
	for dir, want := range map[string]bool{
		".": true, "dynamo": true, "dynamo/tables": true, "internal/engine": true, "internal/demo": true, "cmd/blue-store": true, "keys/localfile": true,
		"storetest": false, "record/recordtest": false, "keys/keystest": false, "internal/testing/campaign": false, "internal/testing": false,
		"tools/countlines": false, "internal/campaign": false, "internal/dynamolocal/localtest": false, "cmd/setup-tables": false,
	} {
		if Ships(dir) != want {
			t.Errorf("Ships(%q) = %v", dir, !want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.go", "a_test.go", "b/b.go", "b/text.md", "b/testdata/x.go", ".git/x.go", "tools/x/x.go", "storetest/x.go"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(dir)
	if want := []string{"a.go", "b/b.go"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("Files = %q, %v; want %q", files, err, want)
	}
}
