package blue

// numbered is the closed list of kinds that carry display ids, in the order
// in which a round registers them (Blue, SPEC §7).
var numbered = []struct {
	kind   Kind
	letter byte
	word   string // as in messages: "T (Tension)"
	plural string // as in batches and exports
}{
	{KindPerspective, 'P', "Perspective", "perspectives"},
	{KindTension, 'T', "Tension", "tensions"},
	{KindRecommendation, 'R', "Recommendation", "recommendations"},
	{KindEvidence, 'E', "Evidence", "evidence"},
	{KindClaim, 'C', "Claim", "claims"},
}

// NumberedKinds returns the five kinds with display ids, in batch order:
// perspective, tension, recommendation, evidence, claim.
func NumberedKinds() []Kind {
	kinds := make([]Kind, len(numbered))
	for i, n := range numbered {
		kinds[i] = n.kind
	}
	return kinds
}

// Letter returns the display letter of a numbered kind (P, T, R, E, C), or 0.
func (k Kind) Letter() byte {
	for _, n := range numbered {
		if n.kind == k {
			return n.letter
		}
	}
	return 0
}

// Plural returns the name of a numbered kind's list in batches and exports.
func (k Kind) Plural() string {
	for _, n := range numbered {
		if n.kind == k {
			return n.plural
		}
	}
	return string(k) + "s"
}

// kindOfLetter returns the numbered kind of a display letter, or "".
func kindOfLetter(letter byte) Kind {
	for _, n := range numbered {
		if n.letter == letter {
			return n.kind
		}
	}
	return ""
}

// EventKind returns the kind of the events of a numbered kind.
func (k Kind) EventKind() Kind { return k + "_event" }
