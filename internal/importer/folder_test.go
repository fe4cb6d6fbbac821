package importer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
)

// tracking is a scoreboard of one round, right in every number for one
// perspective, no tension and nobody's signal.
const tracking = "# Scoreboard: Bread\n\n| Expert | Role | R0 | Total |\n|--|--|--|--|\n| Muffin | Baker | 4 | 4 |\n\n" +
	"| Round | W | C | T | R | Score | Open Tensions | New Perspectives | Velocity | Converge Signals |\n|--|--|--|--|--|--|--|--|--|--|\n" +
	"| 0 | 4 | 3 | 2 | 1 | 10 | 0 | 1 | 1 | 0/1 |\n\n**Total ALIGNMENT:** 10 (W:4 C:3 T:2 R:1)\n"

// own is a round's own scoreboard, right in every number.
const own = "# Round 0 Scoreboard\n\n| Expert | Role | Tier | W | C | T | R | Score | Key Contribution |\n|--|--|--|--|--|--|--|--|--|\n| Muffin | Baker | Core | 4 | 3 | 2 | 1 | **10** | Crust |\n\n" +
	"**Round 0 Total: 10**\n\n| ID | Tension | Raised By | Status |\n|--|--|--|--|\n| T01 | Salt | Muffin, Cupcake | OPEN |\n\n**Open Tensions: 1**\n**New Perspectives: 1**\nVelocity = 1 + 1 = 2\n\n| Metric | Value |\n|--|--|\n| Converge Signals | 0/1 (0%) |\n"

const verdict = "# Final Verdict: Bread\n\n| Metric | Value |\n|--|--|\n| Rounds | 1 |\n| Total ALIGNMENT | 10 |\n| Experts Consulted | 1 |\n| Tensions Resolved | 0/0 |\n| Final Velocity | 1 |\n\n## Answer\n\nBake it. Then eat.\n"

func TestContradictions(t *testing.T) {
	expert := "[PERSPECTIVE P01: A]\nx\n"
	for _, c := range []struct {
		name, file, from, to string // the one change to a clean folder
		want                 []string
	}{
		{"none", "", "", "", nil},
		{"perspectives", "scoreboard.md", "| 0 | 1 | 1 | 0/1 |", "| 0 | 7 | 7 | 0/1 |", []string{"scoreboard.md:9 new perspectives of round 0: stated 7, counted 1", "verdict.md:9 final velocity: stated 1, the last round's is 7"}},
		{"tensions", "round-0/muffin.md", "x\n", "x\n[TENSION T01: t]\ny\n", []string{"scoreboard.md:9 open tensions of round 0: stated 0, counted 1", "verdict.md:8 tensions: stated 0, counted 1"}},
		{"velocity", "scoreboard.md", "| 1 | 1 | 0/1 |", "| 1 | 3 | 0/1 |", []string{"scoreboard.md:9 velocity of round 0: stated 3, open tensions and new perspectives make 1"}},
		{"signals", "scoreboard.md", "0/1", "1/2", []string{"scoreboard.md:9 convergence signals of round 0: stated 1, counted 0", "scoreboard.md:9 panel size of round 0: stated 2, members of the panel 1"}},
		{"percent", "scoreboard.md", "0/1", "100%", []string{"scoreboard.md:9 convergence signals of round 0: stated 100%, which is 1 of 1; counted 0"}},
		{"score", "scoreboard.md", "| 1 | 10 |", "| 1 | 12 |", []string{"scoreboard.md:9 score of round 0: stated 12, W, C, T and R add up to 10", "scoreboard.md:11 total alignment: stated 10, the rounds add up to 12", "verdict.md:6 total alignment: stated 10, the rounds add up to 12"}},
		{"parts", "scoreboard.md", "W:4", "W:5", []string{"scoreboard.md:11 total W: stated 5, the rounds add up to 4"}},
		{"expert's total", "scoreboard.md", "| 4 | 4 |\n", "| 4 | 9 |\n", []string{"scoreboard.md:5 the total of Muffin is stated as 9, the scores beside it add up to 4"}},
		{"verdict", "verdict.md", "| Rounds | 1 |", "| Rounds | 5 |", []string{"verdict.md:5 rounds: stated 5, counted 1"}},
		{"experts", "verdict.md", "Consulted | 1", "Consulted | 12", []string{"verdict.md:7 experts: stated 12, counted 1"}},
		{"not on the panel", "round-0/cupcake.md", "", "[MOVE:DEFEND]", []string{"round-0/cupcake.md:0 Cupcake writes in round 0, but the round's panel of 1 has no Cupcake", "scoreboard.md:9 panel size of round 0: stated 1, members of the panel 2", "verdict.md:7 experts: stated 1, counted 2"}},
		{"twice on the panel", "round-0/panel.json", `"pool"}`, `"pool"},{"name":"MUFFIN"}`, []string{"round-0/panel.json:0 names MUFFIN twice"}},
		{"number twice", "round-0/muffin.md", "x\n", "x\n[CLAIM C01: c]\ny\n[CLAIM C01: d]\nz\n", []string{"round-0/muffin.md:5 MUFFIN-C0001 is given twice, the first time at round-0/muffin.md:3; the second gets the next free number"}},
		{"wrong letter", "round-0/muffin.md", "P01", "T01", []string{"round-0/muffin.md:1 the marker is a PERSPECTIVE, its number T01 is not; it is stored as a perspective"}},
		{"wrong round", "round-0/muffin.md", "P01", "P0301", []string{"round-0/muffin.md:1 the number P0301 is of another round than 0, the folder's"}},
		{"bytes", "round-0/muffin.md", "x\n", "x\xff\n", []string{"round-0/muffin.md:0 is not UTF-8; each bad byte sequence is stored as U+FFFD"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := folderOf("round-0/panel.json", muffinPanel, "round-0/muffin.md", expert, "round-0.summary.md", "# S", "scoreboard.md", tracking, "verdict.md", verdict)
			if c.file != "" {
				text := ""
				if f := fsys[c.file]; f != nil {
					text = string(f.Data)
				}
				if !strings.Contains(text, c.from) {
					t.Fatalf("%q is not in %s", c.from, c.file)
				}
				fsys[c.file] = &fstest.MapFile{Data: []byte(strings.Replace(text, c.from, c.to, 1))}
			}
			src, err := ReadFolder(fsys)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, notesOf(src, noteContradiction)); diff != "" {
				t.Errorf("contradictions (-want +got):\n%s", diff)
			}
			if c.name == "none" && len(src.Notes) > 0 {
				t.Errorf("notes on a clean folder: %v", src.Notes)
			}
			checkSource(t, src)
		})
	}
}

