package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/unicode/norm"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/wire"
)

// input returns the JSON in an argument, in @FILE, or for - on standard input. The
// limit is wire.MaxJSONBytes. It returns when ctx ends, even if the input blocks.
func (a *app) input(ctx context.Context, value string) ([]byte, error) {
	path, isFile := strings.CutPrefix(value, "@")
	switch {
	case value == "-":
		return readWholeInput(ctx, a.in, "standard input")
	case isFile && path != "":
		return readInputFile(ctx, path)
	case value == "" || isFile:
		return nil, &usageError{message: "no data", hint: "use JSON, @FILE, or - for standard input"}
	case len(value) > wire.MaxJSONBytes:
		return nil, inputTooLong("the argument")
	}
	return []byte(value), nil
}

func readInputFile(ctx context.Context, path string) ([]byte, error) {
	// Opening a pipe can block until its other end is opened.
	return readWithin(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, unreadableInput(path, err)
		}
		defer f.Close()
		return readInput(f, path)
	})
}

func readWholeInput(ctx context.Context, r io.Reader, name string) ([]byte, error) {
	return readWithin(ctx, func() ([]byte, error) { return readInput(r, name) })
}

func readInput(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, wire.MaxJSONBytes+1))
	switch {
	case err != nil:
		return nil, unreadableInput(name, err)
	case len(data) > wire.MaxJSONBytes:
		return nil, inputTooLong(name)
	}
	return data, nil
}

// readWithin calls read, which cannot be cancelled, and returns when ctx ends. Then the
// program ends too.
func readWithin(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := read()
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		return r.data, r.err
	}
}

func inputTooLong(name string) error {
	return fmt.Errorf("%w: %s is longer than %d bytes", blue.ErrInvalid, name, wire.MaxJSONBytes)
}

// unreadableInput returns an error with the file and the cause, without the name
// of the failed system call.
func unreadableInput(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%w: %s cannot be read: %w", blue.ErrInvalid, name, err)
}

// member is one value from a flag, with its name in the JSON data.
type member struct {
	key   string
	flag  string // the name of the flag, for messages
	value any
}

// mergeMembers adds the values of flags to the data. It returns a usageError if a
// flag and the data have different values for the same name. In Blue, the data
// win (bug 4). Nil data count as an empty object.
func mergeMembers(data []byte, members []member) ([]byte, error) {
	object := map[string]json.RawMessage{}
	if data != nil {
		if err := wire.StrictJSON(data); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &object); err != nil || object == nil {
			return nil, fmt.Errorf("%w: the data must be a JSON object", blue.ErrInvalid)
		}
	}
	for _, m := range members {
		if text, ok := m.value.(string); ok && !utf8.ValidString(text) {
			return nil, usage("%s is not UTF-8", m.flag)
		}
		text, err := json.Marshal(m.value)
		if err != nil {
			return nil, usage("%s: %v", m.flag, err)
		}
		if other, given := object[m.key]; given && !isSameValue(other, text) {
			return nil, usage("%s and %q of the data differ; use one of them", m.flag, m.key)
		}
		object[m.key] = text
	}
	return json.Marshal(object)
}

// isSameValue reports whether two JSON texts have the same value.
func isSameValue(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// dialogueArgument parses the id of a dialogue.
func dialogueArgument(text string) (blue.DialogueID, error) {
	id, err := blue.ParseDialogueID(text)
	if composed := norm.NFC.String(text); err == nil && composed != text {
		err = fmt.Errorf("%w: dialogue id %q is not in Unicode normalization form C; use %q", blue.ErrInvalid, clipArgument(text), clipArgument(composed))
	}
	return id, err
}

// roundFlag is the number of a round as a flag. It accepts only decimal digits,
// while an integer of pflag can be octal or hexadecimal. The rules of package blue
// check the range.
type roundFlag blue.Round

func (f *roundFlag) String() string { return strconv.Itoa(int(*f)) }

func (f *roundFlag) Type() string { return "N" }

func (f *roundFlag) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return errors.New("a round must be an integer from 0 to 99")
	}
	*f = roundFlag(n)
	return nil
}

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
	if _, err := io.WriteString(to, display.Printable(question)); err != nil {
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
		typed, canAsk, err := a.ask(ctx, fmt.Sprintf("%s Type %s to continue: ", display.OneLine(c.warning), display.OneLine(c.name)))
		switch {
		case err != nil:
			return err
		case !canAsk:
			return &usageError{c.wants, c.hint}
		}
		c.given = typed
	}
	if c.given != c.name {
		return usage("nothing was %s: that is not %s", c.undone, clipArgument(c.name))
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
	fmt.Fprintf(p.w, "%s%s", clearLine, display.Printable(text))
}

// log shows the progress of a verification of the audit log.
func (p *progress) log(at auditor.Progress) {
	p.line(fmt.Sprintf("%s: %s, %s, %s", at.Phase, display.Count(at.Chains, "chain"),
		display.Count(at.Events, "event"), display.Count(at.Dialogues, "dialogue")))
}

// end erases the progress line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}
