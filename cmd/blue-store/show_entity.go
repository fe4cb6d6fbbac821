package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/view"
)

// numberedShown is a numbered entity with its references and events.
type numberedShown struct {
	Kind   blue.Kind      `json:"kind"`
	Entity map[string]any `json:"entity"` // as in the export
	Out    []endJSON      `json:"refs_out"`
	In     []endJSON      `json:"refs_in"`
	Events []any          `json:"events"` // as in the export
}

// endJSON is the other end of a reference.
type endJSON struct {
	Type  blue.RefType  `json:"type"`
	ID    blue.EntityID `json:"id"`
	Label *string       `json:"label"` // null if the entity is not in the dialogue
}

func (a *app) showNumbered(s *blue.Snapshot, e blue.Contributed, entity map[string]any) error {
	id := e.Common().ID
	shown := &numberedShown{Kind: id.Kind, Entity: entity, Out: []endJSON{}, In: []endJSON{}, Events: []any{}}
	for _, r := range s.Refs() {
		if r.Source == id {
			shown.Out = append(shown.Out, refEnd(s, r.Type, r.Target))
		}
		if r.Target == id {
			shown.In = append(shown.In, refEnd(s, r.Type, r.Source))
		}
	}
	for _, ev := range s.Events {
		if ev.Of == id {
			event, err := view.ExportEntity(s, ev)
			if err != nil {
				return err
			}
			shown.Events = append(shown.Events, event)
		}
	}
	return a.answer(shown, func(w io.Writer) { numberedText(w, s, e, shown) })
}

func refEnd(s *blue.Snapshot, t blue.RefType, id blue.EntityID) endJSON {
	e := endJSON{Type: t, ID: id}
	if found, ok := s.Find(id); ok {
		e.Label = &found.Common().Label
	}
	return e
}

func numberedText(w io.Writer, s *blue.Snapshot, e blue.Contributed, shown *numberedShown) {
	c := e.Common()
	fmt.Fprintf(w, "%s %s, %s, round %d\n", c.ID, c.ID.Kind, e.Common().Status, c.ID.Round)
	printField(w, "label", c.Label)
	printField(w, "by", display.Join(c.Contributors, ", "))
	printField(w, "local id", c.LocalID)
	if r, ok := e.(*blue.Recommendation); ok {
		printField(w, "adopted", string(r.AdoptedInVerdict))
		printField(w, "parameters", string(r.Parameters))
	}
	fmt.Fprintf(w, "\n%s\n", indentOutput(e.Text(), "  "))
	if len(shown.Out)+len(shown.In) > 0 {
		fmt.Fprintln(w, "\nreferences")
	}
	for _, r := range shown.Out {
		fmt.Fprintf(w, "  → %-8s %s\n", r.Type, endText(r))
	}
	for _, r := range shown.In {
		fmt.Fprintf(w, "  ← %-8s %s\n", r.Type, endText(r))
	}
	fmt.Fprintln(w, "\nevents")
	for _, ev := range s.Events {
		if ev.Of == c.ID {
			eventText(w, ev)
		}
	}
}

func endText(e endJSON) string {
	if e.Label == nil {
		return e.ID.String() + " (not in the dialogue)"
	}
	return e.ID.String() + " " + display.OneLine(*e.Label)
}

func eventText(w io.Writer, e *blue.Event) {
	fmt.Fprintf(w, "  %s round %d", display.OneLine(e.Type), e.Round)
	if len(e.Actors) > 0 {
		fmt.Fprintf(w, ", by %s", display.OneLine(display.Join(e.Actors, ", ")))
	}
	if e.Reference != "" {
		fmt.Fprintf(w, ", via %s", display.OneLine(e.Reference))
	}
	if e.Reason != "" {
		fmt.Fprintf(w, ": %s", display.OneLine(e.Reason))
	}
	fmt.Fprintln(w)
}

// printField prints a name with a value, unless the value is empty.
func printField(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "  %-11s %s\n", name, display.OneLine(value))
	}
}

