package auditor

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// verifyFigures say what one Verify took.
type verifyFigures struct {
	Events      uint64  `json:"events"`
	Commits     uint64  `json:"commits"`
	Checkpoints int     `json:"checkpoints"`
	Dialogues   int     `json:"dialogues"`
	File        int64   `json:"file_bytes"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"events_per_second"`
	Heap        uint64  `json:"greatest_heap_bytes"`              // runtime.MemStats.HeapSys
	Process     uint64  `json:"greatest_process_bytes,omitempty"` // VmHWM, where there is one
	Verdict     string  `json:"verdict"`
}

// theLog names the store that TestVerifyProcess verifies.
const theLog = "BLUE_AUDIT_MILLION"

// TestMillion verifies logs of 100,000 and of 1,000,000 events in SQLite, each
// in a process of its own: the memory does not grow with the log. The logs are
// of as many chains and dialogues. Filling them takes minutes, so this is the
// long form. The other forms have logs of at most 10,000 events and check only
// the verdict.
func TestMillion(t *testing.T) {
	sizes := []int{campaigntest.Length(1_000, 1_000, 100_000), campaigntest.Length(2_000, 10_000, 1_000_000)}
	figures := map[string]*verifyFigures{}
	var each []*verifyFigures
	for _, n := range sizes {
		path := filepath.Join(t.TempDir(), "blue.db")
		began := time.Now()
		fill(t, path, n)
		t.Logf("%d events stored in %v", n, time.Since(began).Round(time.Second))
		f := verifyProcess(t, path)
		if f.Verdict != OK || f.Events != uint64(n) || f.Commits == 0 || f.Checkpoints < n/signEvery {
			t.Fatalf("%d events: %+v", n, f)
		}
		figures[fmt.Sprint(n)] = f
		each = append(each, f)
	}
	if !campaigntest.IsLong() {
		return
	}
	if small, great := each[0], each[1]; great.Heap*2 > small.Heap*3 || great.Process*2 > small.Process*3 {
		t.Errorf("memory grows with the log: heap %d to %d, process %d to %d", small.Heap, great.Heap, small.Process, great.Process)
	}
	campaigntest.Figures(t, "audit-million", figures)
}

// verifyProcess runs TestVerifyProcess alone.
func verifyProcess(t *testing.T, path string) *verifyFigures {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVerifyProcess$", "-test.v")
	cmd.Env = append(os.Environ(), theLog+"="+path)
	out, err := cmd.CombinedOutput()
	line := regexp.MustCompile(`(?m)^figures: (.*)$`).FindSubmatch(out)
	if err != nil || line == nil {
		t.Fatalf("%v: %s", err, out)
	}
	f := &verifyFigures{}
	if err := json.Unmarshal(line[1], f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestVerifyProcess is the process of TestMillion.
func TestVerifyProcess(t *testing.T) {
	path := os.Getenv(theLog)
	if path == "" {
		t.Skip("skipped: TestMillion runs it")
	}
	s, err := sqlite.Open(t.Context(), path, &sqlite.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := &Options{Verifiers: newForge(t).verifiers()}
	began := time.Now()
	r, err := Verify(t.Context(), FromStore(s), o)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began).Seconds()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := verifyFigures{Events: r.Events, Commits: r.Commits, Checkpoints: r.Checkpoints, Dialogues: r.Dialogues, Seconds: took,
		PerSecond: float64(r.Events) / took, Heap: m.HeapSys, Process: peak(), Verdict: r.Verdict()}
	if info, err := os.Stat(path); err == nil {
		f.File = info.Size()
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("figures: %s\n", text)
}

// peak is the most memory that the process has had resident, in bytes; 0 where
// there is no /proc.
func peak() uint64 {
	text, _ := os.ReadFile("/proc/self/status")
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseUint(string(m[1]), 10, 64)
	return kb << 10
}

// filler stores a log in commits of as many records as one may have.
type filler struct {
	*forge
	store  record.Store
	writes []record.Write
	model  audit.Event // what an event of a commit lists
}

const (
	filledChains    = 8
	filledDialogues = 400
)

// fill makes a store whose log has n events: of ten, four are of commits.
func fill(t *testing.T, path string, n int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &filler{forge: newForge(t), store: s}
	items := make([]audit.Item, 12)
	for i := range items {
		items[i] = audit.Item{SK: fmt.Sprintf("perspective#01#%02d", i), Tag: [16]byte{byte(i)}}
	}
	if err := f.model.Write(items); err != nil {
		t.Fatal(err)
	}
	for i := range filledChains {
		f.fill(byte(0x11*(i+1)), n/filledChains)
	}
	f.flush()
	for id, d := range f.dialogue {
		f.put(s, record.Dialogues, metaOf(id, d.root.Version))
	}
}

// fill stores one chain. Of its events it keeps the last.
func (f *filler) fill(digit byte, events int) {
	c := f.chain(digit)
	c.f = f.forge
	first, n := c.events[0], 0
	f.add(record.Record{Key: record.Key{Partition: record.IndexPartition(c.id), Item: first.Timestamp[:10] + "#" + c.id}, Attrs: record.Attrs{"first": record.N(1)}})
	f.add(eventRecord(first))
	for seq := 2; seq <= events; seq++ {
		op, dialogue := audit.Decrypt, fmt.Sprintf("dialogue-%03d", n%filledDialogues)
		switch {
		case seq == events:
			op, dialogue = audit.Close, ""
		case seq%10 < 4:
			op = audit.Encrypt
			n++
		}
		e := c.draft(op, dialogue)
		e.Seq, e.Previous = uint64(seq), c.events[0].EventHash
		switch op {
		case audit.Encrypt:
			s := f.state(dialogue)
			s.root.Version++
			e.RootVersion, e.ItemCount, e.ItemNames, e.ItemTags = s.root.Version, f.model.ItemCount, f.model.ItemNames, f.model.ItemTags
			e.Close(audit.RootHash(sealed(dialogue, e.RootVersion)))
		case audit.Decrypt:
			read(&e)
			e.Close("")
		default:
			e.Close("")
		}
		c.events[0] = e
		leaf, _ := hex.DecodeString(e.EventHash)
		c.tree.Append(leaf)
		for _, w := range e.Writes(nil) {
			f.add(w.Record)
		}
		if seq%signEvery == 0 || seq == events {
			text := f.note(f.signer, checkpoint.Checkpoint{Origin: checkpoint.Origin(c.id), Size: uint64(seq), Root: c.tree.Root()})
			f.add(noteRecord(c.id, uint64(seq), text))
		}
	}
}

func (f *filler) add(r record.Record) {
	f.writes = append(f.writes, record.Write{Table: record.Audit, Record: r})
	if len(f.writes) == record.MaxActions {
		f.flush()
	}
}

func (f *filler) flush() {
	f.t.Helper()
	if len(f.writes) == 0 {
		return
	}
	if err := f.store.Commit(f.t.Context(), f.writes); err != nil {
		f.t.Fatal(err)
	}
	f.writes = f.writes[:0]
}
