package blue

import (
	"math"
	"strconv"
)

// ParseNewExpert reads the fields of Blue's expert-create: expert_slug, role,
// tier, source (absent: created), relevance, focus, creation_reason,
// first_round, description, color; and validates them.
//
// Errors: a *JSONError; ErrInvalid when expert_slug, role or tier is absent
// or a value is unreadable; a *ValidationError for an unknown tier or source
// (Blue takes them for Core and pool) or a first round out of range.
func ParseNewExpert(data []byte) (NewExpert, []Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return NewExpert{}, nil, err
	}
	o.only("expert_slug", "role", "tier", "source", "relevance", "focus", "creation_reason", "first_round", "description", "color")
	e := NewExpert{
		Slug: ExpertSlug(o.required("expert_slug")), Role: o.required("role"), Tier: Tier(o.required("tier")), Source: "created",
		Relevance: o.number("relevance"), Description: o.text("description"), Focus: o.text("focus"),
		CreationReason: o.text("creation_reason"), Color: o.text("color"),
	}
	if o.raw("source") != nil {
		e.Source = ExpertSource(o.required("source"))
	}
	if o.raw("first_round") != nil {
		round := roundOf(o.integer("first_round"))
		e.FirstRound = &round
	}
	if err := in.err(); err != nil {
		return NewExpert{}, in.warnings, err
	}
	if err := e.Validate(); err != nil {
		return NewExpert{}, in.warnings, err
	}
	return e, in.warnings, nil
}

// number returns a number, nil if absent. Anything else, and what is too
// large for 64 bits, makes the text unusable.
func (o jsonObject) number(key string) *float64 {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(f, 0) {
		o.in.complainNumber(o.path+key+" must be a number of 64 bits", raw)
	}
	return &f
}
