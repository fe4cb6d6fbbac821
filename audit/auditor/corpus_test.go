package auditor

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

var update = flag.Bool("update", false, "write the corpus of exported logs anew")

var corpusFolder = filepath.Join("..", "..", "tests", "fixtures", "audit")

// index is corpus.json: the key, and for each file the one word that both
// verifiers must say.
type index struct {
	Verifier string            `json:"verifier"`
	Logs     map[string]string `json:"logs"`
}

// corpus makes every file of the corpus.
func corpus(t testing.TB) (index, map[string][]byte) {
	key := newForge(t).signer.VerifierKey()
	x, files := index{key, map[string]string{}}, map[string][]byte{}
	for _, c := range slices.Concat(goodLogs, badEvents, badChains, badCheckpoints, badDialogues) {
		e := newEditor(t, c.base)
		if c.edit != nil {
			c.edit(e)
		}
		text := encode(t, e.lines)
		if c.bytes != nil {
			text = c.bytes(text)
		}
		name := strings.ReplaceAll(c.name, " ", "-") + ".jsonl"
		if files[name] != nil {
			t.Fatalf("two logs are called %s", name)
		}
		x.Logs[name], files[name] = c.want, text
	}
	return x, files
}

// TestCorpusIsReproducible makes the corpus again and compares the bytes. With
// -update it writes the corpus.
func TestCorpusIsReproducible(t *testing.T) {
	x, files := corpus(t)
	text, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	files["corpus.json"] = append(text, '\n')
	if *update {
		if err := errors.Join(os.RemoveAll(corpusFolder), os.MkdirAll(corpusFolder, 0o755)); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(corpusFolder, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	there, err := os.ReadDir(corpusFolder)
	if err != nil || len(there) != len(files) {
		t.Fatalf("%d files are there, want %d: %v; run go test ./audit/auditor -run TestCorpusIsReproducible -update", len(there), len(files), err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(corpusFolder, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the test makes (%v); run it with -update, and look at what changed", name, err)
		}
	}
}

// stored reads the corpus as it lies in the repository.
func stored(t *testing.T) (x index, names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpusFolder, "corpus.json"))
	if err == nil {
		err = json.Unmarshal(text, &x)
	}
	if err != nil {
		t.Fatal(err)
	}
	return x, slices.Sorted(maps.Keys(x.Logs))
}

// verdict says what Verify makes of a file, in one word.
func verdict(t *testing.T, path string) string {
	t.Helper()
	text, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	f, err := NewFile(text)
	if errors.Is(err, blue.ErrInvalid) {
		return "malformed"
	}
	if err != nil {
		t.Fatal(err)
	}
	forge := newForge(t)
	r := forge.verify(f)
	if r.Found > 0 {
		return string(r.Findings[0].Class)
	}
	return r.Verdict()
}

func TestCorpus(t *testing.T) {
	x, names := stored(t)
	bad := 0
	for _, name := range names {
		if got := verdict(t, filepath.Join(corpusFolder, name)); got != x.Logs[name] {
			t.Errorf("%s: %s, want %s", name, got, x.Logs[name])
		}
		if x.Logs[name] != OK && x.Logs[name] != Unproven {
			bad++
		}
	}
	if len(names) < 60 || bad < 45 {
		t.Errorf("%d logs, %d bad ones; want 60 and 45", len(names), bad)
	}
	t.Logf("%d logs, %d bad ones", len(names), bad)
}

// TestPythonAgrees gives the corpus to scripts/verify_audit_log.py, which is
// written from docs/format.md alone: the same word for every file.
func TestPythonAgrees(t *testing.T) {
	x, names := stored(t)
	args := []string{"--key", x.Verifier}
	for _, name := range names {
		args = append(args, filepath.Join(corpusFolder, name))
	}
	out, _ := python(t, args...).Output() // its status says that some are bad
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(names) {
		t.Fatalf("%d lines for %d logs:\n%s", len(lines), len(names), out)
	}
	for i, name := range names {
		_, rest, _ := strings.Cut(lines[i], name+": ")
		if word, _, _ := strings.Cut(rest, ":"); word != x.Logs[name] {
			t.Errorf("%s, want %s", lines[i], x.Logs[name])
		}
	}
}

// python returns a command for the second verifier. It skips the test if there is
// no Python 3 with the module cryptography.
func python(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(testrule.Python(t, "cryptography"), append([]string{"-B", filepath.Join("..", "..", "scripts", "verify_audit_log.py")}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// FuzzFile: no file brings a reader or the verifier down, and what can be read
// is written again as it was read.
func FuzzFile(f *testing.F) {
	_, files := corpus(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f.Add(files[name])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := NewFile(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, blue.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if _, err := Verify(t.Context(), file, nil); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"", "apple"} {
			if _, err := file.Root(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if err := Export(t.Context(), file, &bytes.Buffer{}); err != nil {
			t.Fatal(fmt.Errorf("exported again: %w", err))
		}
	})
}
