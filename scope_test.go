package blue

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// unlisted returns the methods of an interface that are missing from a table,
// and the entries of the table without a method.
func unlisted(store reflect.Type, table map[string]struct{}) (methods, entries []string) {
	for m := range store.Methods() {
		if _, listed := table[m.Name]; !listed {
			methods = append(methods, m.Name)
		}
	}
	for name := range table {
		if _, exists := store.MethodByName(name); !exists {
			entries = append(entries, name)
		}
	}
	return methods, entries
}

func TestEveryMethodIsInThePartitionRule(t *testing.T) {
	store := reflect.TypeFor[DialogueStore]()
	methods, entries := unlisted(store, partitionRule)
	if len(methods) > 0 || len(entries) > 0 {
		t.Errorf("methods of DialogueStore missing from partitionRule: %q; entries without a method: %q", methods, entries)
	}
	if store.NumMethod() != len(partitionRule) || len(partitionRule) == 0 {
		t.Errorf("%d methods, %d entries", store.NumMethod(), len(partitionRule))
	}
}

// The check itself finds a method that is not in the table.
func TestUnlistedMethodIsFound(t *testing.T) {
	type planted interface {
		DialogueStore
		Everything() []Dialogue
	}
	methods, _ := unlisted(reflect.TypeFor[planted](), partitionRule)
	if !slices.Equal(methods, []string{"Everything"}) {
		t.Errorf("found %q, want the planted method", methods)
	}
	_, entries := unlisted(reflect.TypeFor[interface{ Load() }](), partitionRule)
	if len(entries) != len(partitionRule)-1 {
		t.Errorf("%d entries without a method", len(entries))
	}
}

// TestPartitionRuleBreaksTheBuild plants methods in DialogueStore and in the
// table, and builds the package from the changed text, laid over the real one.
func TestPartitionRuleBreaksTheBuild(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the go command is missing")
		}
		t.Skip("skipped: there is no go command to build with")
	}
	tests := []struct {
		name, method, check string
		breaks              string // what the compiler complains about, "" if nothing
	}{
		{"a scoped method", "Planted(ctx context.Context, id DialogueID) (*Snapshot, error)", "scoped0", ""},
		{"a scoped method with a request", "Planted(ctx context.Context, id DialogueID, n int) (Scoped[int], error)", "scoped1", ""},
		{"no dialogue id", "Planted(ctx context.Context) (*Snapshot, error)", "scoped0", "DialogueStore.Planted"},
		{"a text for the dialogue id", "Planted(ctx context.Context, id string) (*Snapshot, error)", "scoped0", "DialogueStore.Planted"},
		{"an unscoped result", "Planted(ctx context.Context, id DialogueID) (int, error)", "scoped0", "does not satisfy PartitionScoped"},
		{"a list of dialogues", "Planted(ctx context.Context, id DialogueID, n int) ([]Dialogue, error)", "scoped1", "does not satisfy PartitionScoped"},
		{"no error", "Planted(ctx context.Context, id DialogueID) *Snapshot", "scoped0", "DialogueStore.Planted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			output, err := buildPlanted(t, test.method, test.check)
			switch {
			case test.breaks == "" && err != nil:
				t.Errorf("the build broke: %v\n%s", err, output)
			case test.breaks != "" && err == nil:
				t.Errorf("the build took %s", test.method)
			case !strings.Contains(output, test.breaks):
				t.Errorf("the build broke for another reason:\n%s", output)
			}
		})
	}
}

// buildPlanted type-checks the package with one more method.
func buildPlanted(t *testing.T, method, check string) (output string, err error) {
	t.Helper()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	plant := func(file, after, text string) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(source, []byte(after), []byte(after+"\n\t"+text), 1)
		if bytes.Equal(changed, source) {
			t.Fatalf("%s has no %q to plant after", file, after)
		}
		overlay[filepath.Join(root, file)] = filepath.Join(dir, file)
		if err := os.WriteFile(filepath.Join(dir, file), changed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plant("store.go", "type DialogueStore interface {", method)
	plant("scope.go", "var partitionRule = map[string]struct{}{", `"Planted": `+check+`(DialogueStore.Planted),`)
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", config, ".")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}
