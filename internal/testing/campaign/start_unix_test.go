//go:build unix

package campaign

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// atOnce starts n processes as close together as possible and returns their
// results.
func (w *machine) atOnce(n int, env []string, stdin func(int) string, args func(int) []string) []result {
	w.t.Helper()
	program.Path(w.t)
	results := make([]result, n)
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			c, stdout, stderr := w.command(strings.NewReader(stdin(i)), env, args(i)...)
			ready.Done()
			<-gate
			_ = c.Run()
			results[i] = result{-1, stdout.String(), stderr.String()}
			if c.ProcessState != nil {
				results[i].code = c.ProcessState.ExitCode()
			}
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	return results
}

func nothing(int) string { return "" }

// startFigures are the figures of the processes that start at once.
type startFigures struct {
	Processes   int `json:"processes"`
	Dialogues   int `json:"dialogues"`
	DistinctIDs int `json:"distinct_ids"`
	Keys        int `json:"keys_made"`
	Warned      int `json:"processes_that_announced_the_key"`
}

// TestStart starts processes on an empty home, with different titles and with
// one title. One key is made, every id is unique, and all dialogues open.
func TestStart(t *testing.T) {
	n := campaigntest.Length(16, 50, 50)
	for name, title := range map[string]func(int) string{
		"own-titles": func(i int) string { return fmt.Sprintf("Start number %d", i) },
		"one-title":  func(int) string { return "The same start" },
	} {
		t.Run(name, func(t *testing.T) {
			for range campaigntest.Length(1, 1, 20) {
				campaigntest.Figures(t, "start-"+name, start(t, n, title))
			}
		})
	}
}

func start(t *testing.T, n int, title func(int) string) startFigures {
	w := newMachine(t)
	f := startFigures{Processes: n}
	ids := map[string]int{}
	for _, r := range w.atOnce(n, nil, nothing, func(i int) []string { return []string{"dialogue", "create", title(i)} }) {
		if r.code != 0 {
			t.Fatalf("exit code %d: %s", r.code, r.stderr)
		}
		var created struct {
			ID string `json:"dialogue_id"`
		}
		decode(t, r.stdout, &created)
		ids[created.ID]++
		if strings.Contains(r.stderr, "a new key was created") {
			f.Warned++
		}
	}
	f.DistinctIDs = len(ids)
	if title(0) == title(1) {
		for i := range n {
			id := "the-same-start"
			if i > 0 {
				id = fmt.Sprintf("%s-%d", id, i+1)
			}
			if ids[id] != 1 {
				t.Errorf("id %s was given %d times", id, ids[id])
			}
		}
	}
	v := w.verify("--all")
	f.Dialogues = len(v.Dialogues)
	for _, d := range v.Dialogues {
		if ids[d.DialogueID] != 1 || !d.OK {
			t.Errorf("%s is present, ok: %t, and it was given %d times", d.DialogueID, d.OK, ids[d.DialogueID])
		}
	}
	f.Keys = len(w.keyFiles())
	if f.Dialogues != n || f.DistinctIDs != n || f.Keys != 1 || f.Warned == 0 {
		t.Errorf("%+v", f)
	}
	return f
}

// keyFiles lists the files in the folder of the keys without the signing key.
func (w *machine) keyFiles() []string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.umk()))
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "audit.key" {
			names = append(names, e.Name())
		}
	}
	return names
}

// writersFigures are the figures of the writers of one dialogue.
type writersFigures struct {
	Processes     int    `json:"processes"`
	RoundsEach    int    `json:"rounds_each"`
	Rounds        int    `json:"rounds_there"`
	Entities      int    `json:"entities_there"`
	DistinctIDs   int    `json:"distinct_ids"`
	Versions      uint64 `json:"versions"`
	TotalScore    int64  `json:"total_alignment"`
	OnOneRound    int    `json:"processes_on_one_round"`
	TookIt        int    `json:"of_them_took_it"`
	SameBatch     int    `json:"processes_with_one_batch"`
	SameBatchTook int    `json:"of_them_succeeded"`
}

