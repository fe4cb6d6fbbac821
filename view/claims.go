package view

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// CheckClaims compares what a verdict's author says it rests on with what the
// dialogue says now, before the verdict is stored. A list that is nil was not
// given and is not compared. Each difference is one Warning of type
// "verdict_claim", in the order of the author's lists:
//
//   - tensions_resolved must be exactly the resolved tensions;
//   - key_evidence and key_claims must be in the graph's Provenance of such a
//     verdict. The graph may well hold more: "key" is the author's choice.
//
// recommendations_adopted is no claim: storing the verdict makes it true, and
// the store warns of what it cannot adopt.
//
// The warnings name ids and statuses, never a text of the dialogue.
func CheckClaims(v blue.NewVerdict, s *blue.Snapshot) []blue.Warning {
	c := &claims{g: NewGraph(s), verdict: v}
	if v.TensionsResolved != nil {
		c.checkTensions()
	}
	p := c.g.trace(c.adopted(), c.g.resolvedNow(), time.Time{})
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
	round := c.verdict.Round
	c.warnings = append(c.warnings, blue.Warning{
		Type:    "verdict_claim",
		Expert:  c.verdict.AuthorExpert,
		Round:   &round,
		Message: fmt.Sprintf("verdict %s: ", c.verdict.ID) + fmt.Sprintf(format, args...),
	})
}

func (c *claims) checkTensions() {
	claimed := c.known(c.verdict.TensionsResolved, blue.KindTension, "tensions_resolved")
	for _, id := range claimed {
		if n, _ := c.g.Node(id); n.Status != blue.StatusResolved {
			c.warn("tensions_resolved names %s, which is %s", id, n.Status)
		}
	}
	for _, id := range c.g.resolvedNow() {
		if !slices.Contains(claimed, id) {
			c.warn("%s is resolved, but tensions_resolved does not name it", id)
		}
	}
}

func (c *claims) checkKey(list []string, kind blue.Kind, field string, grounds []blue.EntityID) {
	for _, id := range c.known(list, kind, field) {
		if !slices.Contains(grounds, id) {
			c.warn("%s names %s, which no reference joins to an adopted recommendation or a resolved tension", field, id)
		}
	}
}

// adopted returns the recommendations that the verdict would adopt.
func (c *claims) adopted() []blue.EntityID {
	set := idSet(nil)
	for _, text := range c.verdict.RecommendationsAdopted {
		id, err := blue.ParseEntityID(text)
		if _, ok := c.g.Node(id); err == nil && ok && id.Kind == blue.KindRecommendation {
			set[id] = true
		}
	}
	return set.sorted()
}

// known returns the members of a list that are in the dialogue, each once,
// and warns of the others.
func (c *claims) known(list []string, kind blue.Kind, field string) []blue.EntityID {
	var found []blue.EntityID
	for _, text := range list {
		id, err := blue.ParseEntityID(text)
		if err != nil || id.Kind != kind {
			c.warn("%s names %s, which is no id of a %s", field, quoteShort(text), kind)
			continue
		}
		if _, ok := c.g.Node(id); !ok {
			c.warn("%s names %s, which is not in the dialogue", field, id)
			continue
		}
		if !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	return found
}

// resolvedNow returns the tensions whose status is resolved.
func (g *Graph) resolvedNow() []blue.EntityID {
	var ids []blue.EntityID
	for _, n := range g.Nodes {
		if n.ID.Kind == blue.KindTension && n.Status == blue.StatusResolved {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// quoteShort quotes foreign text, at most 32 bytes of it: a text of the wrong
// kind may be a sentence of the dialogue.
func quoteShort(text string) string {
	const most = 32
	if len(text) <= most {
		return strconv.QuoteToASCII(text)
	}
	return strconv.QuoteToASCII(text[:most]) + "…"
}
