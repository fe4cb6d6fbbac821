package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
)

func listCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the dialogues of the store, without any key",
		Long: "Lists the dialogues of the store from its index: no key is read, and nothing is verified.\n" +
			"A row is a hint until the dialogue is loaded (show, verify).",
		Example: "  blue-store list\n  blue-store list --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			rows := []blue.Listed{}
			s, err := a.openExisting(c.Context())
			if err == nil {
				defer s.close()
				rows, err = s.store.List(c.Context())
			}
			if errors.Is(err, blue.ErrNotFound) { // no store yet, so no dialogue either
				a.note("%s; %s", err, hintOf(err))
				err = nil
			}
			if err != nil {
				return err
			}
			return a.answer(rows, func(w io.Writer) error { return listText(w, rows) })
		},
	}
}

func listText(w io.Writer, rows []blue.Listed) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "No dialogues found.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DIALOGUE\tSTATUS\tROUNDS\tALIGNMENT\tCHANGED (UTC)")
	for _, r := range rows {
		changed, _, _ := strings.Cut(r.UpdatedAt, ".")
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\n", oneLine(string(r.ID)), r.Status, r.TotalRounds, r.TotalAlignment, oneLine(changed))
	}
	return t.Flush()
}
