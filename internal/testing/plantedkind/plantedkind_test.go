// Package plantedkind adds an invented kind to a copy of the module and runs
// the program of that copy. It shows that a new numbered kind changes at most
// three files outside tests, and that every command handles it. It holds the
// test alone.
package plantedkind

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/checkout"
)

// An insertion is a text that goes into one file, above a line, or at the end if
// above is empty.
type insertion struct{ file, above, text string }

// objection is the whole plant: a row of the table of kinds and a type.
var objection = []insertion{
	{"kinds.go", "\t{kind: KindMove,", `	{
		kind: "objection", plural: "objections", statuses: []Status{"raised", "answered"},
		letter: 'O', rank: 6, word: "Objection", text: "content", shape: "octagon",
		moves: map[Status][]Status{"raised": {"answered"}},
		fresh: func() Contributed { return new(Objection) },
	},
`},
	{"entity.go", "", `
// Objection is an invented kind (letter O).
type Objection struct {
	Contribution
	Content string ` + "`sealed:\"content\"`" + `
}

func (e *Objection) Text() string        { return e.Content }
func (e *Objection) SetText(text string) { e.Content = text }
`},
}

// maxFiles is how many files outside tests a new kind can change.
const maxFiles = 3

// TestPlantFits checks that the plant still fits the module and stays within
// the number of files. It is the short form of TestPlantedKind.
func TestPlantFits(t *testing.T) {
	files := map[string]bool{}
	for _, p := range objection {
		files[p.file] = true
		text, err := os.ReadFile(filepath.Join(checkout.Root(), p.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.into(string(text)); err != "" {
			t.Error(err)
		}
	}
	if len(files) > maxFiles {
		t.Errorf("a new kind changes %d files, more than %d", len(files), maxFiles)
	}
}

// into returns the text of the file with the insertion, or what is wrong.
func (p insertion) into(text string) (planted, problem string) {
	if p.above == "" {
		return text + p.text, ""
	}
	before, after, found := strings.Cut(text, p.above)
	if !found || strings.Contains(after, p.above) {
		return "", p.file + " does not hold exactly once: " + p.above
	}
	return before + p.text + p.above + after, ""
}

// plant copies what the program is built from and adds the kind.
func plant(t *testing.T) (module string) {
	module = t.TempDir()
	root := checkout.Root()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && name != "." || slices.Contains([]string{"docs", "tests", "tools", "internal/testing"}, slashed) || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(module, name), 0o755)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, p := range objection {
			if p.file == slashed {
				text, problem := p.into(string(data))
				if problem != "" {
					t.Fatal(problem)
				}
				data = []byte(text)
			}
		}
		return os.WriteFile(filepath.Join(module, name), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// A user runs the planted program in a home.
type user struct {
	*testing.T
	program, home string
}

// newUser builds the planted program.
func newUser(t *testing.T) *user {
	u := &user{T: t, program: filepath.Join(t.TempDir(), "blue-store"), home: t.TempDir()}
	if runtime.GOOS == "windows" {
		u.program += ".exe"
	}
	build := exec.Command("go", "build", "-trimpath", "-o", u.program, "./cmd/blue-store")
	build.Dir = plant(t)
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the module with the planted kind does not build: %v\n%s", err, out)
	}
	return u
}

// run returns what a command prints. The command must succeed.
func (u *user) run(args ...string) string {
	u.Helper()
	c := exec.Command(u.program, args...)
	c.Dir, c.Env = u.home, campaigntest.Env(u.home, u.home)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		u.Fatalf("%q: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// prints runs a command and checks that each text is in what it prints.
func (u *user) prints(args []string, texts ...string) string {
	u.Helper()
	out := u.run(args...)
	for _, text := range texts {
		if !strings.Contains(out, text) {
			u.Errorf("%q does not print %q:\n%s", args, text, out)
		}
	}
	return out
}

// write puts a file into the home.
func (u *user) write(name, text string) {
	u.Helper()
	path := filepath.Join(u.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		u.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		u.Fatal(err)
	}
}

const round = `{"score":1,"open_tensions":0,"new_perspectives":1,"converge_signals":0,"panel_size":1,
	"perspectives":[{"local_id":"MUFFIN-P0001","label":"Cheap","content":"A cache is cheap."}],
	"objections":[{"local_id":"MUFFIN-O0001","label":"Stale","content":"A cache is stale.","contributors":["Muffin"],
		"references":[{"type":"oppose","target":"MUFFIN-P0001"}]}]}`

// TestPlantedKind registers, shows, exports, draws, cites, imports, verifies,
// inspects and lists a dialogue that holds an entity of the planted kind.
func TestPlantedKind(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: builds a copy of the program; TestPlantFits is the short form")
	}
	u := newUser(t)
	u.write("round.json", round)
	u.run("dialogue", "create", "Which cache?")
	u.run("dialogue", "expert-create", "--dialogue-id", "which-cache", "--expert-slug", "Muffin", "--role", "Economist",
		"--tier", "Core", "--creation-reason", "cost", "--first-round", "0")
	register := []string{"dialogue", "round-register", "--dialogue-id", "which-cache", "--round", "0", "--data", "@round.json"}
	u.prints(register, `"objections": [`, `"global_id": "O0001"`, `"local_id": "MUFFIN-O0001"`, `"refs": 1`)
	u.prints(append(register, "--text"), "unchanged, registered before: round 0", "objections       O0001")

	u.prints([]string{"show", "which-cache", "--text"}, "O0001 raised", "Stale (Muffin)")
	u.prints([]string{"show", "which-cache", "--json"}, `"objections": [`, `"A cache is stale."`)
	u.prints([]string{"show", "which-cache", "O0001", "--text"}, "O0001 objection, raised, round 0", "A cache is stale.", "→ oppose   P0001 Cheap", "created round 0, by Muffin")
	u.prints([]string{"show", "which-cache", "O0001", "--json"}, `"kind": "objection"`, `"status": "raised"`, `"event_type": "created"`)
	u.prints([]string{"show", "which-cache", "P0001", "--text"}, "← oppose   O0001 Stale")
	u.prints([]string{"show", "which-cache", "round:0", "--json"}, `"O0001"`)
	u.prints([]string{"show", "which-cache", "Muffin", "--text"}, "O0001")

	u.checkExport(u.run("export", "which-cache"), 1)
	u.prints([]string{"graph", "which-cache", "--format", "text"}, "O0001 objection raised  Stale", "→ oppose P0001")
	u.prints([]string{"graph", "which-cache", "--format", "json"}, `"kind": "objection"`, `"source": "O0001"`)
	u.prints([]string{"graph", "which-cache", "--format", "dot"}, `"O0001" [shape="octagon", label="O0001 raised\nStale"];`, `"O0001" -> "P0001"`)
	u.prints([]string{"cite", "which-cache", "O0001", "--json"}, `"entity_type": "O"`, `"content": "A cache is stale."`)
	u.prints([]string{"verify", "which-cache", "--text"}, "which-cache")
	u.prints([]string{"inspect", "which-cache", "--text"}, "1 objection raised", "event#objection#O0001#")
	u.prints([]string{"inspect", "which-cache", "O0001", "--text"}, "objection#00#01", "A cache is stale.")
	u.prints([]string{"list", "--text"}, "which-cache")

	u.importsOperations()
	u.importsFolder()
}

// checkExport checks that an export holds the objections.
func (u *user) checkExport(text string, want int) {
	u.Helper()
	var doc struct {
		Objections []struct{ ID, Status, Content string }
		Events     []struct{ Entity string }
		References []struct {
			Source string `json:"source_type"`
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		u.Fatal(err)
	}
	if len(doc.Objections) != want || doc.Objections[0].ID != "O0001" || doc.Objections[0].Status != "raised" || doc.Objections[0].Content != "A cache is stale." {
		u.Errorf("the export holds the objections %+v", doc.Objections)
	}
	if !slices.ContainsFunc(doc.Events, func(e struct{ Entity string }) bool { return e.Entity == "O0001" }) {
		u.Errorf("the export holds no event of O0001: %v", doc.Events)
	}
	if len(doc.References) != 1 || doc.References[0].Source != "O" {
		u.Errorf("the export holds the references %+v", doc.References)
	}
}

// importsOperations imports the same round from an operations file.
func (u *user) importsOperations() {
	u.Helper()
	u.write("ops.json", `{"title":"Imported","counts":{"objections":1},"ops":[{"op":"create","data":{"title":"Imported"}},
		{"op":"expert-register","data":{"expert_slug":"Muffin","role":"Economist","tier":"Core"}},
		{"op":"round-register","round":0,"data":`+round+`}]}`)
	u.prints([]string{"import", "ops.json", "--json"}, `"objections": 1`, `"refused": []`, `"notes": []`)
	u.prints([]string{"import", "ops.json", "--text"}, "1 perspective · 1 objection · 1 reference")
	u.checkExport(u.run("export", "imported"), 1)
	u.prints([]string{"verify", "imported"}, "imported")
}

// importsFolder imports a marker of the kind from a Markdown folder, and a
// reference that names it.
func (u *user) importsFolder() {
	u.Helper()
	u.write("folder/expert-pool.json", `{"question":"Which bread?","experts":[{"role":"Baker","tier":"Core","relevance":0.9,"focus":"dough"}]}`)
	u.write("folder/round-0/panel.json", `{"panel":[{"name":"Muffin","role":"Baker","tier":"Core","source":"pool"}]}`)
	u.write("folder/round-0/muffin.md", "[PERSPECTIVE P01: Rye]\nRye keeps.\n\n[OBJECTION O01: Sour]\nRye is sour.\n[RE:OPPOSE MUFFIN-P01]\n\n[CLAIM C01: Reply]\nMost like it.\n[RE:OPPOSE MUFFIN-O0001]\n")
	u.prints([]string{"import", "folder", "--json"}, `"objections": 1`, `"refused": []`)
	u.prints([]string{"show", "which-bread", "O0001", "--text"}, "O0001 objection, raised, round 0", "MUFFIN-O0001", "Rye is sour.", "→ oppose   P0001", "← oppose   C0001")
}