func TestRoundsOwnScoreboard(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		want           []string // contradictions and unplaced
	}{
		{"none", "", "", nil},
		{"expert's parts", "**10**", "**11**", []string{"round-0/scoreboard.md:5 the score of Muffin is stated as 11, its parts add up to 10", "round-0/scoreboard.md:7 Score of round 0 is stated as 10, the experts' column adds up to 11"}},
		{"total", "Total: 10", "Total: 40", []string{"round-0/scoreboard.md:7 Score of round 0 is stated as 40, the experts' column adds up to 10", "round-0/scoreboard.md:7 score of round 0: stated 40, W, C, T and R add up to 10"}},
		{"breakdown", "\n**Open", "\n- **Truth (T):** 3\n**Open", []string{"round-0/scoreboard.md:7 score of round 0: stated 10, W, C, T and R add up to 11", "round-0/scoreboard.md:13 T of round 0 is stated as 3, the experts' column adds up to 2"}},
		{"status that is none", "OPEN", "DREAMT", []string{`round-0/scoreboard.md:11 T01 is "DREAMT", which is no status; it stays open`}},
		{"raised by nobody", "Muffin, Cupcake", "the cat!", []string{`round-0/scoreboard.md:11 T01 is raised by "the cat!", which is no expert's name`}},
		{"status of nothing", "\n**Open", "\n| ID | Tension | Status |\n|--|--|--|\n| T09 | x | RESOLVED |\n\n**Open", []string{`round-0/scoreboard.md:15 the status of "T09", which names no known tension`}},
		{"signal", "\n**Open", "\n| Expert | Signal |\n|--|--|\n| Muffin | [MOVE:CONVERGE] |\n\n**Open", []string{"round-0/scoreboard.md:23 convergence signals of round 0: stated 0, counted 1"}},
		{"no signal", "\n**Open", "\n| Expert | Signal |\n|--|--|\n| Muffin | Partial |\n\n**Open", []string{`round-0/scoreboard.md:15 Muffin signals "Partial", which is no convergence`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(own, c.from, c.to, 1)
			if c.from != "" && text == own {
				t.Fatalf("%q is not in the scoreboard", c.from)
			}
			src, err := ReadFolder(folderOf("round-0/panel.json", muffinPanel, "round-0/scoreboard.md", text))
			if err != nil {
				t.Fatal(err)
			}
			got := append(notesOf(src, noteContradiction), notesOf(src, noteUnplaced)...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			checkSource(t, src)
		})
	}
}

