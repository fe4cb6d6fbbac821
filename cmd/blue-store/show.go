package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/view"
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
	f.StringVar(&l.status, "status", "", "only dialogues with this `STATUS`: "+display.Join(blue.KindDialogue.Statuses(), ", "))
	f.StringVar(&l.tensions, "tensions", "", "the tensions of all dialogues with this `STATUS` (default open): "+display.Join(blue.KindTension.Statuses(), ", "))
	f.Lookup("tensions").NoOptDefVal = string(blue.StatusOpen)
	f.StringVar(&l.expert, "expert", "", "the panels and moves of the expert `SLUG`")
	return c
}

// listing contains the filters of list. At most one is set.
type listing struct{ status, tensions, expert string }

// check returns a usageError for two filters, and for an empty one. A word after
// --tensions, as in "--tensions addressed", is its value.
func (l *listing) check(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		if f := c.Flags().Lookup("tensions"); !f.Changed || f.Value.String() != f.NoOptDefVal {
			return usage("list takes no name; show %s, or a filter: --status, --tensions, --expert", clipArgument(args[0]))
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
		return usage("unknown status %q; a dialogue is %s", clipArgument(l.status), display.Join(blue.KindDialogue.Statuses(), ", "))
	}
	if l.tensions != "" && !blue.KindTension.HasStatus(blue.Status(l.tensions)) {
		return usage("unknown status %q; a tension is %s", clipArgument(l.tensions), display.Join(blue.KindTension.Statuses(), ", "))
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
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%s", display.OneLine(string(r.ID)), r.Status, r.TotalRounds, r.TotalAlignment, printedSeconds(r.UpdatedAt))
	})
}

func tensionsText(w io.Writer, rows []blue.ListedTension) {
	tableText(w, rows, "No tensions found.", "DIALOGUE\tTENSION\tSTATUS\tCHANGED (UTC)", func(r blue.ListedTension) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", display.OneLine(string(r.Dialogue)), r.ID, r.Status, printedSeconds(r.UpdatedAt))
	})
}

func activityText(w io.Writer, rows []blue.ListedActivity) {
	tableText(w, rows, "Nothing found.", "DIALOGUE\tROUND\tWHAT\tCHANGED (UTC)", func(r blue.ListedActivity) string {
		what := "on the panel"
		if r.Kind == blue.KindMove {
			what = "move: " + display.OneLine(string(r.MoveType))
		} else if r.Tier != "" {
			what += ", " + display.OneLine(string(r.Tier))
		}
		return fmt.Sprintf("%s\t%d\t%s\t%s", display.OneLine(string(r.Dialogue)), int(r.Round), what, printedSeconds(r.UpdatedAt))
	})
}

// printedSeconds returns a time without fractions of a second.
func printedSeconds(t string) string {
	whole, _, _ := strings.Cut(t, ".")
	return display.OneLine(whole)
}

func showCommand(a *app) *cobra.Command {
	var salvage bool
	c := &cobra.Command{
		Use:   "show DIALOGUE [ENTITY]",
		Short: "Show a dialogue, or one entity of it with its references and history",
		Long: "Loads and verifies a dialogue and shows it as an outline. ENTITY selects one entity: a display id\n" +
			"(P0101), an expert's slug (Muffin), a verdict's id (V01) or round:N. If an expert and a verdict\n" +
			"have the same name, use expert:NAME or verdict:NAME. The JSON form of a dialogue is the document\n" +
			"of export.",
		Example: "  blue-store show which-cache\n" +
			"  blue-store show which-cache T0101\n" +
			"  blue-store show which-cache round:0",
		Args: cobra.RangeArgs(1, 2),
	}
	c.Flags().BoolVar(&salvage, "salvage", false, "show the items of a damaged dialogue that verify; the exit code is still 7")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := dialogueArgument(args[0])
		if err != nil {
			return err
		}
		var entity string
		if len(args) == 2 {
			if entity = args[1]; !canNameEntity(entity) {
				return fmt.Errorf("%w: %q does not name an entity; use a display id such as P0101, an expert's slug, a verdict's id, or round:N",
					blue.ErrInvalid, clipArgument(entity))
			}
		}
		return a.withStore(c.Context(), func(s *session) error { return a.show(c.Context(), s, id, entity, salvage) })
	}
	return c
}

func (a *app) show(ctx context.Context, s *session, id blue.DialogueID, entity string, salvage bool) error {
	snapshot, damaged, err := s.loadOrSalvage(ctx, id, salvage)
	if err != nil {
		return err
	}
	if entity == "" {
		err = a.showDialogue(snapshot)
	} else {
		err = a.showEntity(snapshot, entity)
	}
	if damaged == nil || err != nil && !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	// An entity that is not found can be one that did not verify.
	a.note("salvaged: %d item(s) did not verify and are left out", len(snapshot.Damage))
	return withHint(damaged, "the shown items verify; the other items are lost, unless a backup contains them")
}

func (a *app) showDialogue(s *blue.Snapshot) error {
	var doc map[string]any
	if a.isJSON() {
		var err error
		if doc, err = view.Export(s, time.Time{}); err != nil {
			return err
		}
		delete(doc, "exported_at")
	}
	return a.answer(doc, func(w io.Writer) { printOutline(w, s) })
}

