package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ask puts a question to the person at the terminal and returns the line that
// is typed. There is somebody only if standard input is a terminal: a script
// or an agent is never asked. The question goes to the terminal itself, so
// that it is seen where standard error is a file. A question that is left
// unanswered (end of file) is an empty line.
func (a *app) ask(ctx context.Context, question string) (typed string, asked bool, err error) {
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
	line, err := within(ctx, func() ([]byte, error) {
		line, err := bufio.NewReader(in).ReadBytes('\n')
		if err == io.EOF {
			err = nil
		}
		return line, err
	})
	return strings.TrimSpace(string(line)), true, err
}

// confirmation is a name that must be typed, or given as --confirm, before what
// cannot be undone.
type confirmation struct {
	given   string // by --confirm, "" for none
	name    string
	warning string // what will happen, a sentence
	wants   string // the error where nobody can be asked
	hint    string // what to type there
	undone  string // what did not happen: "erased"
}

func (a *app) confirm(ctx context.Context, c confirmation) error {
	if c.given == "" {
		typed, asked, err := a.ask(ctx, fmt.Sprintf("%s Type %s to go on: ", oneLine(c.warning), oneLine(c.name)))
		switch {
		case err != nil:
			return err
		case !asked:
			return &usageError{c.wants, c.hint}
		}
		c.given = typed
	}
	if c.given != c.name {
		return usage("nothing was %s: that is not %s", c.undone, clipped(c.name))
	}
	return nil
}
