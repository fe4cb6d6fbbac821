package sqlite_test

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestKill kills a process during its commits, many times. Every acknowledged commit is
// stored completely, and at most one other commit.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := campaigntest.Length(10, 100, 1000)
	const seed = 58
	random := rand.New(rand.NewPCG(seed, seed))
	path := filepath.Join(t.TempDir(), "store.db")
	acknowledged := -1
	for range kills {
		if last := commitAndKill(t, path, 1+random.IntN(12)); last >= 0 {
			acknowledged = last
		}
		verifyAfterKill(t, path, acknowledged)
	}
	t.Logf("%d kills, %d commits acknowledged, none lost", kills, acknowledged+1)
}

// commitAndKill kills the process after a number of acknowledgements, during the next
// commits. It returns the last acknowledged commit.
func commitAndKill(t *testing.T, path string, after int) int {
	t.Helper()
	cmd := child(t, "commit until killed", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("the child prints %q", lines.Text())
			break
		}
		last = n
		if after--; after == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return last
}

func verifyAfterKill(t *testing.T, path string, acknowledged int) {
	t.Helper()
	s := open(t, path, nil)
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, events, wraps := query(t, s, record.Dialogues), query(t, s, record.Audit), query(t, s, record.Keys)
	if len(records) == 0 {
		if acknowledged >= 0 {
			t.Fatalf("no commit is stored, %d commits were acknowledged", acknowledged+1)
		}
		return
	}
	stored := len(records) - 2 // without meta, counted from 0
	if stored < acknowledged {
		t.Fatalf("commit %d was acknowledged, the last one stored is %d", acknowledged, stored)
	}
	if len(events) != stored+1 || len(wraps) <= acknowledged {
		t.Fatalf("commits to %d are stored, with %d events and %d wraps", stored, len(events), len(wraps))
	}
	for i := range stored + 1 {
		if records[i].Key.Item != numbered("item", i) || events[i].Key.Item != numbered("event", i) {
			t.Fatalf("at %d: %s and %s", i, records[i].Key.Item, events[i].Key.Item)
		}
	}
	if meta := records[len(records)-1]; meta.Key.Item != record.Meta || meta.Attrs["gen"].Int() != int64(stored) {
		t.Fatalf("meta has generation %d, the last record has %d", meta.Attrs["gen"].Int(), stored)
	}
}