// TestWriters lets 8 processes register different rounds of one dialogue at
// once. Then 8 processes register the same round with different content, and one
// of them succeeds.
func TestWriters(t *testing.T) {
	const processes = 8
	w := newMachine(t)
	w.must("dialogue", "create", "One panel")
	rounds := campaigntest.Length(1, 4, 12)
	f := writersFigures{Processes: processes, RoundsEach: rounds, OnOneRound: processes, SameBatch: processes}
	data := func(round, perspectives int) string {
		var list []map[string]string
		for i := range perspectives {
			list = append(list, map[string]string{"local_id": fmt.Sprintf("MUFFIN-P%02d%02d", round, i), "label": fmt.Sprintf("%d of %d", i, round), "content": "A text."})
		}
		text, _ := json.Marshal(map[string]any{"score": round + 1, "perspectives": list})
		return string(text)
	}
	// While a commit takes some time, all other writers read the state before
	// it.
	slow := []string{"BLUE_FAILPOINT=" + beforeCommit, "BLUE_FAILPOINT_WAIT=40ms"}
	register := func(round int) []string {
		return []string{"dialogue", "round-register", "--dialogue-id", "one-panel", "--round", fmt.Sprint(round), "--data", "-"}
	}
	for wave := range rounds {
		round := func(i int) int { return wave*processes + i }
		for i, r := range w.atOnce(processes, slow, func(i int) string { return data(round(i), 5) }, func(i int) []string { return register(round(i)) }) {
			if r.code != 0 {
				t.Fatalf("round %d: exit code %d: %s", round(i), r.code, r.stderr)
			}
		}
	}
	f.SameBatchTook = w.sameBatch(processes, slow, data)
	last := rounds * processes
	for i, r := range w.atOnce(processes, slow, func(i int) string { return data(last, i+1) }, func(int) []string { return register(last) }) {
		switch r.code {
		case 0:
			f.TookIt++
		case 8:
		default:
			t.Errorf("process %d on one round: exit code %d: %s", i, r.code, r.stderr)
		}
	}
	var doc struct {
		Rounds       []json.RawMessage `json:"rounds"`
		Perspectives []struct {
			ID    string `json:"id"`
			Round int    `json:"round"`
		} `json:"perspectives"`
		Dialogue struct {
			TotalAlignment int64 `json:"total_alignment"`
		} `json:"dialogue"`
	}
	decode(t, w.must("show", "one-panel"), &doc)
	ids, inRound := map[string]bool{}, map[int]int{}
	for _, p := range doc.Perspectives {
		ids[p.ID] = true
		inRound[p.Round]++
	}
	v := w.verify("--all")
	f.Rounds, f.Entities, f.DistinctIDs, f.Versions = len(doc.Rounds), len(doc.Perspectives), len(ids), v.version("one-panel")
	f.TotalScore = doc.Dialogue.TotalAlignment
	for round := range last {
		if inRound[round] != 5 {
			t.Errorf("round %d has %d perspectives; want 5", round, inRound[round])
		}
	}
	sum := int64((last + 1) * (last + 2) / 2) // scores 1 to last+1
	if f.TotalScore != sum || f.Rounds != last+1 || f.Entities != f.DistinctIDs || f.Versions != uint64(last)+2 || f.TookIt != 1 || len(w.keyFiles()) != 1 {
		t.Errorf("%+v", f)
	}
	if l := w.audited(t); l.Verdict != "ok" || l.Unclosed > 0 || l.Chains < processes*rounds {
		t.Errorf("the audit log of %d processes: %+v", processes*rounds, l)
	}
	campaigntest.Figures(t, "writers", f)
}

// sameBatch lets all processes register the same batch at once in a new
// dialogue. It is stored once, and each process reports success.
func (w *machine) sameBatch(processes int, slow []string, data func(int, int) string) (took int) {
	t := w.t
	w.must("dialogue", "create", "One batch")
	args := []string{"dialogue", "round-register", "--dialogue-id", "one-batch", "--round", "0", "--data", data(0, 5)}
	for i, r := range w.atOnce(processes, slow, nothing, func(int) []string { return args }) {
		if r.code != 0 {
			t.Errorf("process %d with one batch: exit code %d: %s", i, r.code, r.stderr)
			continue
		}
		took++
	}
	if out := w.must(args...); !strings.Contains(out, `"repeated": true`) {
		t.Errorf("the batch again: %s", out)
	}
	if v := w.verify("one-batch"); took != processes || v.Dialogues[0].Items != 1+1+5+5 || v.Dialogues[0].Version != 2 {
		t.Errorf("%d processes took the batch; %+v", took, v)
	}
	return took
}

// modesBelow returns the paths below a folder whose mode allows access for
// others.
func modesBelow(t testing.TB, folder string) []string {
	t.Helper()
	var open []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, fmt.Sprintf("%s %s", info.Mode(), path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return open
}
