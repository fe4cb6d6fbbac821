package blue

import "encoding/json"

// ParseNewVerdict reads Blue's verdict-register object (SPEC §10) and
// validates it.
//
// Errors: a *JSONError; ErrInvalid when verdict_id, verdict_type, round,
// recommendation or description is absent or unreadable; a *ValidationError
// for an unknown type (Blue takes it for interim, which skips the gate), a
// round out of range, or data that name another dialogue.
func ParseNewVerdict(id DialogueID, data []byte) (NewVerdict, []Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return NewVerdict{}, nil, err
	}
	o.only("dialogue_id", "verdict_id", "verdict_type", "round", "author_expert", "recommendation", "description", "conditions",
		"vote", "confidence", "tensions_resolved", "tensions_accepted", "recommendations_adopted", "key_evidence", "key_claims",
		"supporting_experts", "ethos_compliance", "force")
	v := NewVerdict{
		ID: VerdictID(o.required("verdict_id")), Type: VerdictType(o.required("verdict_type")), Round: roundOf(o.requiredInteger("round")),
		AuthorExpert: ExpertSlug(o.text("author_expert")), Recommendation: o.required("recommendation"), Description: o.required("description"),
		Conditions: o.texts("conditions"), Vote: o.text("vote"), Confidence: o.text("confidence"),
		TensionsResolved: o.texts("tensions_resolved"), TensionsAccepted: o.texts("tensions_accepted"),
		RecommendationsAdopted: o.texts("recommendations_adopted"),
		KeyEvidence:            o.texts("key_evidence"), KeyClaims: o.texts("key_claims"),
		SupportingExperts: o.slugs("supporting_experts"), Force: forced(o.raw("force")),
		EthosCompliance: o.present("ethos_compliance"),
	}
	if err := in.err(); err != nil {
		return NewVerdict{}, in.warnings, err
	}
	if err := refusal(o.belongsTo(id)...); err != nil {
		return NewVerdict{}, in.warnings, err
	}
	if err := v.Validate(); err != nil {
		return NewVerdict{}, in.warnings, err
	}
	return v, in.warnings, nil
}

// forced is true for true and "true" alone (Blue).
func forced(raw json.RawMessage) bool {
	text, _ := textOf(raw)
	return string(raw) == "true" || text == "true"
}
