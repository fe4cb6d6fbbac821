package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
)

func listCommand(a *app) *cobra.Command {
	var l listing
	c := &cobra.Command{
		Use:   "list",
		Short: "List dialogues, tensions or an expert's moves, without a key",
		Long: "Lists rows of the store's indexes: all dialogues, the dialogues with one --status, the --tensions\n" +
			"with one status in all dialogues, or the panels and moves of one --expert. It reads no key and\n" +
			"verifies nothing. Use show or verify to check a row.",
		Example: "  blue-store list\n  blue-store list --status converging\n" +
			"  blue-store list --tensions\n  blue-store list --tensions addressed --json\n  blue-store list --expert muffin",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := l.check(c, args); err != nil {
				return err
			}
			return a.list(c.Context(), l)
		},
	}
	f := c.Flags()
	f.StringVar(&l.status, "status", "", "only dialogues with this `STATUS`: "+oneOf(blue.KindDialogue.Statuses()))
	f.StringVar(&l.tensions, "tensions", "", "the tensions of all dialogues with this `STATUS` (default open): "+oneOf(blue.KindTension.Statuses()))
	f.Lookup("tensions").NoOptDefVal = string(blue.StatusOpen)
	f.StringVar(&l.expert, "expert", "", "the panels and moves of the expert `SLUG`")
	return c
}

func oneOf[T ~string](list []T) string {
	var words []string
	for _, w := range list {
		words = append(words, string(w))
	}
	return strings.Join(words, ", ")
}

// listing contains the filters of list. At most one is set.
type listing struct{ status, tensions, expert string }

// check returns a usageError for two filters, and for an empty one. A word after
// --tensions, as in "--tensions addressed", is its value.
func (l *listing) check(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		if f := c.Flags().Lookup("tensions"); !f.Changed || f.Value.String() != f.NoOptDefVal {
			return usage("list takes no name; show %s, or a filter: --status, --tensions, --expert", clip(args[0]))
		}
		l.tensions = args[0]
	}
	var given []string
	for _, name := range []string{"status", "tensions", "expert"} {
		if f := c.Flags().Lookup(name); f.Changed {
			given = append(given, "--"+name)
			if f.Value.String() == "" {
				return usage("--%s is empty", name)
			}
		}
	}
	if len(given) > 1 {
		return usage("%s exclude each other", strings.Join(given, " and "))
	}
	if l.status != "" && !blue.KindDialogue.HasStatus(blue.Status(l.status)) {
		return usage("unknown status %q; a dialogue is %s", clip(l.status), oneOf(blue.KindDialogue.Statuses()))
	}
	if l.tensions != "" && !blue.KindTension.HasStatus(blue.Status(l.tensions)) {
		return usage("unknown status %q; a tension is %s", clip(l.tensions), oneOf(blue.KindTension.Statuses()))
	}
	return nil
}

func (a *app) list(ctx context.Context, l listing) error {
	var store blue.AnalyticsStore
	s, err := a.openExisting(ctx)
	switch {
	case err == nil:
		defer s.close()
		store = s.store
	case errors.Is(err, blue.ErrNotFound): // a missing store has no rows
		a.note("%s; %s", err, hintOf(err))
	default:
		return err
	}
	switch {
	case l.tensions != "":
		return answerRows(ctx, a, store, blue.Status(l.tensions), blue.AnalyticsStore.ListTensions, tensionsText)
	case l.expert != "":
		return answerRows(ctx, a, store, blue.ExpertSlug(l.expert), blue.AnalyticsStore.ListExpert, activityText)
	case l.status != "":
		return answerRows(ctx, a, store, blue.Status(l.status), blue.AnalyticsStore.ListStatus, listText)
	}
	all := func(s blue.AnalyticsStore, ctx context.Context, _ string) ([]blue.Listed, error) { return s.List(ctx) }
	return answerRows(ctx, a, store, "", all, listText)
}

// unverified is printed below the rows of every list.
const unverified = "(unverified: show and verify check the dialogue)"

// answerRows prints the rows that list returns. store is nil if there is none. No
// rows are [] in JSON.
func answerRows[T, K any](ctx context.Context, a *app, store blue.AnalyticsStore, key K, list func(blue.AnalyticsStore, context.Context, K) ([]T, error), text func(io.Writer, []T)) error {
	var rows []T
	if store != nil {
		var err error
		if rows, err = list(store, ctx, key); err != nil {
			return err
		}
	}
	return a.answer(append([]T{}, rows...), func(w io.Writer) {
		if text(w, rows); len(rows) > 0 {
			fmt.Fprintln(w, unverified)
		}
	})
}

// tableText writes rows with a header, or the line none if there are no rows. cells
// returns the cells of a row, separated by tabs.
func tableText[T any](w io.Writer, rows []T, none, header string, cells func(T) string) {
	if len(rows) == 0 {
		fmt.Fprintln(w, none)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, r := range rows {
		fmt.Fprintln(t, cells(r))
	}
	t.Flush()
}

func listText(w io.Writer, rows []blue.Listed) {
	tableText(w, rows, "No dialogues found.", "DIALOGUE\tSTATUS\tROUNDS\tALIGNMENT\tCHANGED (UTC)", func(r blue.Listed) string {
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%s", oneLine(string(r.ID)), r.Status, r.TotalRounds, r.TotalAlignment, seconds(r.UpdatedAt))
	})
}

func tensionsText(w io.Writer, rows []blue.ListedTension) {
	tableText(w, rows, "No tensions found.", "DIALOGUE\tTENSION\tSTATUS\tCHANGED (UTC)", func(r blue.ListedTension) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", oneLine(string(r.Dialogue)), r.ID, r.Status, seconds(r.UpdatedAt))
	})
}

func activityText(w io.Writer, rows []blue.ListedActivity) {
	tableText(w, rows, "Nothing found.", "DIALOGUE\tROUND\tWHAT\tCHANGED (UTC)", func(r blue.ListedActivity) string {
		what := "on the panel"
		if r.Kind == blue.KindMove {
			what = "move: " + oneLine(string(r.MoveType))
		} else if r.Tier != "" {
			what += ", " + oneLine(string(r.Tier))
		}
		return fmt.Sprintf("%s\t%d\t%s\t%s", oneLine(string(r.Dialogue)), int(r.Round), what, seconds(r.UpdatedAt))
	})
}

// seconds returns a time without fractions of a second.
func seconds(t string) string {
	whole, _, _ := strings.Cut(t, ".")
	return oneLine(whole)
}
