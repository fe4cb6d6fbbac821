package blue

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Validate reports everything that is wrong with a batch on its own, as one
// *ValidationError in Blue's order: the round; perspectives, tensions,
// recommendations, evidence, claims, each by index and within an item label,
// text, local id, then each reference (type, then target); tension updates;
// moves. Contributors are not checked, and references may dangle.
//
// A reference or tension update may name a display id, or the local id of a
// draft of the same batch. A text that reads as a display id always is one.
func (b RoundBatch) Validate() error {
	c := batchCheck{batch: b, locals: b.localKinds()}
	return c.run()
}

// localKinds maps the local ids of the batch to the kinds of their drafts.
// Those in the form of a display id are left out: they would hide a real one.
func (b RoundBatch) localKinds() map[string]Kind {
	locals := map[string]Kind{}
	for _, kind := range NumberedKinds() {
		for _, d := range b.Drafts[kind] {
			if isLocalID(d.LocalID) {
				locals[d.LocalID] = kind
			}
		}
	}
	return locals
}

// isLocalID reports whether a text may stand for a draft of a batch.
func isLocalID(text string) bool {
	_, err := ParseEntityID(text)
	return text != "" && err != nil
}

// batchCheck is one validation of one batch.
type batchCheck struct {
	batch  RoundBatch
	locals map[string]Kind
	taken  map[string]string // local id → the field that gave it first
	errs   []FieldError
}

func (c *batchCheck) add(field string, e *FieldError) {
	if e != nil {
		c.errs = append(c.errs, e.at(field))
	}
}

func (c *batchCheck) run() error {
	c.taken = map[string]string{}
	if !c.batch.Round.Valid() {
		c.add("round", invalidRound(int64(c.batch.Round)))
	}
	for _, kind := range NumberedKinds() {
		c.drafts(kind)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.batch.Drafts)) {
		if kind.Letter() == 0 {
			c.add("drafts", invalidEntityType(string(kind)))
		}
	}
	c.tensionUpdates()
	c.moves()
	sameExpert(c, "expert_scores", c.batch.ExpertScores)
	sameExpert(c, "raw_content", c.batch.RawContent)
	return refusal(c.errs...)
}

func (c *batchCheck) drafts(kind Kind) {
	drafts := c.batch.Drafts[kind]
	if held := len(drafts); held > int(MaxSeq) {
		c.add(kind.Plural(), tooMany(c.batch.Round, held, kind.Plural()))
		drafts = drafts[:min(len(drafts), int(MaxSeq))] // a list without end gets an answer with one
	}
	for i, d := range drafts {
		at := fmt.Sprintf("%s[%d]", kind.Plural(), i)
		if d.Label == "" {
			c.add(at+".label", missingField("label"))
		}
		if d.Text == "" {
			c.add(at+"."+kind.TextField(), missingField(kind.TextField()))
		}
		c.localID(at, d.LocalID)
		for j, r := range d.References {
			c.reference(fmt.Sprintf("%s.references[%d]", at, j), kind, r)
		}
	}
}

func (c *batchCheck) localID(at, id string) {
	if id == "" {
		return
	}
	if first, taken := c.taken[id]; taken {
		c.add(at+".local_id", fieldError(codeDuplicateEntity,
			fmt.Sprintf("Local ID '%s' is given twice in this batch, first by %s", clip(id), first),
			"Give every entity of a batch a local ID of its own"))
		return
	}
	c.taken[id] = at
}

// reference checks the type, the target, and when both can be read, whether
// they fit.
func (c *batchCheck) reference(at string, source Kind, r RefDraft) {
	t := RefType(r.Type)
	if !t.Valid() {
		c.add(at+".type", invalidRefType(r.Type))
	}
	target, known := c.target(r.Target)
	if !known {
		c.add(at+".target", invalidDisplayID(r.Target))
	}
	if t.Valid() && known {
		c.add(at, t.Check(source, target.Kind))
	}
}

