package blue

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Validate returns everything that is wrong with a batch on its own as one
// *ValidationError. The errors are in Blue's order: the round; perspectives,
// tensions, recommendations, evidence, claims, each by index and within an
// item label, text, local id, then each reference (type, then target); tension
// updates; moves. Contributors are not checked, and references can dangle.
//
// A reference or a tension update can name a display id, or the local id of a
// draft of the same batch. A text that can be read as a display id always is
// one.
func (b RoundBatch) Validate() error {
	c := batchCheck{batch: b, locals: map[string]Kind{}, first: map[string]string{}}
	for _, kind := range NumberedKinds() {
		for _, d := range b.Drafts[kind] {
			if _, err := ParseEntityID(d.LocalID); err != nil && d.LocalID != "" {
				c.locals[d.LocalID] = kind
			}
		}
	}
	c.add("round", checkRound(b.Round))
	for _, kind := range NumberedKinds() {
		c.checkDrafts(kind)
	}
	for _, kind := range slices.Sorted(maps.Keys(b.Drafts)) {
		if kind.Letter() == 0 {
			c.add("drafts", invalidEntityType(string(kind)))
		}
	}
	c.checkTensionUpdates()
	c.checkMoves()
	checkExperts(&c, "expert_scores", b.ExpertScores)
	checkExperts(&c, "raw_content", b.RawContent)
	return c.err()
}

// A batchCheck is one validation of one batch.
type batchCheck struct {
	batch  RoundBatch
	locals map[string]Kind   // local ids to kinds, without those that read as display ids
	first  map[string]string // local id → the field that gave it first
	fieldErrors
}

func (c *batchCheck) checkDrafts(kind Kind) {
	drafts := c.batch.Drafts[kind]
	if len(drafts) > int(MaxSeq) {
		c.add(kind.Plural(), tooMany(c.batch.Round, len(drafts), kind.Plural()))
		drafts = drafts[:MaxSeq] // so that the answer is bounded
	}
	for i, d := range drafts {
		at := fmt.Sprintf("%s[%d]", kind.Plural(), i)
		if d.Label == "" {
			c.add(at+".label", missingField("label"))
		}
		if d.Text == "" {
			c.add(at+"."+kind.TextField(), missingField(kind.TextField()))
		}
		if first, isTaken := c.first[d.LocalID]; isTaken {
			c.add(at+".local_id", fieldError(codeDuplicateEntity,
				fmt.Sprintf("Local ID '%s' is given twice in this batch, first by %s", clip(d.LocalID), first),
				"Give every entity of a batch a local ID of its own"))
		} else if d.LocalID != "" {
			c.first[d.LocalID] = at
		}
		for j, r := range d.References {
			c.checkReference(fmt.Sprintf("%s.references[%d]", at, j), kind, r)
		}
	}
}

// checkReference checks the type, the target, and whether they fit if both can
// be read.
func (c *batchCheck) checkReference(at string, source Kind, r RefDraft) {
	t := RefType(r.Type)
	if !t.Valid() {
		c.add(at+".type", invalidRefType(r.Type))
	}
	target, ok := c.kindOf(r.Target)
	if !ok {
		c.add(at+".target", invalidDisplayID(r.Target))
	}
	if t.Valid() && ok {
		c.add(at, t.Check(source, target))
	}
}

// kindOf returns the kind of a display id or a local id.
func (c *batchCheck) kindOf(text string) (Kind, bool) {
	if id, err := ParseEntityID(text); err == nil {
		return id.Kind, true
	}
	kind, ok := c.locals[text]
	return kind, ok
}

func (c *batchCheck) checkTensionUpdates() {
	for i, u := range c.batch.TensionUpdates {
		at := fmt.Sprintf("tension_updates[%d]", i)
		kind, ok := c.kindOf(u.ID)
		switch {
		case u.ID == "":
			c.add(at+".id", missingField("id"))
		case !ok:
			c.add(at+".id", invalidDisplayID(u.ID))
		case kind != KindTension:
			c.add(at+".id", typeIDMismatch(KindTension, u.ID))
		}
		c.add(at+".status", checkList("tension status", u.Status, KindTension.Statuses()))
	}
}

func (c *batchCheck) checkMoves() {
	count := map[string]int{}
	for i, m := range c.batch.Moves {
		at := fmt.Sprintf("moves[%d]", i)
		if m.Expert == "" {
			c.add(at+".expert", missingField("expert"))
		} else if _, err := ParseExpertSlug(string(m.Expert)); err != nil {
			c.add(at+".expert", fieldError(codeExpertNotFound,
				fmt.Sprintf("'%s' cannot be an expert's slug", clip(string(m.Expert))),
				"Use the slug of an expert: letters, digits and '-'"))
		}
		if m.Type == "" {
			c.add(at+".type", missingField("type"))
		} else {
			c.add(at+".type", checkList("move type", MoveType(m.Type), moveTypes))
		}
		key := m.Expert.Key()
		if count[key]++; count[key] == int(MaxSeq)+1 {
			c.add(at, tooMany(c.batch.Round, count[key], "moves of one expert"))
		}
	}
}

// checkExperts refuses two slugs that differ only by case, because they name
// one expert.
func checkExperts[V any](c *batchCheck, field string, bySlug map[ExpertSlug]V) {
	taken := map[string]bool{}
	for _, slug := range slices.Sorted(maps.Keys(bySlug)) {
		if taken[slug.Key()] {
			c.add(field, fieldError(codeDuplicateEntity, "Expert '"+clip(string(slug))+"' is named twice", "Name every expert once"))
		}
		taken[slug.Key()] = true
	}
}

// Validate checks an expert on its own. Errors: ErrInvalid for a slug that
// cannot be one or a relevance that is not finite; *ValidationError for an
// unknown tier or source, or a first round out of range.
func (e NewExpert) Validate() error {
	if _, err := ParseExpertSlug(string(e.Slug)); err != nil {
		return err
	}
	if e.Relevance != nil && (math.IsNaN(*e.Relevance) || math.IsInf(*e.Relevance, 0)) {
		return fmt.Errorf("%w: relevance must be a finite number", ErrInvalid)
	}
	var errs fieldErrors
	errs.add("tier", checkList("tier", e.Tier, tiers))
	errs.add("source", checkList("source", e.Source, expertSources))
	if e.FirstRound != nil {
		errs.add("first_round", checkRound(*e.FirstRound))
	}
	return errs.err()
}

// Validate checks a verdict on its own. Errors: ErrInvalid for an id that
// cannot be one; *ValidationError for an unknown type or a round out of range.
// The lists are not checked (Blue), and the round need not exist.
func (v NewVerdict) Validate() error {
	if _, err := ParseVerdictID(string(v.ID)); err != nil {
		return err
	}
	var errs fieldErrors
	errs.add("verdict_type", checkList("verdict type", v.Type, verdictTypes))
	errs.add("round", checkRound(v.Round))
	return errs.err()
}
