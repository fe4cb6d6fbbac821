package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
)

// dialogueCommand groups what Blue has under `blue dialogue`, under Blue's
// names, with its flags and answers (Blue, SPEC §12).
func dialogueCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "dialogue",
		Short: "Write a dialogue: create it, add experts, rounds and verdicts",
		Example: "  blue-store dialogue create \"Which cache?\" --question \"What do we keep in memory?\"\n" +
			"  blue-store dialogue round-register --dialogue-id which-cache --round 0 --data @round0.json",
	}, dialogueCommands)
}

// refused prints what Blue answers to a request that a rule refuses, and
// returns the error that goes to standard error. Blue's exit code is 0 there,
// so that no script can see it (bug 28); ours is 4.
func (a *app) answerRefusal(err error) error {
	if e, ok := errors.AsType[*blue.ValidationError](err); ok {
		short := fmt.Sprintf("%v: validation failed with %d error(s)", blue.ErrRefused, len(e.Errors))
		return a.refusal(e, func(w io.Writer) error { return validationText(w, e) }, &shortError{err, short})
	}
	if e, ok := errors.AsType[*blue.GateError](err); ok {
		hint := "settle what is open and have every expert converge, or insist with \"force\": true in the data"
		return a.refusal(e, func(w io.Writer) error { return gateText(w, e) }, withHint(err, hint))
	}
	return err
}

func (a *app) refusal(v any, text func(io.Writer) error, err error) error {
	if failed := a.answer(v, text); failed != nil {
		return failed
	}
	return err
}

// shortened is an error with another text: the long one was printed already.
type shortError struct {
	error
	text string
}

func (s *shortError) Error() string { return s.text }
func (s *shortError) Unwrap() error { return s.error }

func validationText(w io.Writer, e *blue.ValidationError) error {
	for i := range e.Errors {
		f := &e.Errors[i]
		fmt.Fprintln(w, oneLine(f.Error()))
		if f.Suggestion != nil {
			fmt.Fprintf(w, "    %s\n", oneLine(*f.Suggestion))
		}
	}
	return nil
}

func gateText(w io.Writer, e *blue.GateError) error {
	fmt.Fprintln(w, "the dialogue has not converged:")
	for _, b := range e.Blockers {
		fmt.Fprintf(w, "  %s\n", b)
	}
	return nil
}

// warn prints warnings for people. In JSON they stand in the answer.
func (a *app) warn(warnings []blue.Warning) {
	if a.isJSON() {
		return
	}
	for _, w := range warnings {
		fmt.Fprintf(a.err, "warning: %s\n", oneLine(w.Message))
	}
}

// dialogueFlag adds the flag that names the dialogue, as Blue does.
func dialogueFlag(c *cobra.Command, id *string) {
	c.Flags().StringVar(id, "dialogue-id", "", "the dialogue's `ID` (required)")
	requiredFlags(c, "dialogue-id")
}

const dataUsage = "`JSON`, @FILE, or - for standard input"
