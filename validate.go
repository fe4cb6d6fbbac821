package blue

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/bounded"
	"github.com/superviber/blue-encrypted-store/internal/plainjson"
)

// Velocity returns the open tensions plus the new perspectives of the round. The
// sum stops at the ends of int64.
func (r *RoundRecord) Velocity() int64 { return bounded.Sum(r.OpenTensions, r.NewPerspectives) }

// ConvergePercent returns the share of the panel that signals convergence. It
// is 0 for an empty panel and can exceed 100. The product comes first, as in
// Blue's view: 5 of 9 is 55.55555555555556.
func (r *RoundRecord) ConvergePercent() Decimal {
	if r.PanelSize <= 0 {
		return 0
	}
	return Decimal(float64(r.ConvergeSignals) * 100 / float64(r.PanelSize))
}

// CheckConvergence returns nil if the dialogue may take a final verdict: the
// velocity of its last round is at most 0 and its whole panel signals
// convergence (Blue, SPEC §9). Otherwise it returns the blockers, in Blue's
// words.
func (s *Snapshot) CheckConvergence() *GateError {
	if len(s.Rounds) == 0 {
		return &GateError{Blockers: []string{"no rounds registered"}}
	}
	last := slices.MaxFunc(s.Rounds, func(a, b *RoundRecord) int { return int(a.Round) - int(b.Round) })
	var blockers []string
	if v := last.Velocity(); v > 0 {
		blockers = append(blockers, fmt.Sprintf("velocity=%d (open_tensions=%d, new_perspectives=%d)", v, last.OpenTensions, last.NewPerspectives))
	}
	if percent := last.ConvergePercent(); percent < 100 {
		// %.0f rounds half to even, as Blue does: 199 of 200 reads 100 and blocks.
		blockers = append(blockers, fmt.Sprintf("converge_percent=%.0f%% (%d/%d)", float64(percent), last.ConvergeSignals, last.PanelSize))
	}
	if blockers == nil {
		return nil
	}
	return &GateError{blockers, last}
}

// A GateError is a refusal of a final verdict by the convergence gate. It unwraps to
// ErrRefused. Its JSON form is Blue's answer.
type GateError struct {
	Blockers []string     // at least one
	Last     *RoundRecord // the round that the gate looked at; nil without rounds
}

// Error returns the blockers in one line.
func (e *GateError) Error() string {
	return fmt.Sprintf("%v: the dialogue has not converged: %s", ErrRefused, strings.Join(e.Blockers, "; "))
}

// Unwrap returns ErrRefused.
func (e *GateError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's answer. Without rounds the velocity is -1.
func (e *GateError) MarshalJSON() ([]byte, error) {
	type state struct {
		ConvergePercent Decimal `json:"converge_percent"`
		ConvergeSignals int64   `json:"converge_signals"`
		NewPerspectives int64   `json:"new_perspectives"`
		OpenTensions    int64   `json:"open_tensions"`
		PanelSize       int64   `json:"panel_size"`
		Velocity        int64   `json:"velocity"`
	}
	current := state{Velocity: -1}
	if r := e.Last; r != nil {
		current = state{r.ConvergePercent(), r.ConvergeSignals, r.NewPerspectives, r.OpenTensions, r.PanelSize, r.Velocity()}
	}
	return plainjson.Marshal(struct {
		Blockers   []string `json:"blockers"`
		State      state    `json:"current_state"`
		Type       string   `json:"error_type"`
		Hint       string   `json:"hint"`
		Message    string   `json:"message"`
		Status     string   `json:"status"`
		Suggestion string   `json:"suggestion"`
	}{
		e.Blockers, current, "convergence_blocked",
		"Use blue_dialogue_round_context to see detailed convergence status",
		"Cannot register final verdict: convergence criteria not met", "error",
		"Either resolve remaining tensions/perspectives and get 100% expert convergence, or use force=true to override (not recommended).",
	})
}

// A Decimal is a finite number whose JSON form is Blue's: the shortest text that
// reads back the same, with ".0" if it is whole, and an exponent from 1e16.
type Decimal float64

// String returns the JSON form.
func (d Decimal) String() string {
	f := float64(d)
	if size := math.Abs(f); size >= 1e16 || size > 0 && size < 1e-5 {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
		n, _ := strconv.Atoi(exponent)
		return mantissa + "e" + strconv.Itoa(n)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// MarshalJSON writes the JSON form. It returns an error for a number that is not
// finite.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 0) || math.IsNaN(float64(d)) {
		return nil, &json.UnsupportedValueError{Str: strconv.FormatFloat(float64(d), 'g', -1, 64)}
	}
	return []byte(d.String()), nil
}

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
				fmt.Sprintf("Local ID '%s' is given twice in this batch, first by %s", bounded.Text(d.LocalID), first),
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
				fmt.Sprintf("'%s' cannot be an expert's slug", bounded.Text(string(m.Expert))),
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
			c.add(field, fieldError(codeDuplicateEntity, "Expert '"+bounded.Text(string(slug))+"' is named twice", "Name every expert once"))
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