// target reads a display id, or a local id; the latter gives the kind alone.
func (c *batchCheck) target(text string) (EntityID, bool) {
	if id, err := ParseEntityID(text); err == nil {
		return id, true
	}
	kind, known := c.locals[text]
	return EntityID{Kind: kind}, known
}

func (c *batchCheck) tensionUpdates() {
	for i, u := range c.batch.TensionUpdates {
		at := fmt.Sprintf("tension_updates[%d]", i)
		c.tension(at+".id", u.ID)
		if !KindTension.HasStatus(u.Status) {
			c.add(at+".status", outsideList("tension status", string(u.Status), KindTension.Statuses()))
		}
	}
}

func (c *batchCheck) tension(field, text string) {
	id, known := c.target(text)
	switch {
	case text == "":
		c.add(field, missingField("id"))
	case !known:
		c.add(field, invalidDisplayID(text))
	case id.Kind != KindTension:
		c.add(field, typeIDMismatch(KindTension, text))
	}
}

func (c *batchCheck) moves() {
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
		switch {
		case m.Type == "":
			c.add(at+".type", missingField("type"))
		case !MoveType(m.Type).Valid():
			c.add(at+".type", outsideList("move type", m.Type, moveTypes))
		}
		key := m.Expert.Key()
		if count[key]++; count[key] == int(MaxSeq)+1 {
			c.add(at, tooMany(c.batch.Round, count[key], "moves of one expert"))
		}
	}
}

// sameExpert refuses two slugs that differ only in case: they are one expert.
func sameExpert[V any](c *batchCheck, field string, bySlug map[ExpertSlug]V) {
	taken := map[string]bool{}
	for _, slug := range slices.Sorted(maps.Keys(bySlug)) {
		if taken[slug.Key()] {
			c.add(field, fieldError(codeDuplicateEntity, "Expert '"+clip(string(slug))+"' stands there twice", "Name every expert once"))
		}
		taken[slug.Key()] = true
	}
}

func tooMany(round Round, held int, what string) *FieldError {
	return fieldError(codeInvalidRound,
		fmt.Sprintf("Round %d would hold %d %s. At most %d can be numbered", round, held, what, MaxSeq),
		"Register the rest in another round")
}

// Validate checks an expert on its own: ErrInvalid for a slug that cannot be
// one or a relevance that is no number, a *ValidationError for a tier, a
// source or a first round outside its range.
func (e NewExpert) Validate() error {
	if _, err := ParseExpertSlug(string(e.Slug)); err != nil {
		return err
	}
	if e.Relevance != nil && (math.IsNaN(*e.Relevance) || math.IsInf(*e.Relevance, 0)) {
		return fmt.Errorf("%w: relevance must be a finite number", ErrInvalid)
	}
	var errs []FieldError
	if !e.Tier.Valid() {
		errs = append(errs, outsideList("tier", string(e.Tier), tiers).at("tier"))
	}
	if !e.Source.Valid() {
		errs = append(errs, outsideList("source", string(e.Source), expertSources).at("source"))
	}
	if e.FirstRound != nil && !e.FirstRound.Valid() {
		errs = append(errs, invalidRound(int64(*e.FirstRound)).at("first_round"))
	}
	return refusal(errs...)
}

// Validate checks a verdict on its own: ErrInvalid for an id that cannot be
// one, a *ValidationError for a type or round outside its range. The lists
// are not checked (Blue), and neither is whether the round exists.
func (v NewVerdict) Validate() error {
	if _, err := ParseVerdictID(string(v.ID)); err != nil {
		return err
	}
	var errs []FieldError
	if !v.Type.Valid() {
		errs = append(errs, outsideList("verdict type", string(v.Type), verdictTypes).at("verdict_type"))
	}
	if !v.Round.Valid() {
		errs = append(errs, invalidRound(int64(v.Round)).at("round"))
	}
	return refusal(errs...)
}