// canNameEntity reports whether a text has the form of an entity's name.
func canNameEntity(name string) bool {
	kind, rest, prefixed := strings.Cut(name, ":")
	if prefixed {
		name = rest
	}
	_, notSlug := blue.ParseExpertSlug(name)
	_, notVerdict := blue.ParseVerdictID(name)
	switch {
	case !prefixed:
		return notSlug == nil || notVerdict == nil
	case kind == "round":
		_, err := strconv.ParseUint(name, 10, 31)
		return err == nil
	case kind == "expert":
		return notSlug == nil
	}
	return kind == "verdict" && notVerdict == nil
}

// findEntity returns the entity with a name that canNameEntity accepts: a display
// id, a verdict or an expert, in this order.
func findEntity(s *blue.Snapshot, name string) (blue.Entity, error) {
	kind, rest, prefixed := strings.Cut(name, ":")
	if !prefixed {
		kind, rest = "", name
	}
	if n, err := strconv.ParseUint(rest, 10, 31); err == nil && kind == "round" {
		if r, ok := s.Round(blue.Round(n)); ok {
			return r, nil
		}
		return nil, notFound("dialogue %s has no round %d", s.Dialogue.ID, n)
	}
	if id, err := blue.ParseEntityID(rest); err == nil && kind == "" {
		if e, ok := s.Find(id); ok {
			return e, nil
		}
	}
	if v, ok := s.Verdict(blue.VerdictID(rest)); ok && kind != "expert" {
		return v, nil
	}
	if e, ok := s.Expert(blue.ExpertSlug(rest)); ok && kind != "verdict" {
		return e, nil
	}
	err := notFound("dialogue %s has no %s", s.Dialogue.ID, clipArgument(rest))
	if upper := strings.ToUpper(rest); upper != rest {
		if id, bad := blue.ParseEntityID(upper); bad == nil {
			err = withHint(err, "did you mean "+id.String()+"?")
		}
	}
	return nil, err
}

func (a *app) showEntity(s *blue.Snapshot, name string) error {
	found, err := findEntity(s, name)
	if err != nil {
		return err
	}
	entity, err := view.ExportEntity(s, found)
	if err != nil {
		return err
	}
	shown := map[string]any{"kind": found.EntityKind(), "entity": entity}
	switch e := found.(type) {
	case *blue.Expert:
		return a.answer(shown, func(w io.Writer) { expertText(w, s, e) })
	case *blue.RoundRecord:
		return a.showRound(s, e, shown)
	case *blue.Verdict:
		return a.showVerdict(s, e, shown)
	}
	return a.showNumbered(s, found.(blue.Contributed), entity)
}

// printOutline writes the text form of a dialogue: its question, the panel, the
// rounds with one line for each entity, and the verdicts.
func printOutline(w io.Writer, s *blue.Snapshot) {
	d := &s.Dialogue
	fmt.Fprintf(w, "%s\n", display.OneLine(d.Title))
	printField(w, "id", string(d.ID))
	printField(w, "question", d.Question)
	printField(w, "status", string(d.Status))
	printField(w, "rounds", fmt.Sprintf("%d, alignment %d", d.TotalRounds, d.TotalAlignment))
	if len(s.Experts) > 0 {
		fmt.Fprintln(w, "\npanel")
	}
	for _, e := range s.Experts {
		fmt.Fprintf(w, "  %-12s %-9s %4d  %s\n", display.OneLine(string(e.Slug)), e.Tier, e.TotalScore, display.OneLine(e.Role))
	}
	for _, r := range s.Rounds {
		fmt.Fprintln(w)
		roundOutline(w, s, r)
	}
	if len(s.Verdicts) > 0 {
		fmt.Fprintln(w, "\nverdicts")
	}
	for _, v := range s.Verdicts {
		fmt.Fprintf(w, "  %-12s %s, round %d: %s\n", v.ID, v.Type, v.Round, display.OneLine(v.Recommendation))
	}
	for _, sk := range s.Unknown {
		fmt.Fprintf(w, "\nan item of a newer version of the program: %s\n", display.OneLine(sk))
	}
	if all := s.Contributed(); len(all) > 0 {
		fmt.Fprintf(w, "\nnext: blue-store show %s %s\n", d.ID, all[0].Common().ID)
	}
}

func roundOutline(w io.Writer, s *blue.Snapshot, r *blue.RoundRecord) {
	fmt.Fprintf(w, "round %d, score %d (W %d C %d T %d R %d)\n", r.Round, r.Score, r.Wisdom, r.Consistency, r.Truth, r.Relationships)
	printField(w, "title", r.Title)
	printField(w, "summary", r.Summary)
	for _, e := range s.Contributed() {
		if c := e.Common(); c.ID.Round == r.Round {
			fmt.Fprintf(w, "  %s %-9s %s (%s)\n", c.ID, e.Common().Status, display.OneLine(c.Label), display.OneLine(display.Join(c.Contributors, ", ")))
		}
	}
	for _, m := range s.Moves {
		if m.Round == r.Round {
			fmt.Fprintf(w, "  %s %s %s\n", display.OneLine(string(m.Display)), m.Type, display.OneLine(fmt.Sprint(m.Targets)))
		}
	}
}
