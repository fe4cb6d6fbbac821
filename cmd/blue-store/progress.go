package main

import (
	"fmt"
	"io"
	"time"

	"github.com/superviber/blue-encrypted-store/audit/auditor"
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
	p.line(fmt.Sprintf("%d of %d  %s", done, total, what))
}

// line shows how far a task has come whose end is not known.
func (p *progress) line(text string) {
	if !p.live || p.now().Sub(p.started) < patience {
		return
	}
	p.shown = true
	fmt.Fprintf(p.w, "%s%s", clearLine, printable(text))
}

// log shows how far a verification of the audit log has come.
func (p *progress) log(at auditor.Progress) {
	p.line(fmt.Sprintf("%s: %d chains, %d events, %d dialogues", at.Phase, at.Chains, at.Events, at.Dialogues))
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}
