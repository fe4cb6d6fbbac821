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
		Short: "List dialogues, tensions or an expert's moves, without any key",
		Long: "Lists what the store's indexes hold: the dialogues, those of one --status, the --tensions\n" +
			"of one status in all dialogues, or the places and moves of one --expert. No key is read,\n" +
			"and nothing is verified: a row is a hint until its dialogue is loaded (show, verify).",
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
	f.StringVar(&l.tensions, "tensions", "", "the tensions of all dialogues with this `STATUS` (open if left out): "+oneOf(blue.KindTension.Statuses()))
	f.Lookup("tensions").NoOptDefVal = string(blue.StatusOpen)
	f.StringVar(&l.expert, "expert", "", "the panels that the expert `SLUG` is on, and the expert's moves")
	return c
}

func oneOf[T ~string](list []T) string {
	var words []string
	for _, w := range list {
		words = append(words, string(w))
	}
	return strings.Join(words, ", ")
}

// listing is what is asked for: at most one of them.
type listing struct{ status, tensions, expert string }

// check refuses two filters at once, and one that is given but empty. A word
// behind --tensions, as in "--tensions addressed", is its value.
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
	var lister blue.AnalyticsStore = nothing{}
	s, err := a.openExisting(ctx)
	if err == nil {
		defer s.close()
		lister = s.store
	}
	if errors.Is(err, blue.ErrNotFound) { // no store yet, so no dialogue either
		a.note("%s; %s", err, hintOf(err))
		err = nil
	}
	if err != nil {
		return err
	}
	switch {
	case l.tensions != "":
		rows, err := lister.ListTensions(ctx, blue.Status(l.tensions))
		return answerRows(a, rows, err, tensionsText)
	case l.expert != "":
		rows, err := lister.ListExpert(ctx, blue.ExpertSlug(l.expert))
		return answerRows(a, rows, err, activityText)
	case l.status != "":
		rows, err := lister.ListStatus(ctx, blue.Status(l.status))
		return answerRows(a, rows, err, listText)
	}
	rows, err := lister.List(ctx)
	return answerRows(a, rows, err, listText)
}

// nothing is what lists say where there is no store.
type nothing struct{ blue.AnalyticsStore }

func (nothing) List(context.Context) ([]blue.Listed, error) { return nil, nil }
func (nothing) ListStatus(context.Context, blue.Status) ([]blue.Listed, error) {
	return nil, nil
}
func (nothing) ListTensions(context.Context, blue.Status) ([]blue.ListedTension, error) {
	return nil, nil
}
func (nothing) ListExpert(context.Context, blue.ExpertSlug) ([]blue.ListedActivity, error) {
	return nil, nil
}

// unverified stands below the rows of every list.
const unverified = "(unverified: hints until the dialogue is opened)"

// answerRows prints rows; none are [] in JSON.
func answerRows[T any](a *app, rows []T, err error, text func(io.Writer, []T) error) error {
	if err != nil {
		return err
	}
	return a.answer(append([]T{}, rows...), func(w io.Writer) error {
		err := text(w, rows)
		if err == nil && len(rows) > 0 {
			_, err = fmt.Fprintln(w, unverified)
		}
		return err
	})
}

// tableText writes rows under a header, or the line none. cells returns a
// row's cells, tabs between them.
func tableText[T any](w io.Writer, rows []T, none, header string, cells func(T) string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, none)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, r := range rows {
		fmt.Fprintln(t, cells(r))
	}
	return t.Flush()
}

func listText(w io.Writer, rows []blue.Listed) error {
	return tableText(w, rows, "No dialogues found.", "DIALOGUE\tSTATUS\tROUNDS\tALIGNMENT\tCHANGED (UTC)", func(r blue.Listed) string {
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%s", oneLine(string(r.ID)), r.Status, r.TotalRounds, r.TotalAlignment, seconds(r.UpdatedAt))
	})
}

func tensionsText(w io.Writer, rows []blue.ListedTension) error {
	return tableText(w, rows, "No tensions found.", "DIALOGUE\tTENSION\tSTATUS\tCHANGED (UTC)", func(r blue.ListedTension) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", oneLine(string(r.Dialogue)), r.ID, r.Status, seconds(r.UpdatedAt))
	})
}

func activityText(w io.Writer, rows []blue.ListedActivity) error {
	return tableText(w, rows, "Nothing found.", "DIALOGUE\tROUND\tWHAT\tCHANGED (UTC)", func(r blue.ListedActivity) string {
		what := "on the panel"
		if r.Kind == blue.KindMove {
			what = "move: " + oneLine(string(r.MoveType))
		} else if r.Tier != "" {
			what += ", " + oneLine(string(r.Tier))
		}
		return fmt.Sprintf("%s\t%d\t%s\t%s", oneLine(string(r.Dialogue)), int(r.Round), what, seconds(r.UpdatedAt))
	})
}

// seconds cuts a time's fraction off.
func seconds(t string) string {
	whole, _, _ := strings.Cut(t, ".")
	return oneLine(whole)
}
