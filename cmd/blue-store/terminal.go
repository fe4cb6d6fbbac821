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
