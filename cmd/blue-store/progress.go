package main

import (
	"fmt"
	"io"
	"time"

	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

// progressDelay is the time that a task runs before its progress is shown.
const progressDelay = 500 * time.Millisecond

// progress shows the progress of a long task in one line on standard error,
// which each step overwrites. It shows nothing if standard error is not a terminal.
type progress struct {
	w       io.Writer
	live    bool // w is a terminal, and --quiet is not set
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

// clearLine moves the cursor to the beginning of the line and erases the line
// (ECMA-48, EL).
const clearLine = "\r\x1b[K"

// step shows that done of total steps are done, and the name of the last one.
func (p *progress) step(done, total int, what string) {
	p.line(fmt.Sprintf("%d of %d  %s", done, total, what))
}

// line shows a text as the progress.
func (p *progress) line(text string) {
	if !p.live || p.now().Sub(p.started) < progressDelay {
		return
	}
	p.shown = true
	fmt.Fprintf(p.w, "%s%s", clearLine, printable(text))
}

// log shows the progress of a verification of the audit log.
func (p *progress) log(at auditor.Progress) {
	p.line(fmt.Sprintf("%s: %d chains, %d events, %d dialogues", at.Phase, at.Chains, at.Events, at.Dialogues))
}

// end erases the progress line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}
