package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// TestImportRecorded imports the project's own and the recorded dialogues, and
// compares the stored counts with the stated counts.
func TestImportRecorded(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, c := range []struct {
		name, form string
		refused    int
	}{
		{fixtures.EveryKind, "inputs.json", 6},
		{fixtures.NightBus, "inputs.json", 0},
		{fixtures.LibraryHours, "inputs.json", 0},
		{fixtures.NightBus, "source", 0},
		{fixtures.LibraryHours, "source", 0},
		{"local-prod-parity", "inputs.json", 0},
		{"supersession", "inputs.json", 0},
		{"synthetic-coverage", "inputs.json", 1}, // a final verdict at a closed gate
		{"ukfs", "inputs.json", 0},
		{"supersession", "source", 0},
		{"ukfs", "source", 0},
	} {
		t.Run(filepath.Join(c.name, c.form), func(t *testing.T) {
			path := fixtures.Dialogue(t, c.name, c.form)
			first := importOf(t, home, path)
			if first.Status != statusImported || first.Done != first.Operations || len(first.Refused) != c.refused {
				t.Errorf("%s, %d of %d operations, refused: %v", first.Status, first.Done, first.Operations, first.Refused)
			}
			for name, stated := range statedCounts(t, c.name, c.form) {
				if name == "tension_updates" { // each update has an event, in addition to the event of the creation
					name, stated = "tension_events", stated+first.Stored["tensions"]
				}
				if got := first.Stored[name]; got != stated {
					t.Errorf("%d %s are stored, the recording counts %d", got, name, stated)
				}
			}
			again := importOf(t, home, path)
			want := *first
			want.Status = statusAlready
			if diff := cmp.Diff(&want, again); diff != "" {
				t.Errorf("the second import differs (-first +second):\n%s", diff)
			}
		})
	}
	mustCLI(t, home, "verify")
}

func importOf(t *testing.T, home, path string) *importAnswer {
	t.Helper()
	var answer importAnswer
	if err := json.Unmarshal([]byte(mustCLI(t, home, "import", path)), &answer); err != nil {
		t.Fatal(err)
	}
	return &answer
}

// statedCounts returns the counts that a dialogue states. For a folder,
// references are left out, because one recorded reference is written twice.
func statedCounts(t *testing.T, name, form string) map[string]int {
	t.Helper()
	counts := fixtures.Counts(t, name)
	if form == "source" {
		maps.DeleteFunc(counts, func(name string, _ int) bool {
			return !slices.Contains([]string{"rounds", "experts", "perspectives", "tensions", "recommendations", "evidence", "claims", "verdicts"}, name)
		})
	}
	return counts
}

// interrupting is a context that is cancelled after n calls of Err or Done. This
// simulates Ctrl-C at different moments.
type interrupting struct {
	context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	left   int
}

func newInterrupting(t *testing.T, n int) *interrupting {
	ctx, cancel := context.WithCancel(t.Context())
	return &interrupting{Context: ctx, cancel: cancel, left: n}
}

func (c *interrupting) asked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		c.cancel()
	}
}

func (c *interrupting) Err() error {
	c.asked()
	return c.Context.Err()
}

func (c *interrupting) Done() <-chan struct{} {
	c.asked()
	return c.Context.Done()
}

// TestImportInterrupted interrupts an import at many moments. A second run must
// complete it with the same result as an undisturbed import.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	source := demoFolder(t)
	want := importOf(t, t.TempDir(), source)
	interrupted, resumed := 0, 0
	for n := 1; ; n += 1 + n/2 {
		home := t.TempDir()
		code, stdout, stderr := cliContext(newInterrupting(t, n), home, "import", source)
		if code == exitOK {
			break
		}
		if interrupted++; code != exitInterrupted || stdout != "" {
			t.Fatalf("interrupted at %d: exit code %d, %s%s", n, code, stdout, stderr)
		}
		got := importOf(t, home, source)
		if got.Status == statusResumed {
			resumed++
		}
		got.Status = want.Status
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("interrupted at %d, the import ends otherwise (-want +got):\n%s", n, diff)
		}
		mustCLI(t, home, "verify")
	}
	if interrupted < 5 || resumed < 3 {
		t.Errorf("only %d interruptions, %d of them with operations stored", interrupted, resumed)
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	p := newProgress(&b, true, func() time.Time { return now })
	p.step(1, 9, "create")
	if b.Len() > 0 {
		t.Errorf("progress is shown at once: %q", b.String())
	}
	now = now.Add(progressDelay)
	p.step(2, 9, "round\x1b[2J")
	p.end()
	if got, want := b.String(), "\r\x1b[K2 of 9  round\uFFFD[2J\r\x1b[K"; got != want {
		t.Errorf("progress is %q; want %q", got, want)
	}
	b.Reset()
	quiet := newProgress(&b, false, func() time.Time { return now })
	now = now.Add(time.Hour)
	quiet.step(1, 2, "x")
	quiet.end()
	if b.Len() > 0 {
		t.Errorf("progress is shown without a terminal: %q", b.String())
	}
}
