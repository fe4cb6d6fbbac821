package blue

import (
	"fmt"
	"strings"
)

// Warnings lists what deserves a look in a stored dialogue (Blue's design of
// the export, SPEC §11), in this order:
//
//	missing_score         an expert of a round that took place, without any score
//	unresolved_tension    a tension that is not resolved though the dialogue converged
//	orphaned_perspective  a contributor of an entity who is no expert; Judge may be
//	verdict_incomplete    a verdict without recommendation or description
func (s *Snapshot) Warnings() []Warning {
	var all []Warning
	for _, e := range s.Experts {
		if len(e.Scores) == 0 && s.tookPart(e) {
			all = append(all, Warning{"missing_score", e.Slug, e.FirstRound, fmt.Sprintf("Expert '%s' has no score in any round", e.Slug)})
		}
	}
	if s.Dialogue.Status == StatusConverged {
		all = append(all, s.unresolved()...)
	}
	all = append(all, s.orphaned()...)
	for _, v := range s.Verdicts {
		if missing := incomplete(v); missing != "" {
			all = append(all, Warning{"verdict_incomplete", v.AuthorExpert, &v.Round, fmt.Sprintf("Verdict '%s' lacks %s", v.ID, missing)})
		}
	}
	return all
}

// tookPart reports whether a round took place since the expert joined.
func (s *Snapshot) tookPart(e *Expert) bool {
	for _, r := range s.Rounds {
		if e.FirstRound == nil || *e.FirstRound <= r.Round {
			return true
		}
	}
	return false
}

func (s *Snapshot) unresolved() []Warning {
	var all []Warning
	for _, t := range s.Tensions() {
		if t.Status != StatusResolved {
			all = append(all, Warning{"unresolved_tension", "", &t.ID.Round,
				fmt.Sprintf("Tension %s is %s though the dialogue converged", t.ID, t.Status)})
		}
	}
	return all
}

func (s *Snapshot) orphaned() []Warning {
	var all []Warning
	for _, e := range s.Contributed() {
		c := e.Common()
		for _, slug := range c.Contributors {
			if _, known := s.Expert(slug); !known && slug.Key() != Judge.Key() {
				all = append(all, Warning{"orphaned_perspective", slug, &c.ID.Round,
					fmt.Sprintf("Contributor '%s' of %s is not an expert of this dialogue", clip(string(slug)), c.ID)})
			}
		}
	}
	return all
}

// incomplete names what a verdict lacks, or "".
func incomplete(v *Verdict) string {
	var missing []string
	if v.Recommendation == "" {
		missing = append(missing, "recommendation")
	}
	if v.Description == "" {
		missing = append(missing, "description")
	}
	return strings.Join(missing, " and ")
}