// A status table moves the board's own numbers, with a claim of the judge;
// a second table that says the same changes nothing.
func TestStatusTables(t *testing.T) {
	table := "| ID | Tension | Status | Resolution |\n|--|--|--|--|\n| T01 | Salt | **RESOLVED** | less \\| salt |\n"
	src, err := ReadFolder(folderOf("round-0/panel.json", muffinPanel, "round-0/scoreboard.md", own,
		"round-1/panel.json", muffinPanel, "round-1/scoreboard.md", table, "round-2/panel.json", muffinPanel, "round-2/scoreboard.md", table,
		"round-3/panel.json", muffinPanel, "round-3/scoreboard.md", strings.Replace(table, "RESOLVED", "OPEN", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"P MUFFIN-P0001 Crust|Crust", "T MUFFIN-T0001 Salt|Salt"},
		{"C JUDGE-C0101 Resolved: Salt|less | salt → resolve T0001", "U T0001 resolved Judge C0101"}, nil, nil,
	}
	for i, b := range rounds(src) {
		if diff := cmp.Diff(want[i], brief(b)); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", i, diff)
		}
	}
	if got := notesOf(src, noteContradiction); !slices.Contains(got, "round-3/scoreboard.md:3 T01 is stated as OPEN here and as resolved before") {
		t.Errorf("contradictions %q", got)
	}
}

func TestFolderRefusals(t *testing.T) {
	big := bytes.Repeat([]byte("x"), maxFile+1)
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		want error
		says string
	}{
		{"empty", fstest.MapFS{}, blue.ErrInvalid, "expected folders round-0"},
		{"no rounds", folderOf(), blue.ErrInvalid, "expected folders round-0"},
		{"empty round", folderOf("round-0/.keep", ""), blue.ErrInvalid, "expected folders round-0"},
		{"huge", folderOf("round-0/muffin.md", string(big)), blue.ErrTooLarge, "round-0/muffin.md"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadFolder(c.fsys)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v with %q", err, c.want, c.says)
			}
		})
	}
	if _, err := ReadFolder(folderOf("round-0/muffin.md", string(big[:maxFile]))); err != nil {
		t.Errorf("a file of exactly %d bytes: %v", maxFile, err)
	}
}

