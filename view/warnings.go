package view

import (
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// Warnings lists what deserves a look in a stored dialogue (Blue's design of
// the export, SPEC §11), by type in this order:
//
//	missing_score         an expert of a round that took place, without any score
//	unresolved_tension    a tension that is not resolved in a converged dialogue
//	orphaned_perspective  a contributor of an entity who is neither an expert of the dialogue nor the judge
//	verdict_incomplete    a verdict without recommendation or description
func Warnings(s *blue.Snapshot) []blue.Warning {
	var all []blue.Warning
	warn := func(kind string, expert blue.ExpertSlug, round *blue.Round, format string, args ...any) {
		all = append(all, blue.Warning{Type: kind, Expert: expert, Round: round, Message: fmt.Sprintf(format, args...)})
	}
	for _, e := range s.Experts {
		tookPart := slices.ContainsFunc(s.Rounds, func(r *blue.RoundRecord) bool { return e.FirstRound == nil || *e.FirstRound <= r.Round })
		if len(e.Scores) == 0 && tookPart {
			warn("missing_score", e.Slug, e.FirstRound, "Expert '%s' has no score in any round", e.Slug)
		}
	}
	for _, t := range s.Tensions() {
		if s.Dialogue.Status == blue.StatusConverged && t.Status != blue.StatusResolved {
			warn("unresolved_tension", "", &t.ID.Round, "Tension %s is %s though the dialogue converged", t.ID, t.Status)
		}
	}
	for _, e := range s.Contributed() {
		c := e.Common()
		for _, slug := range c.Contributors {
			if _, isExpert := s.Expert(slug); !isExpert && slug.Key() != blue.Judge.Key() {
				warn("orphaned_perspective", slug, &c.ID.Round, "Contributor '%s' of %s is not an expert of this dialogue", bounded.Text(string(slug)), c.ID)
			}
		}
	}
	for _, v := range s.Verdicts {
		var missing []string
		if v.Recommendation == "" {
			missing = append(missing, "recommendation")
		}
		if v.Description == "" {
			missing = append(missing, "description")
		}
		if missing != nil {
			warn("verdict_incomplete", v.AuthorExpert, &v.Round, "Verdict '%s' lacks %s", v.ID, strings.Join(missing, " and "))
		}
	}
	return all
}
