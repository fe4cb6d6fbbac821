package blue

import "slices"

// The closed vocabularies without a lifecycle.
type (
	// A VerdictType is the kind of a verdict: interim, final, minority or dissent.
	VerdictType string
	// A MoveType is the kind of a dialogue move: defend, challenge, bridge,
	// request, concede or converge.
	MoveType string
	// A Tier is an expert's distance from the subject: Core, Adjacent or Wildcard.
	Tier string
	// An ExpertSource is where an expert comes from: pool, created or retained.
	ExpertSource string
	// A RefType is the kind of a reference: support, oppose, refine, address,
	// resolve, reopen, question or depend (Blue, SPEC §6).
	RefType string
)

// VerdictFinal is the type of the verdict that the convergence gate guards.
const VerdictFinal VerdictType = "final"

var (
	verdictTypes  = []VerdictType{"interim", VerdictFinal, "minority", "dissent"}
	moveTypes     = []MoveType{"defend", "challenge", "bridge", "request", "concede", "converge"}
	tiers         = []Tier{"Core", "Adjacent", "Wildcard"}
	expertSources = []ExpertSource{"pool", "created", "retained"}
	refTypes      = []RefType{"support", "oppose", "refine", "address", "resolve", "reopen", "question", "depend"}
)

// Valid reports whether the type is in the closed list.
func (t VerdictType) Valid() bool { return slices.Contains(verdictTypes, t) }

// Valid reports whether the type is in the closed list.
func (t MoveType) Valid() bool { return slices.Contains(moveTypes, t) }

// Valid reports whether the tier is in the closed list.
func (t Tier) Valid() bool { return slices.Contains(tiers, t) }

// Valid reports whether the source is in the closed list.
func (s ExpertSource) Valid() bool { return slices.Contains(expertSources, s) }

// Valid reports whether the type is in the closed list.
func (t RefType) Valid() bool { return slices.Contains(refTypes, t) }

// RefTypes returns the closed list, in the order of Blue's messages.
func RefTypes() []RefType { return slices.Clone(refTypes) }
