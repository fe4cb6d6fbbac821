package blue

import "slices"

// A status is closed: a store refuses a text outside its list, where Blue
// turns it into a default (SPEC §13, bug 18). The first of each list is where
// an entity begins.
type (
	DialogueStatus       string
	RoundStatus          string
	PerspectiveStatus    string
	TensionStatus        string
	RecommendationStatus string
	EvidenceStatus       string
	ClaimStatus          string
	VerdictType          string
	MoveType             string
	Tier                 string
	ExpertSource         string
	RefType              string
)

const (
	DialogueOpen       DialogueStatus = "open"
	DialogueConverging DialogueStatus = "converging"
	DialogueConverged  DialogueStatus = "converged"
	DialogueAbandoned  DialogueStatus = "abandoned"

	RoundOpen       RoundStatus = "open"
	RoundInProgress RoundStatus = "in_progress"
	RoundCompleted  RoundStatus = "completed"

	TensionOpen      TensionStatus = "open"
	TensionAddressed TensionStatus = "addressed"
	TensionResolved  TensionStatus = "resolved"
	TensionReopened  TensionStatus = "reopened"

	RecommendationAdopted RecommendationStatus = "adopted"

	VerdictInterim  VerdictType = "interim"
	VerdictFinal    VerdictType = "final"
	VerdictMinority VerdictType = "minority"
	VerdictDissent  VerdictType = "dissent"

	SourcePool     ExpertSource = "pool"
	SourceCreated  ExpertSource = "created"
	SourceRetained ExpertSource = "retained"

	RefSupport  RefType = "support"
	RefOppose   RefType = "oppose"
	RefRefine   RefType = "refine"
	RefAddress  RefType = "address"
	RefResolve  RefType = "resolve"
	RefReopen   RefType = "reopen"
	RefQuestion RefType = "question"
	RefDepend   RefType = "depend"
)

// lifecycles holds, per numbered kind, the statuses in order (the first is
// initial) and the moves between them (SPEC §5, DESIGN).
var lifecycles = map[Kind]struct {
	statuses []string
	moves    map[string][]string
}{
	KindPerspective: {
		[]string{"open", "refined", "conceded", "merged"},
		map[string][]string{"open": {"refined", "conceded", "merged"}},
	},
	KindTension: {
		[]string{"open", "addressed", "resolved", "reopened"},
		map[string][]string{"open": {"addressed"}, "addressed": {"resolved"}, "resolved": {"reopened"}, "reopened": {"addressed", "resolved"}},
	},
	KindRecommendation: {
		[]string{"proposed", "amended", "adopted", "rejected"},
		map[string][]string{"proposed": {"amended", "adopted", "rejected"}, "amended": {"adopted", "rejected"}},
	},
	KindEvidence: {
		[]string{"cited", "challenged", "confirmed", "refuted"},
		map[string][]string{"cited": {"challenged"}, "challenged": {"confirmed", "refuted"}},
	},
	KindClaim: {
		[]string{"asserted", "supported", "opposed", "adopted", "withdrawn"},
		map[string][]string{"asserted": {"supported", "opposed"}, "supported": {"adopted", "withdrawn"}, "opposed": {"adopted", "withdrawn"}},
	},
}

// Statuses returns the closed list of a numbered kind; the first is initial.
func Statuses(k Kind) []string { return slices.Clone(lifecycles[k].statuses) }

// InitialStatus returns where an entity of a numbered kind begins.
func InitialStatus(k Kind) string {
	if s := lifecycles[k].statuses; len(s) > 0 {
		return s[0]
	}
	return ""
}

// ValidStatus reports whether the text is a status of the numbered kind.
func ValidStatus(k Kind, status string) bool {
	return slices.Contains(lifecycles[k].statuses, status)
}

// MayTransition reports whether the lifecycle of the kind leads from one
// status to the other in one step.
func MayTransition(k Kind, from, to string) bool {
	return slices.Contains(lifecycles[k].moves[from], to)
}

// The closed lists without a lifecycle.
var (
	dialogueStatuses = []DialogueStatus{DialogueOpen, DialogueConverging, DialogueConverged, DialogueAbandoned}
	roundStatuses    = []RoundStatus{RoundOpen, RoundInProgress, RoundCompleted}
	verdictTypes     = []VerdictType{VerdictInterim, VerdictFinal, VerdictMinority, VerdictDissent}
	moveTypes        = []MoveType{"defend", "challenge", "bridge", "request", "concede", "converge"}
	tiers            = []Tier{"Core", "Adjacent", "Wildcard"}
	expertSources    = []ExpertSource{SourcePool, SourceCreated, SourceRetained}
	refTypes         = []RefType{RefSupport, RefOppose, RefRefine, RefAddress, RefResolve, RefReopen, RefQuestion, RefDepend}
)

func (s DialogueStatus) Valid() bool { return slices.Contains(dialogueStatuses, s) }
func (s RoundStatus) Valid() bool    { return slices.Contains(roundStatuses, s) }
func (t VerdictType) Valid() bool    { return slices.Contains(verdictTypes, t) }
func (t MoveType) Valid() bool       { return slices.Contains(moveTypes, t) }
func (t Tier) Valid() bool           { return slices.Contains(tiers, t) }
func (s ExpertSource) Valid() bool   { return slices.Contains(expertSources, s) }
func (t RefType) Valid() bool        { return slices.Contains(refTypes, t) }

// DialogueStatuses returns the closed list, in order.
func DialogueStatuses() []DialogueStatus { return slices.Clone(dialogueStatuses) }

// RefTypes returns the closed list, in the order of Blue's messages.
func RefTypes() []RefType { return slices.Clone(refTypes) }
