package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// CheckClaims compares the grounds that the author of a verdict names with the
// dialogue, before the verdict is stored. A nil list was not given and is not
// compared. Each difference is one Warning of type
// "verdict_claim", in the order of the author's lists:
//
//   - tensions_resolved must be exactly the resolved tensions;
//   - key_evidence and key_claims must be in the Provenance of such a verdict.
//     The Provenance can hold more, because the author chooses the key ones.
//
// recommendations_adopted is not compared, because storing the verdict makes it
// true. The store warns of a recommendation that it cannot adopt.
//
// The warnings name ids and statuses, and at most 32 bytes of a text that
// cannot be an id.
func CheckClaims(v blue.NewVerdict, s *blue.Snapshot) []blue.Warning {
	c := &claims{g: NewGraph(s), verdict: v}
	var resolved []blue.EntityID
	for _, n := range c.g.Nodes {
		if n.Kind == blue.KindTension && n.Status == blue.StatusResolved {
			resolved = append(resolved, n.ID)
		}
	}
	if v.TensionsResolved != nil {
		c.checkTensions(resolved)
	}
	adopted := ids{}
	for _, text := range v.RecommendationsAdopted {
		id, err := blue.ParseEntityID(text)
		if _, ok := c.g.Node(id); err == nil && ok && id.Kind == blue.KindRecommendation {
			adopted.add(id)
		}
	}
	p := c.g.trace(adopted.sorted(), resolved, time.Time{})
	c.checkKey(v.KeyEvidence, blue.KindEvidence, "key_evidence", p.Evidence)
	c.checkKey(v.KeyClaims, blue.KindClaim, "key_claims", p.Claims)
	return c.warnings
}

// claims collects the differences of one verdict.
type claims struct {
	g        *Graph
	verdict  blue.NewVerdict
	warnings []blue.Warning
}

func (c *claims) warn(format string, args ...any) {
	c.warnings = append(c.warnings, blue.Warning{
		Type: "verdict_claim", Expert: c.verdict.AuthorExpert, Round: new(c.verdict.Round),
		Message: fmt.Sprintf("verdict %s: ", c.verdict.ID) + fmt.Sprintf(format, args...),
	})
}

func (c *claims) checkTensions(resolved []blue.EntityID) {
	claimed := c.inDialogue(c.verdict.TensionsResolved, blue.KindTension, "tensions_resolved")
	for _, id := range claimed {
		if n, _ := c.g.Node(id); n.Status != blue.StatusResolved {
			c.warn("tensions_resolved names %s, which is %s", id, n.Status)
		}
	}
	for _, id := range resolved {
		if !slices.Contains(claimed, id) {
			c.warn("%s is resolved, but tensions_resolved does not name it", id)
		}
	}
}

func (c *claims) checkKey(list []string, kind blue.Kind, field string, grounds []blue.EntityID) {
	for _, id := range c.inDialogue(list, kind, field) {
		if !slices.Contains(grounds, id) {
			c.warn("%s names %s, which no reference joins to an adopted recommendation or a resolved tension", field, id)
		}
	}
}

// inDialogue returns the members of a list that are in the dialogue, each
// once, and warns of the others.
func (c *claims) inDialogue(list []string, kind blue.Kind, field string) []blue.EntityID {
	var found []blue.EntityID
	for _, text := range list {
		id, err := blue.ParseEntityID(text)
		if err != nil || id.Kind != kind {
			c.warn("%s names %s, which is no id of a %s", field, quoteShort(text), kind)
		} else if _, ok := c.g.Node(id); !ok {
			c.warn("%s names %s, which is not in the dialogue", field, id)
		} else if !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	return found
}

// quoteShort quotes at most 32 bytes of a text, because a text in the
// place of an id can be a sentence of the dialogue.
func quoteShort(text string) string {
	const most = 32
	if len(text) <= most {
		return strconv.QuoteToASCII(text)
	}
	return strconv.QuoteToASCII(text[:most]) + "…"
}

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