func expertText(w io.Writer, s *blue.Snapshot, e *blue.Expert) {
	fmt.Fprintf(w, "%s, %s expert, %s\n", e.Slug, e.Tier, e.Source)
	printField(w, "role", e.Role)
	printField(w, "focus", e.Focus)
	printField(w, "about", e.Description)
	printField(w, "because", e.CreationReason)
	if e.FirstRound != nil {
		printField(w, "first round", fmt.Sprint(int(*e.FirstRound)))
	}
	printField(w, "score", scoresText(e))
	printField(w, "said", strings.Join(saidBy(s, e), " "))
}

// scoresText returns the total and the rounds, for example "25 (round 0: 15, round 1: 10)".
func scoresText(e *blue.Expert) string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(e.Scores)) {
		parts = append(parts, fmt.Sprintf("round %d: %d", r, e.Scores[r]))
	}
	if parts == nil {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", e.TotalScore, strings.Join(parts, ", "))
}

func saidBy(s *blue.Snapshot, e *blue.Expert) []string {
	var ids []string
	for _, c := range s.Contributed() {
		if slices.ContainsFunc(c.Common().Contributors, func(by blue.ExpertSlug) bool { return by.Key() == e.Slug.Key() }) {
			ids = append(ids, c.Common().ID.String())
		}
	}
	return ids
}

func (a *app) showRound(s *blue.Snapshot, r *blue.RoundRecord, shown map[string]any) error {
	ids := []blue.EntityID{}
	for _, c := range s.Contributed() {
		if c.Common().ID.Round == r.Round {
			ids = append(ids, c.Common().ID)
		}
	}
	shown["registered"] = ids
	return a.answer(shown, func(w io.Writer) { roundOutline(w, s, r) })
}

func (a *app) showVerdict(s *blue.Snapshot, v *blue.Verdict, shown map[string]any) error {
	rests, err := view.NewGraph(s).Provenance(v.ID)
	if err != nil {
		return err
	}
	shown["provenance"] = rests
	return a.answer(shown, func(w io.Writer) { verdictText(w, v, rests) })
}

func verdictText(w io.Writer, v *blue.Verdict, rests *view.Provenance) {
	forced := ""
	if v.Forced {
		forced = ", forced"
	}
	fmt.Fprintf(w, "%s, %s verdict%s, round %d\n", v.ID, v.Type, forced, v.Round)
	printField(w, "author", string(v.AuthorExpert))
	printField(w, "confidence", cmp.Or(v.Confidence, v.ConfidenceText))
	printField(w, "vote", v.Vote)
	printField(w, "supported", display.Join(v.SupportingExperts, ", "))
	printField(w, "accepts", strings.Join(v.TensionsAccepted, " "))
	fmt.Fprintf(w, "\n%s\n\n%s\n", indentOutput(v.Recommendation, "  "), indentOutput(v.Description, "  "))
	for _, c := range v.Conditions {
		fmt.Fprintf(w, "  - %s\n", display.OneLine(c))
	}
	fmt.Fprintln(w, "\nrests on")
	if len(rests.Recommendations)+len(rests.Tensions) == 0 {
		fmt.Fprintln(w, "  nothing that the references show")
	}
	for _, r := range rests.Recommendations {
		printField(w, "adopts", r.ID.String())
	}
	for _, t := range rests.Tensions {
		word := "leaves"
		if t.Resolved {
			word = "settles"
		}
		printField(w, word, t.ID.String())
	}
	printField(w, "evidence", display.Join(rests.Evidence, " "))
	printField(w, "claims", display.Join(rests.Claims, " "))
}

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
			fmt.Fprintf(w, "%s: %s\n", display.OneLine(clipArgument(c.ID)), display.OneLine(c.Err.Error()))
			continue
		}
		e := c.Entity
		fmt.Fprintf(w, "%s %s\n", e.DisplayID, display.OneLine(e.Label))
		by := display.Join(e.Authors, ", ")
		if e.Status != nil {
			by += ", " + string(*e.Status)
		}
		fmt.Fprintf(w, "  %s\n", display.OneLine(by))
		fmt.Fprintln(w, indentOutput(e.Content, "  "))
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

// indentOutput indents a text of a dialogue, so that its lines cannot imitate the
// output of the program.
func indentOutput(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(display.Printable(text), "\n"), "\n", "\n"+by)
}
