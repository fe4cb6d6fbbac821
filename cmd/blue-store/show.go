package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
)

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
		id, err := dialogueID(args[0])
		if err != nil {
			return err
		}
		var entity string
		if len(args) == 2 {
			if entity = args[1]; !canNameEntity(entity) {
				return badEntity(entity)
			}
		}
		s, err := a.openExisting(c.Context())
		if err != nil {
			return err
		}
		defer s.close()
		return a.show(c.Context(), s, id, entity, salvage)
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
	return a.answer(doc, func(w io.Writer) { outline(w, s) })
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

func badEntity(name string) error {
	return fmt.Errorf("%w: %q does not name an entity; use a display id such as P0101, an expert's slug, a verdict's id, or round:N",
		blue.ErrInvalid, clip(name))
}

// findEntity returns the entity with a name: a display id, a verdict or an expert,
// in this order.
func findEntity(s *blue.Snapshot, name string) (blue.Entity, error) {
	kind, rest, prefixed := strings.Cut(name, ":")
	if prefixed && kind == "round" {
		n, err := strconv.ParseUint(rest, 10, 31)
		if err != nil {
			return nil, badEntity(name)
		}
		if r, ok := s.Round(blue.Round(n)); ok {
			return r, nil
		}
		return nil, notFound("dialogue %s has no round %d", s.Dialogue.ID, n)
	}
	if prefixed {
		name = rest
	}
	if id, err := blue.ParseEntityID(name); err == nil && !prefixed {
		if e, ok := s.Find(id); ok {
			return e, nil
		}
	}
	if kind != "expert" || !prefixed {
		for _, v := range s.Verdicts {
			if string(v.ID) == name {
				return v, nil
			}
		}
	}
	if kind != "verdict" || !prefixed {
		if e, ok := s.Expert(blue.ExpertSlug(name)); ok {
			return e, nil
		}
	}
	err := notFound("dialogue %s has no %s", s.Dialogue.ID, clip(name))
	if upper := strings.ToUpper(name); upper != name {
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

// outline writes the text form of a dialogue: its question, the panel, the rounds
// with one line for each entity, and the verdicts.
func outline(w io.Writer, s *blue.Snapshot) {
	d := &s.Dialogue
	fmt.Fprintf(w, "%s\n", oneLine(d.Title))
	field(w, "id", string(d.ID))
	field(w, "question", d.Question)
	field(w, "status", string(d.Status))
	field(w, "rounds", fmt.Sprintf("%d, alignment %d", d.TotalRounds, d.TotalAlignment))
	if len(s.Experts) > 0 {
		fmt.Fprintln(w, "\npanel")
	}
	for _, e := range s.Experts {
		fmt.Fprintf(w, "  %-12s %-9s %4d  %s\n", oneLine(string(e.Slug)), e.Tier, e.TotalScore, oneLine(e.Role))
	}
	for _, r := range s.Rounds {
		fmt.Fprintln(w)
		roundOutline(w, s, r)
	}
	if len(s.Verdicts) > 0 {
		fmt.Fprintln(w, "\nverdicts")
	}
	for _, v := range s.Verdicts {
		fmt.Fprintf(w, "  %-12s %s, round %d: %s\n", v.ID, v.Type, v.Round, oneLine(v.Recommendation))
	}
	for _, sk := range s.Unknown {
		fmt.Fprintf(w, "\nan item of a newer version of the program: %s\n", oneLine(sk))
	}
	if all := s.Contributed(); len(all) > 0 {
		fmt.Fprintf(w, "\nnext: blue-store show %s %s\n", d.ID, all[0].Common().ID)
	}
}

func roundOutline(w io.Writer, s *blue.Snapshot, r *blue.RoundRecord) {
	fmt.Fprintf(w, "round %d, score %d (W %d C %d T %d R %d)\n", r.Round, r.Score, r.Wisdom, r.Consistency, r.Truth, r.Relationships)
	field(w, "title", r.Title)
	field(w, "summary", r.Summary)
	for _, e := range s.Contributed() {
		if c := e.Common(); c.ID.Round == r.Round {
			fmt.Fprintf(w, "  %s %-9s %s (%s)\n", c.ID, e.Common().Status, oneLine(c.Label), oneLine(joinSlugs(c.Contributors)))
		}
	}
	for _, m := range s.Moves {
		if m.Round == r.Round {
			fmt.Fprintf(w, "  %s %s %s\n", oneLine(string(m.Display)), m.Type, oneLine(fmt.Sprint(m.Targets)))
		}
	}
}
