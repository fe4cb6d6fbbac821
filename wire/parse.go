package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// ParseNewDialogue reads {title, question, output_dir, background, domain_id,
// ethos_id, calibrated}. The background is {subject, description, constraints,
// situation}.
//
// Errors: *JSONError for a text that StrictJSON refuses; blue.ErrInvalid for data
// that are not an object; blue.ErrRefused if the title or a background's subject
// is not a text, or calibrated is neither true nor false.
func ParseNewDialogue(data []byte) (blue.NewDialogue, []blue.Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return blue.NewDialogue{}, nil, err
	}
	o.only("title", "question", "output_dir", "background", "domain_id", "ethos_id", "calibrated")
	d := blue.NewDialogue{
		Title: o.required("title"), Question: o.text("question"), OutputDir: o.text("output_dir"),
		DomainID: o.text("domain_id"), EthosID: o.text("ethos_id"),
	}
	if b := o.object("background"); b.members != nil {
		b.only("subject", "description", "constraints", "situation")
		d.Background = &blue.Background{
			Subject: b.required("subject"), Description: b.optional("description"),
			Constraints: b.present("constraints"), Situation: b.optional("situation"),
		}
	}
	switch raw := o.raw("calibrated"); string(raw) {
	case "", "false":
	case "true":
		d.Calibrated = true
	default:
		in.complain("calibrated must be true or false")
	}
	return finishRequest(in, d, nil)
}

// ParseNewExpert reads the fields of Blue's expert-create: expert_slug, role,
// tier, source (created if absent), relevance, focus, creation_reason,
// first_round, description, color. It validates them.
//
// Errors: *JSONError for a text that StrictJSON refuses; blue.ErrInvalid for data
// that are not an object, a number beyond 64 bits or a slug that cannot be one;
// blue.ErrRefused if expert_slug, role or tier is not a text or a number has another type;
// *blue.ValidationError for an unknown tier or source (Blue stores Core and
// pool) or a first round out of range.
func ParseNewExpert(data []byte) (blue.NewExpert, []blue.Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return blue.NewExpert{}, nil, err
	}
	o.only("expert_slug", "role", "tier", "source", "relevance", "focus", "creation_reason", "first_round", "description", "color")
	e := blue.NewExpert{
		Slug: blue.ExpertSlug(o.required("expert_slug")), Role: o.required("role"), Tier: blue.Tier(o.required("tier")), Source: "created",
		Relevance: o.number("relevance"), Description: o.text("description"), Focus: o.text("focus"),
		CreationReason: o.text("creation_reason"), Color: o.text("color"),
	}
	if o.raw("source") != nil {
		e.Source = blue.ExpertSource(o.required("source"))
	}
	if o.raw("first_round") != nil {
		e.FirstRound = new(roundOf(o.integer("first_round")))
	}
	return finishRequest(in, e, e.Validate)
}

// ParseNewVerdict reads Blue's verdict-register object (SPEC §10) and
// validates it.
//
// Errors: *JSONError for a text that StrictJSON refuses; blue.ErrInvalid for data
// that are not an object or a verdict id that cannot be one; blue.ErrRefused if
// verdict_id, verdict_type, recommendation or description is not a text or round
// is not an integer; *blue.ValidationError for an unknown type (Blue stores
// interim, which skips the gate), a round out of range, or data that name
// another dialogue than id.
func ParseNewVerdict(id blue.DialogueID, data []byte) (blue.NewVerdict, []blue.Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return blue.NewVerdict{}, nil, err
	}
	o.only("dialogue_id", "verdict_id", "verdict_type", "round", "author_expert", "recommendation", "description", "conditions",
		"vote", "confidence", "tensions_resolved", "tensions_accepted", "recommendations_adopted", "key_evidence", "key_claims",
		"supporting_experts", "ethos_compliance", "force")
	force, _ := textOf(o.raw("force"))
	v := blue.NewVerdict{
		ID: blue.VerdictID(o.required("verdict_id")), Type: blue.VerdictType(o.required("verdict_type")), Round: roundOf(o.requiredInteger("round")),
		AuthorExpert: blue.ExpertSlug(o.text("author_expert")), Recommendation: o.required("recommendation"), Description: o.required("description"),
		Conditions: textMembers[string](o, "conditions"), Vote: o.text("vote"), Confidence: o.text("confidence"),
		TensionsResolved: textMembers[string](o, "tensions_resolved"), TensionsAccepted: textMembers[string](o, "tensions_accepted"),
		RecommendationsAdopted: textMembers[string](o, "recommendations_adopted"),
		KeyEvidence:            textMembers[string](o, "key_evidence"), KeyClaims: textMembers[string](o, "key_claims"),
		SupportingExperts: textMembers[blue.ExpertSlug](o, "supporting_experts"),
		Force:             force == "true" || string(o.raw("force")) == "true", // Blue takes the text as well
		EthosCompliance:   o.present("ethos_compliance"),
	}
	o.checkDialogue(id)
	return finishRequest(in, v, v.Validate)
}

