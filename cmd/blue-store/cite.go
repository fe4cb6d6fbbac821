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
		Short: "Expand cited ids: what P0101 says",
		Long: "Expands display ids such as P0101, each on its own. The dialogue is loaded and verified whole.\n" +
			"Every id is answered; the exit code is that of the worst answer.",
		Example: "  blue-store cite which-cache P0101 T0002",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			s, id, err := a.openDialogue(c.Context(), args[0])
			if err != nil {
				return err
			}
			defer s.close()
			snapshot, err := s.store.Load(c.Context(), id)
			if err != nil {
				return err
			}
			citations := view.Cite(snapshot, args[1:])
			if err := a.answer(citations, func(w io.Writer) error { return citeText(w, citations) }); err != nil {
				return err
			}
			return citeError(citations)
		},
	}
}

func citeText(w io.Writer, citations []view.Citation) error {
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
	return nil
}

// citeError returns the first malformed id's error, else the first unknown's.
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

// indent puts a text of the dialogue below a heading: no line of it can be
// taken for one of ours.
func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(printable(text), "\n"), "\n", "\n"+by)
}
