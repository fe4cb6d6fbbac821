package main

import (
	"fmt"
	"io"

	blue "github.com/superviber/blue-encrypted-store"
)

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
