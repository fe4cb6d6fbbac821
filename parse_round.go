package blue

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ParseRoundBatch reads Blue's round-register object (SPEC §7). It does not
// validate: RoundBatch.Validate does.
//
// Errors: a *JSONError for what StrictJSON refuses; ErrInvalid when score is
// absent or a number cannot be kept whole; a *ValidationError when the data
// name another dialogue or round than the request. Warnings name what was
// ignored.
func ParseRoundBatch(id DialogueID, round Round, data []byte) (RoundBatch, []Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return RoundBatch{}, nil, err
	}
	parts := o.object("score_components")
	parts.only("wisdom", "consistency", "truth", "relationships")
	b := RoundBatch{
		Round: round, Score: o.requiredInteger("score"), Title: o.text("title"), Summary: o.text("summary"),
		Wisdom: parts.integer("wisdom"), Consistency: parts.integer("consistency"),
		Truth: parts.integer("truth"), Relationships: parts.integer("relationships"),
		OpenTensions: o.integer("open_tensions"), NewPerspectives: o.integer("new_perspectives"),
		ConvergeSignals: o.integer("converge_signals"), PanelSize: o.integer("panel_size"),
		Drafts: map[Kind][]Draft{}, ExpertScores: expertScores(o), RawContent: rawContent(o),
	}
	b.dropEmptyMetrics()
	known := []string{
		"dialogue_id", "round", "score", "title", "summary", "score_components", "open_tensions", "new_perspectives",
		"converge_signals", "panel_size", "expert_scores", "raw_content", "tension_updates", "moves",
	}
	for _, kind := range NumberedKinds() {
		known = append(known, kind.Plural())
		for _, item := range o.objects(kind.Plural()) {
			b.Drafts[kind] = append(b.Drafts[kind], draft(kind, item))
		}
	}
	for _, u := range o.objects("tension_updates") {
		b.TensionUpdates = append(b.TensionUpdates, tensionUpdate(u))
	}
	for _, m := range o.objects("moves") {
		m.only("expert", "type", "targets", "context")
		b.Moves = append(b.Moves, MoveDraft{ExpertSlug(m.text("expert")), m.text("type"), m.texts("targets"), m.text("context")})
	}
	o.only(known...)
	if err := in.err(); err != nil {
		return RoundBatch{}, in.warnings, err
	}
	if err := refusal(append(o.belongsTo(id), inRound(o, round)...)...); err != nil {
		return RoundBatch{}, in.warnings, err
	}
	return b, in.warnings, nil
}

// dropEmptyMetrics stores metrics of which none is above 0 as absent (Blue).
func (b *RoundBatch) dropEmptyMetrics() {
	if max(b.OpenTensions, b.NewPerspectives, b.ConvergeSignals, b.PanelSize) <= 0 {
		b.OpenTensions, b.NewPerspectives, b.ConvergeSignals, b.PanelSize = 0, 0, 0, 0
	}
}

// inRound refuses data that name another round than the request (bug 4).
func inRound(o jsonObject, round Round) []FieldError {
	raw := o.raw("round")
	if n, ok := integerOf(raw); raw == nil || ok && n == int64(round) {
		return nil
	}
	return []FieldError{fieldError(CodeInvalidRound, fmt.Sprintf("The data name another round than the request's %d", round),
		"Leave round out of the data").at("round")}
}

func draft(kind Kind, o jsonObject) Draft {
	known := []string{"local_id", "label", kind.TextField(), "contributors", "references"}
	d := Draft{LocalID: o.text("local_id"), Label: o.text("label"), Text: o.text(kind.TextField()), Contributors: o.slugs("contributors")}
	for _, r := range o.objects("references") {
		r.only("type", "target")
		d.References = append(d.References, RefDraft{r.text("type"), r.text("target")})
	}
	if kind == KindRecommendation {
		known = append(known, "parameters")
		d.Parameters = o.anyJSON("parameters")
	}
	o.only(known...)
	return d
}

// tensionUpdate reads one update. No status means open (Blue); by is one text
// or a list.
func tensionUpdate(o jsonObject) TensionUpdate {
	o.only("id", "status", "by", "via")
	u := TensionUpdate{ID: o.text("id"), Status: Status(o.text("status")), Via: o.text("via")}
	if o.raw("status") == nil {
		u.Status = StatusOpen
	}
	if one, ok := textOf(o.raw("by")); ok {
		u.By = []ExpertSlug{ExpertSlug(one)}
	} else {
		u.By = o.slugs("by")
	}
	return u
}

// expertScores reads {slug: integer}. Other values are left out with a
// warning, as Blue leaves them out without; a whole number that does not fit
// 64 bits makes the text unusable.
func expertScores(o jsonObject) map[ExpertSlug]int64 {
	object := o.object("expert_scores")
	if object.members == nil {
		return nil
	}
	scores := make(map[ExpertSlug]int64, len(object.members))
	for _, slug := range slices.Sorted(maps.Keys(object.members)) {
		raw := object.members[slug]
		if n, ok := integerOf(raw); ok {
			scores[ExpertSlug(slug)] = n
		} else if wholeNumber(raw) {
			o.in.complainNumber(object.path+clip(slug)+" must be an integer of 64 bits", raw)
		} else {
			object.ignore(slug, "an integer")
		}
	}
	return scores
}

// wholeNumber reports whether a JSON value is digits alone.
func wholeNumber(raw json.RawMessage) bool {
	return strings.Trim(strings.TrimPrefix(string(raw), "-"), "0123456789") == ""
}

// rawContent reads {slug: text}.
func rawContent(o jsonObject) map[ExpertSlug]string {
	object := o.object("raw_content")
	if object.members == nil {
		return nil
	}
	content := make(map[ExpertSlug]string, len(object.members))
	for _, slug := range slices.Sorted(maps.Keys(object.members)) {
		if text, ok := textOf(object.members[slug]); ok {
			content[ExpertSlug(slug)] = text
		} else {
			object.ignore(slug, "a text")
		}
	}
	return content
}
