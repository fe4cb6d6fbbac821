package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
)

func citeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cite DIALOGUE ID...",
		Short: "Print the text behind display ids such as P0101",
		Long: "Prints the text behind display ids such as P0101. The whole dialogue is loaded and verified.\n" +
			"The answer contains every id. The exit code is the code of the worst result.",
		Example: "  blue-store cite which-cache P0101 T0002",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			snapshot, err := a.loadOnce(c.Context(), args[0])
			if err != nil {
				return err
			}
			citations := view.Cite(snapshot, args[1:])
			if err := a.answer(citations, func(w io.Writer) { citeText(w, citations) }); err != nil {
				return err
			}
			return citeError(citations)
		},
	}
}

func citeText(w io.Writer, citations []view.Citation) {
	for i, c := range citations {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if c.Err != nil {
			fmt.Fprintf(w, "%s: %s\n", oneLine(clip(c.ID)), oneLine(c.Err.Error()))
			continue
		}
		e := c.Entity
		fmt.Fprintf(w, "%s %s\n", e.DisplayID, oneLine(e.Label))
		by := joinSlugs(e.Authors)
		if e.Status != nil {
			by += ", " + string(*e.Status)
		}
		fmt.Fprintf(w, "  %s\n", oneLine(by))
		fmt.Fprintln(w, indent(e.Content, "  "))
	}
}

// citeError returns the error of the first malformed id, or of the first unknown id.
func citeError(citations []view.Citation) error {
	var unknown error
	for _, c := range citations {
		switch {
		case errors.Is(c.Err, blue.ErrInvalid):
			return c.Err
		case unknown == nil:
			unknown = c.Err
		}
	}
	return unknown
}

func joinSlugs(slugs []blue.ExpertSlug) string {
	words := make([]string, len(slugs))
	for i, s := range slugs {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// indent indents a text of a dialogue, so that its lines cannot imitate the
// output of the program.
func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(printable(text), "\n"), "\n", "\n"+by)
}