func TestFilesThatAreNotRead(t *testing.T) {
	src, err := ReadFolder(folderOf("round-0/muffin.md", "[MOVE:CONVERGE]", "round-0/muffin.prompt.md", "x", "round-0/notes.txt", "x",
		"round-0/.DS_Store", "x", "README.md", "x", "round-100/muffin.md", "x", "round-01/muffin.md", "x", "round-0/not a slug.md", "x"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range src.Notes {
		if n.Kind == noteSkipped || n.Kind == noteUnplaced {
			got = append(got, n.Kind+" "+n.File)
		}
	}
	want := []string{"unplaced README.md", "skipped round-0/muffin.prompt.md", "unplaced round-0/not a slug.md", "unplaced round-0/notes.txt", "unplaced round-01", "unplaced round-100"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// The digest is that of the files that count, whatever lies beside them.
func TestDigest(t *testing.T) {
	digest := func(pairs ...string) string {
		src, err := ReadFolder(folderOf(pairs...))
		if err != nil {
			t.Fatal(err)
		}
		return src.Digest
	}
	a := digest("round-0/muffin.md", "x")
	if len(a) != 64 || a != digest("round-0/muffin.md", "x", "round-0/muffin.prompt.md", "y", "other.txt", "z") {
		t.Error("a file that is not read changes the digest")
	}
	for name, b := range map[string]string{
		"content": digest("round-0/muffin.md", "y"), "path": digest("round-0/cupcake.md", "x"), "bytes": digest("round-0/muffin.md", "x\r\n"),
		"border": digest("round-0/muffin.md", "x", "round-0/n.md", ""),
	} {
		if a == b {
			t.Errorf("another %s, the same digest", name)
		}
	}
}

func TestSymlinks(t *testing.T) {
	real, dir := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(real, "muffin.md"), "[PERSPECTIVE P01: A]\nx")
	if err := os.Symlink(real, filepath.Join(dir, "round-0")); err != nil {
		t.Skipf("skipped: no symlinks here: %v", err)
	}
	write(filepath.Join(real, "v"), verdict)
	for name, target := range map[string]string{"verdict.md": filepath.Join(real, "v"), "tensions.md": filepath.Join(real, "gone")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	src, err := ReadFolder(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if src.Found["perspectives"] != 1 || src.Found["verdicts"] != 1 {
		t.Errorf("found %v", src.Found)
	}
	if got := notesOf(src, noteMissing); !slices.Contains(got, "tensions.md:0 cannot be read") {
		t.Errorf("missing: %q", got)
	}
}

func TestPanels(t *testing.T) {
	src, err := ReadFolder(folderOf(
		"round-0/panel.json", `{"agents":[{"name":"Muffin","role":"Baker"},{"name":"Cupcake","role":"Guest","source":"retained"},{"name":"Scone","role":"Smith"},{"name":"a b","role":"x"},{"name":"Eclair","role":"Eater","tier":"Guru"}],"history":{"experts":[{"name":"Muffin","source":"pool"}]}}`,
		"round-1/panel.json", `{"panel":[{"name":"Muffin","role":"Brewer"},{"name":"Donut","role":"Guest","tier":"adjacent","source":"created","creation_reason":"a gap","focus":"gaps"}]}`,
		"round-2/panel.json", `{"panel":[`, "round-2/muffin.md", "[MOVE:CONVERGE]\n[MOVE:CONVERGE]"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range src.Ops {
		if e := op.Expert; e != nil {
			got = append(got, strings.Join([]string{op.Kind, string(e.Slug), e.Role, string(e.Tier), string(e.Source), e.Focus, e.CreationReason, string('0' + rune(*e.FirstRound))}, "/"))
		}
	}
	want := []string{
		"expert-register/Muffin/Baker/Core/pool///0", "expert-register/Cupcake/Guest/Core/retained///0",
		"expert-create/Scone/Smith/Core/created//created for the panel of round 0/0", "expert-register/Eclair/Eater/Core/pool///0",
		"expert-create/Donut/Guest/Adjacent/created/gaps/a gap/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("experts (-want +got):\n%s", diff)
	}
	wantContra := []string{"round-0/panel.json:0 Cupcake is retained in round 0, but 0 earlier panels have Cupcake", `round-1/panel.json:0 Muffin is "Brewer" here, "Baker" before`}
	if diff := cmp.Diff(wantContra, notesOf(src, noteContradiction)); diff != "" {
		t.Errorf("contradictions (-want +got):\n%s", diff)
	}
	wantUnplaced := []string{`round-0/panel.json:0 Eclair has the tier "Guru", which is none of Core, Adjacent and Wildcard; stored as Core`,
		`round-0/panel.json:0 names an expert "a b", which cannot be a slug`, "round-2/panel.json:1 is not the JSON it should be: line 1, column 10"}
	if diff := cmp.Diff(wantUnplaced, notesOf(src, noteUnplaced)); diff != "" {
		t.Errorf("unplaced (-want +got):\n%s", diff)
	}
	if src.Found["convergence_signals"] != 1 || src.Found["moves"] != 2 {
		t.Errorf("found %v; one expert signals once per round", src.Found)
	}
}

// Without a scoreboard the counted numbers stand in, and a note says so: a
// stored 0 would read as converged.
func TestNumbersNobodyStates(t *testing.T) {
	src := oneFile(t, "[PERSPECTIVE P01: A]\nx\n[TENSION T01: t]\ny\n[MOVE:CONVERGE]")
	if diff := cmp.Diff([]int64{0, 0, 0, 0, 0, 1, 1, 1, 1}, numbersOf(rounds(src)[0])); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	if got := strings.Join(notesOf(src, noteMissing), "\n"); !strings.Contains(got, "no file states the open tensions of round 0; stored as the 1 counted") {
		t.Errorf("missing:\n%s", got)
	}
}
