package view

import (
	"fmt"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// Warnings lists what deserves a look in a stored dialogue (Blue's design of
// the export, SPEC §11), in this order:
//
//	missing_score         an expert of a round that took place, without any score
//	unresolved_tension    a tension that is not resolved though the dialogue converged
//	orphaned_perspective  a contributor of an entity who is no expert; Judge may be
//	verdict_incomplete    a verdict without recommendation or description
func Warnings(s *blue.Snapshot) []blue.Warning {
	var all []blue.Warning
	for _, e := range s.Experts {
		if len(e.Scores) == 0 && tookPart(s, e) {
			all = append(all, blue.Warning{Type: "missing_score", Expert: e.Slug, Round: e.FirstRound, Message: fmt.Sprintf("Expert '%s' has no score in any round", e.Slug)})
		}
	}
	if s.Dialogue.Status == blue.StatusConverged {
		all = append(all, unresolved(s)...)
	}
	all = append(all, orphaned(s)...)
	for _, v := range s.Verdicts {
		if missing := incomplete(v); missing != "" {
			all = append(all, blue.Warning{Type: "verdict_incomplete", Expert: v.AuthorExpert, Round: &v.Round, Message: fmt.Sprintf("Verdict '%s' lacks %s", v.ID, missing)})
		}
	}
	return all
}

// tookPart reports whether a round took place since the expert joined.
func tookPart(s *blue.Snapshot, e *blue.Expert) bool {
	for _, r := range s.Rounds {
		if e.FirstRound == nil || *e.FirstRound <= r.Round {
			return true
		}
	}
	return false
}

func unresolved(s *blue.Snapshot) []blue.Warning {
	var all []blue.Warning
	for _, t := range s.Tensions() {
		if t.Status != blue.StatusResolved {
			all = append(all, blue.Warning{Type: "unresolved_tension", Round: &t.ID.Round, Message: fmt.Sprintf("Tension %s is %s though the dialogue converged", t.ID, t.Status)})
		}
	}
	return all
}

func orphaned(s *blue.Snapshot) []blue.Warning {
	var all []blue.Warning
	for _, e := range s.Contributed() {
		c := e.Common()
		for _, slug := range c.Contributors {
			if _, known := s.Expert(slug); !known && slug.Key() != blue.Judge.Key() {
				all = append(all, blue.Warning{Type: "orphaned_perspective", Expert: slug, Round: &c.ID.Round, Message: fmt.Sprintf("Contributor '%s' of %s is not an expert of this dialogue", bounded.Text(string(slug)), c.ID)})
			}
		}
	}
	return all
}

// incomplete names what a verdict lacks, or "".
func incomplete(v *blue.Verdict) string {
	var missing []string
	if v.Recommendation == "" {
		missing = append(missing, "recommendation")
	}
	if v.Description == "" {
		missing = append(missing, "description")
	}
	return strings.Join(missing, " and ")
}
