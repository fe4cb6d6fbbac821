package blue

// Kind names an entity kind of RFC 0058, "Entity Mapping". Fourteen come from
// the RFC's tables; evidence and claim events are ours, since those statuses
// change too.
type Kind string

const (
	KindDialogue            Kind = "dialogue"
	KindExpert              Kind = "expert"
	KindRound               Kind = "round"
	KindVerdict             Kind = "verdict"
	KindPerspective         Kind = "perspective"
	KindTension             Kind = "tension"
	KindRecommendation      Kind = "recommendation"
	KindEvidence            Kind = "evidence"
	KindClaim               Kind = "claim"
	KindMove                Kind = "move"
	KindRef                 Kind = "ref"
	KindPerspectiveEvent    Kind = "perspective_event"
	KindTensionEvent        Kind = "tension_event"
	KindRecommendationEvent Kind = "recommendation_event"
	KindEvidenceEvent       Kind = "evidence_event"
	KindClaimEvent          Kind = "claim_event"
)

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
