package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
)

// dialogueCommand returns the commands of `blue dialogue`, with the names, flags and
// answers of Blue (Blue, SPEC §12).
func dialogueCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "dialogue",
		Short: "Write a dialogue: create it, add experts, rounds and verdicts",
		Example: "  blue-store dialogue create \"Which cache?\" --question \"What do we keep in memory?\"\n" +
			"  blue-store dialogue round-register --dialogue-id which-cache --round 0 --data @round0.json",
	}, dialogueCommands)
}

// answerRefusal prints Blue's answer to a request that a rule refuses. It returns
// the error for standard error. The exit code is 4. Blue's exit code is 0, so a
// script cannot detect the refusal (bug 28).
func (a *app) answerRefusal(err error) error {
	if e, ok := errors.AsType[*blue.ValidationError](err); ok {
		short := fmt.Sprintf("%v: validation failed with %d error(s)", blue.ErrRefused, len(e.Errors))
		return cmp.Or(a.answerText(e, validationText(e)), error(&shortError{err, short}))
	}
	if e, ok := errors.AsType[*blue.GateError](err); ok {
		hint := "resolve the open tensions and let every expert converge, or set \"force\": true in the data"
		text := "the dialogue has not converged:\n  " + strings.Join(e.Blockers, "\n  ") + "\n"
		return cmp.Or(a.answerText(e, text), withHint(err, hint))
	}
	return err
}

// shortError is an error with a short text, because the answer has the long one.
type shortError struct {
	error
	text string
}

func (s *shortError) Error() string { return s.text }
func (s *shortError) Unwrap() error { return s.error }

func validationText(e *blue.ValidationError) string {
	var b strings.Builder
	for i := range e.Errors {
		f := &e.Errors[i]
		b.WriteString(oneLine(f.Error()) + "\n")
		if f.Suggestion != nil {
			fmt.Fprintf(&b, "    %s\n", oneLine(*f.Suggestion))
		}
	}
	return b.String()
}

// warn prints warnings on standard error. A JSON answer already contains them.
func (a *app) warn(warnings []blue.Warning) {
	if a.isJSON() {
		return
	}
	for _, w := range warnings {
		fmt.Fprintf(a.err, "warning: %s\n", oneLine(w.Message))
	}
}

// dialogueFlag adds Blue's flag for the id of the dialogue.
func dialogueFlag(c *cobra.Command, id *string) {
	c.Flags().StringVar(id, "dialogue-id", "", "the dialogue's `ID` (required)")
	requiredFlags(c, "dialogue-id")
}

const dataUsage = "`JSON`, @FILE, or - for standard input"
