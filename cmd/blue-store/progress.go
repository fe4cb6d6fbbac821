package main

import (
	"fmt"
	"io"
	"time"
)

// patience is how long a task runs before its progress is shown.
const patience = 500 * time.Millisecond

// progress shows on standard error how far a long task has come: one line that
// is written over, on a terminal alone and only for a task that takes a while.
type progress struct {
	w       io.Writer
	live    bool // w is a terminal and wants progress
	now     func() time.Time
	started time.Time
	shown   bool
}

func (a *app) progress() *progress {
	return newProgress(a.err, isTerminal(a.err) && !a.flags.quiet, time.Now)
}

func newProgress(w io.Writer, live bool, now func() time.Time) *progress {
	return &progress{w: w, live: live, now: now, started: now()}
}

// clearLine goes to the line's beginning and erases it (ECMA-48, EL).
const clearLine = "\r\x1b[K"

// step shows that done of total steps are done, what being the last one.
func (p *progress) step(done, total int, what string) {
	if !p.live || p.now().Sub(p.started) < patience {
		return
	}
	p.shown = true
	fmt.Fprintf(p.w, "%s%d of %d  %s", clearLine, done, total, printable(what))
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}
