//go:build unix

package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// canary is part of every text of a round, so that a plain copy anywhere on the
// disk is found.
const canary = "canary-of-the-kill-campaign"

// The sizes of a round of 300 entities. A kind has at most 99.
var roundSizes = []struct {
	list, letter, text string
	n                  int
}{
	{"perspectives", "P", "content", 99}, {"tensions", "T", "description", 60},
	{"recommendations", "R", "content", 50}, {"evidence", "E", "content", 45}, {"claims", "C", "content", 46},
}

// roundItems is the number of items that a round adds to a dialogue: its record,
// 300 entities and an event for each.
const roundItems = 1 + 300 + 300

// roundText returns the JSON data of a round of 300 entities.
func roundText(dialogue string, round int) string {
	data := map[string]any{"score": round + 1, "title": canary}
	for _, s := range roundSizes {
		var list []map[string]any
		for i := range s.n {
			list = append(list, map[string]any{
				"local_id": fmt.Sprintf("MUFFIN-%s%03d", s.letter, i), "label": fmt.Sprintf("%s %d of round %d", s.letter, i, round),
				s.text: fmt.Sprintf("%s %s %d %s %d %s", canary, dialogue, round, s.letter, i, strings.Repeat("filler ", 20)),
			})
		}
		data[s.list] = list
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// The marks in package sqlite. "" is a kill at a random moment.
const (
	firstWrite   = "sqlite/first-write"
	beforeCommit = "sqlite/before-commit"
	afterCommit  = "sqlite/after-commit"
	anyMoment    = ""
)

// attempt is one run that was to be killed.
type attempt struct {
	killed       bool
	acknowledged bool
	took         time.Duration // of a run that ended without a kill
}

// register runs round-register and kills it at the mark or after the delay.
func (w *machine) register(dialogue string, round int, data, mark string, skip int, delay time.Duration) attempt {
	w.t.Helper()
	reached := filepath.Join(w.dir, fmt.Sprintf("reached-%s-%d", dialogue, round))
	defer os.Remove(reached)
	env := []string{"BLUE_FAILPOINT=" + mark, "BLUE_FAILPOINT_SKIP=" + fmt.Sprint(skip), "BLUE_FAILPOINT_REACHED=" + reached}
	c, stdout, stderr := w.command(strings.NewReader(data), env,
		"dialogue", "round-register", "--dialogue-id", dialogue, "--round", fmt.Sprint(round), "--data", "-")
	start := time.Now()
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	kill := time.After(delay)
	if mark != anyMoment {
		kill = campaigntest.Appears(reached, ended)
	}
	select {
	case <-kill:
		_ = c.Process.Kill()
		<-ended
	case err := <-ended:
		ended <- err
	}
	killed := !c.ProcessState.Exited()
	if mark != anyMoment && !killed {
		w.t.Fatalf("round %d of %s ended with code %d before %s: %s", round, dialogue, c.ProcessState.ExitCode(), mark, stderr)
	}
	if !killed && c.ProcessState.ExitCode() != 0 {
		w.t.Fatalf("round %d of %s: exit code %d: %s", round, dialogue, c.ProcessState.ExitCode(), stderr)
	}
	return attempt{killed, bytes.Contains(stdout.Bytes(), []byte(`"status": "success"`)), time.Since(start)}
}
