package keyscampaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync/atomic"
	"time"
)

// writer registers rounds in the owner's dialogue, a process for each, one
// after the other until it is stopped. What an erasure refuses it tries again.
type writer struct {
	r       *attempt
	mayTell bool // of the erasure, and whether a round may land
	mayLand bool

	begun  chan struct{} // closed when the first process is at work in the store
	ended  chan struct{} // closed at the end
	stop   atomic.Bool
	runs   atomic.Bool // a process is there
	marked atomic.Bool // what ends from now on counts in landed and told
	landed atomic.Int64
	told   atomic.Int64
}

// writer begins one, and returns when it is at work.
func (r *attempt) writer(mayTell, mayLand bool) *writer {
	r.t.Helper()
	w := &writer{r: r, mayTell: mayTell, mayLand: mayLand, begun: make(chan struct{}), ended: make(chan struct{})}
	go w.write()
	r.t.Cleanup(w.end)
	select {
	case <-w.begun:
	case <-w.ended:
		r.t.Error("a writer ended before it was at work")
	}
	return w
}

func (w *writer) write() {
	defer close(w.ended)
	for first := true; !w.stop.Load() && !w.r.t.Failed(); first = false {
		switch code := w.r.writes(w.mayTell, w.mayLand, w.run(first)); {
		case !w.marked.Load():
		case code == 0:
			w.landed.Add(1)
		case code == exitErased:
			w.told.Add(1)
		}
	}
}

// run is how a writer runs its processes, of which the first says when it is at
// work.
func (w *writer) run(first bool) func(stdin string, args ...string) (code int, stderr string) {
	return func(stdin string, args ...string) (int, string) {
		var c *exec.Cmd
		var stderr *bytes.Buffer
		if first {
			var begun <-chan struct{}
			c, stderr, begun = w.r.machine.writer(stdin, w.r.owner, args...)
			over := make(chan struct{})
			defer close(over)
			go func() {
				select {
				case <-begun:
				case <-over:
				}
				close(w.begun)
			}()
			first = false
		} else {
			c, _, stderr = w.r.machine.command(stdin, w.r.owner, args...)
		}
		if err := c.Start(); err != nil {
			return -1, err.Error()
		}
		w.runs.Store(true)
		defer w.runs.Store(false)
		_ = c.Wait()
		return c.ProcessState.ExitCode(), stderr.String()
	}
}

// beside waits for the moment at which a process of the writer is there.
func (w *writer) beside() bool {
	for !w.runs.Load() {
		select {
		case <-w.ended:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// end lets the last round end.
func (w *writer) end() {
	w.stop.Store(true)
	<-w.ended
}

// writes registers the next round, which may be refused for an erasure, or must
// be, and returns the exit code.
func (r *attempt) writes(mayTell, mayLand bool, run func(stdin string, args ...string) (int, string)) int {
	r.t.Helper()
	code := r.registers(r.round, r.size, exitErased, run)
	switch {
	case code == 0 && mayLand:
		r.round++
		r.entities += r.size
		r.count(func(f *figures) {
			if r.size == bigRound {
				f.Big++
			} else {
				f.Small++
			}
		})
	case code == exitErased && mayTell:
		r.count(func(f *figures) { f.Told++ })
	default:
		if code == 0 {
			r.count(func(f *figures) { f.Returned++ })
		}
		r.t.Errorf("a writer: exit code %d", code)
	}
	return code
}

// registers registers a round of perspectives and tensions; what is busy is
// tried again. Any exit code but 0 and the other one fails.
func (r *attempt) registers(round, n, other int, run func(stdin string, args ...string) (int, string)) int {
	r.t.Helper()
	text, args := roundOf(round, n), []string{"dialogue", "round-register", "--dialogue-id", dialogue, "--round", fmt.Sprint(round), "--data", "-"}
	for deadline := time.Now().Add(time.Minute); ; {
		code, stderr := run(text, args...)
		if code == exitBusy && time.Now().Before(deadline) {
			continue
		}
		if code != 0 && code != other {
			r.t.Errorf("registering round %d: exit code %d: %s", round, code, stderr)
		}
		return code
	}
}

// alone runs the program for the owner.
func (r *attempt) alone(stdin string, args ...string) (int, string) {
	c, _, stderr := r.machine.command(stdin, r.owner, args...)
	if err := c.Run(); c.ProcessState == nil {
		return -1, err.Error()
	}
	return c.ProcessState.ExitCode(), stderr.String()
}

// roundOf is a round of n entities, whose texts no other round has.
func roundOf(round, n int) string {
	data := map[string]any{"score": 1, "title": secretText}
	for _, s := range []struct {
		list, letter, text string
		n                  int
	}{{"perspectives", "P", "content", min(n, 99)}, {"tensions", "T", "description", max(0, n-99)}} {
		var list []map[string]any
		for i := range s.n {
			list = append(list, map[string]any{"local_id": fmt.Sprintf("MUFFIN-%s%03d", s.letter, i), "label": "a label", s.text: fmt.Sprintf("%s %d %s %d", secretText, round, s.letter, i)})
		}
		data[s.list] = list
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic("keyscampaign: " + err.Error())
	}
	return string(text)
}