// ParseRoundBatch reads Blue's round-register object (SPEC §7). The caller
// validates the batch (blue.RoundBatch.Validate). The warnings name what was
// ignored.
//
// Errors: *JSONError for a text that StrictJSON refuses; blue.ErrInvalid for data
// that are not an object or a number beyond 64 bits; blue.ErrRefused if the score
// or another number is not an integer; *blue.ValidationError if the data name
// another dialogue or round than the arguments (Blue lets the data win, bug 4).
func ParseRoundBatch(id blue.DialogueID, round blue.Round, data []byte) (blue.RoundBatch, []blue.Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return blue.RoundBatch{}, nil, err
	}
	parts := o.object("score_components")
	parts.only("wisdom", "consistency", "truth", "relationships")
	b := blue.RoundBatch{
		Round: round, Score: o.requiredInteger("score"), Title: o.text("title"), Summary: o.text("summary"),
		Wisdom: parts.integer("wisdom"), Consistency: parts.integer("consistency"),
		Truth: parts.integer("truth"), Relationships: parts.integer("relationships"),
		OpenTensions: o.integer("open_tensions"), NewPerspectives: o.integer("new_perspectives"),
		ConvergeSignals: o.integer("converge_signals"), PanelSize: o.integer("panel_size"),
		Drafts: map[blue.Kind][]blue.Draft{}, ExpertScores: expertScores(o), RawContent: rawContent(o),
	}
	if max(b.OpenTensions, b.NewPerspectives, b.ConvergeSignals, b.PanelSize) <= 0 { // Blue stores such metrics as absent
		b.OpenTensions, b.NewPerspectives, b.ConvergeSignals, b.PanelSize = 0, 0, 0, 0
	}
	known := []string{
		"dialogue_id", "round", "score", "title", "summary", "score_components", "open_tensions", "new_perspectives",
		"converge_signals", "panel_size", "expert_scores", "raw_content", "tension_updates", "moves",
	}
	for _, kind := range blue.NumberedKinds() {
		known = append(known, kind.Plural())
		for _, item := range o.objects(kind.Plural()) {
			b.Drafts[kind] = append(b.Drafts[kind], draftMember(kind, item))
		}
	}
	for _, u := range o.objects("tension_updates") {
		b.TensionUpdates = append(b.TensionUpdates, tensionUpdate(u))
	}
	for _, m := range o.objects("moves") {
		m.only("expert", "type", "targets", "context")
		b.Moves = append(b.Moves, blue.MoveDraft{
			Expert: blue.ExpertSlug(m.text("expert")), Type: m.text("type"), Targets: textMembers[string](m, "targets"), Context: m.text("context"),
		})
	}
	o.only(known...)
	o.checkDialogue(id)
	if n, ok := integerOf(o.raw("round")); o.raw("round") != nil && (!ok || n != int64(round)) {
		in.refuse("round", "invalid_round", fmt.Sprintf("The data name another round than the request's %d", round))
	}
	return finishRequest(in, b, nil)
}

func draftMember(kind blue.Kind, o object) blue.Draft {
	known := []string{"local_id", "label", kind.TextField(), "contributors", "references"}
	d := blue.Draft{LocalID: o.text("local_id"), Label: o.text("label"), Text: o.text(kind.TextField()), Contributors: textMembers[blue.ExpertSlug](o, "contributors")}
	for _, r := range o.objects("references") {
		r.only("type", "target")
		d.References = append(d.References, blue.RefDraft{Type: r.text("type"), Target: r.text("target")})
	}
	if kind == blue.KindRecommendation {
		known = append(known, "parameters")
		d.Parameters = o.anyJSON("parameters")
	}
	o.only(known...)
	return d
}

// tensionUpdate reads one update. An absent status means open (Blue). The
// member by is one text or a list.
func tensionUpdate(o object) blue.TensionUpdate {
	o.only("id", "status", "by", "via")
	u := blue.TensionUpdate{ID: o.text("id"), Status: blue.Status(o.text("status")), Via: o.text("via")}
	if o.raw("status") == nil {
		u.Status = blue.StatusOpen
	}
	if by, ok := textOf(o.raw("by")); ok {
		u.By = []blue.ExpertSlug{blue.ExpertSlug(by)}
	} else {
		u.By = textMembers[blue.ExpertSlug](o, "by")
	}
	return u
}

// expertScores reads {slug: integer}. Other values leave a warning; Blue drops
// them without one. A whole number beyond 64 bits makes the text unusable.
func expertScores(o object) map[blue.ExpertSlug]int64 {
	return bySlug(o, "expert_scores", "an integer", func(path string, raw json.RawMessage) (int64, bool) {
		n, ok := integerOf(raw)
		if !ok && strings.Trim(strings.TrimPrefix(string(raw), "-"), "0123456789") == "" {
			o.in.complainNumber(path+" must be an integer of 64 bits", raw)
			return 0, true
		}
		return n, ok
	})
}

// rawContent reads {slug: text}. Other values leave a warning.
func rawContent(o object) map[blue.ExpertSlug]string {
	return bySlug(o, "raw_content", "a text", func(_ string, raw json.RawMessage) (string, bool) { return textOf(raw) })
}

// bySlug reads an object by slug, nil if absent. A value that read does not
// accept leaves a warning.
func bySlug[V any](o object, key, due string, read func(path string, raw json.RawMessage) (V, bool)) map[blue.ExpertSlug]V {
	child := o.object(key)
	if child.members == nil {
		return nil
	}
	values := make(map[blue.ExpertSlug]V, len(child.members))
	for _, slug := range slices.Sorted(maps.Keys(child.members)) {
		if v, ok := read(child.path+bounded.Text(slug), child.members[slug]); ok {
			values[blue.ExpertSlug(slug)] = v
		} else {
			child.ignore(slug, due)
		}
	}
	return values
}

// roundOf keeps an invalid round invalid where an int has 32 bits.
func roundOf(n int64) blue.Round { return blue.Round(min(max(n, math.MinInt32), math.MaxInt32)) }

// finishRequest returns the request, or the first of the errors: what makes the
// text unusable, what the reader refuses, what validate returns.
func finishRequest[T any](in *reader, request T, validate func() error) (T, []blue.Warning, error) {
	err := in.err()
	if err == nil && validate != nil {
		err = validate()
	}
	if err != nil {
		var none T
		return none, in.warnings, err
	}
	return request, in.warnings, nil
}
