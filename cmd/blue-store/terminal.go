package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

// ask prints a question on the terminal and returns the line that the user
// types, or "" at the end of the input. canAsk is false if standard input is not a
// terminal, so that a script never waits for an answer. The question goes to
// the terminal itself, because standard error can be a file.
func (a *app) ask(ctx context.Context, question string) (typed string, canAsk bool, err error) {
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", false, nil
	}
	var to io.Writer = a.err
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		defer tty.Close()
		in, to = tty, tty
	} else if !isTerminal(a.err) {
		return "", false, nil
	}
	if _, err := io.WriteString(to, printable(question)); err != nil {
		return "", false, fmt.Errorf("asking: %w", err)
	}
	line, err := readWithin(ctx, func() ([]byte, error) {
		line, err := bufio.NewReader(in).ReadBytes('\n')
		if err == io.EOF {
			err = nil
		}
		return line, err
	})
	return strings.TrimSpace(string(line)), true, err
}

// confirmation is a name that the user must type, or pass as --confirm, before
// an operation that cannot be undone.
type confirmation struct {
	given   string // from --confirm, "" if not given
	name    string
	warning string // the effect of the operation, a sentence
	wants   string // the error if there is no terminal
	hint    string // the command with --confirm
	undone  string // the participle for the refusal, for example "erased"
}

func (a *app) confirm(ctx context.Context, c confirmation) error {
	if c.given == "" {
		typed, canAsk, err := a.ask(ctx, fmt.Sprintf("%s Type %s to continue: ", oneLine(c.warning), oneLine(c.name)))
		switch {
		case err != nil:
			return err
		case !canAsk:
			return &usageError{c.wants, c.hint}
		}
		c.given = typed
	}
	if c.given != c.name {
		return usage("nothing was %s: that is not %s", c.undone, clip(c.name))
	}
	return nil
}

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
