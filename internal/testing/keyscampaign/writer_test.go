package keyscampaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync/atomic"
	"time"
)

// writer registers rounds in the owner's dialogue until it is stopped. It starts
// a process for each round, one after the other. It retries a round that an
// erasure refused.
type writer struct {
	r           *attempt
	mayRefuse   bool // whether an erasure can refuse a round, and whether a round can succeed
	mayRegister bool

	begun      chan struct{} // closed when the first process is at work in the store
	ended      chan struct{} // closed at the end
	stop       atomic.Bool
	runs       atomic.Bool // a process is running
	marked     atomic.Bool // results from now on count in registered and refused
	registered atomic.Int64
	refused    atomic.Int64
}

// writer starts a writer and returns when it works in the store.
func (r *attempt) writer(mayRefuse, mayRegister bool) *writer {
	r.t.Helper()
	w := &writer{r: r, mayRefuse: mayRefuse, mayRegister: mayRegister, begun: make(chan struct{}), ended: make(chan struct{})}
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
		switch code := w.r.writes(w.mayRefuse, w.mayRegister, w.run(first)); {
		case !w.marked.Load():
		case code == 0:
			w.registered.Add(1)
		case code == exitErased:
			w.refused.Add(1)
		}
	}
}

// run returns a function that runs a process of the writer. The first one
// reports when it works in the store.
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

// waitRunning waits until a process of the writer runs. It returns false if the
// writer has ended.
func (w *writer) waitRunning() bool {
	for !w.runs.Load() {
		select {
		case <-w.ended:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// end waits for the last round.
func (w *writer) end() {
	w.stop.Store(true)
	<-w.ended
}

// writes registers the next round and returns the exit code. The flags specify
// whether an erasure can refuse the round, and whether it can succeed.
func (r *attempt) writes(mayRefuse, mayRegister bool, run func(stdin string, args ...string) (int, string)) int {
	r.t.Helper()
	code := r.registers(r.round, r.size, exitErased, run)
	switch {
	case code == 0 && mayRegister:
		r.round++
		r.entities += r.size
		r.count(func(f *figures) {
			if r.size == bigRound {
				f.Big++
			} else {
				f.Small++
			}
		})
	case code == exitErased && mayRefuse:
		r.count(func(f *figures) { f.Refused++ })
	default:
		if code == 0 {
			r.count(func(f *figures) { f.Returned++ })
		}
		r.t.Errorf("a writer: exit code %d", code)
	}
	return code
}

// registers registers a round of perspectives and tensions. It retries while the
// store is busy. It fails on any exit code but 0 and other.
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

// roundOf returns a round of n entities with texts that no other round has.
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
