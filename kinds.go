package blue

import (
	"cmp"
	"slices"
)

// A Kind names an entity kind. RFC 0058, "Entity Mapping", lists 14 kinds. Each
// numbered kind also has a kind of its own for its events: see EventKind.
type Kind string

// The kinds with a rule, a storage key or an answer of their own.
const (
	KindDialogue       Kind = "dialogue"       // the dialogue itself
	KindExpert         Kind = "expert"         // a member of the panel
	KindRound          Kind = "round"          // the metadata of one round
	KindVerdict        Kind = "verdict"        // a decision of the panel or of a part of it
	KindMove           Kind = "move"           // a dialogue move of one expert
	KindPerspective    Kind = "perspective"    // numbered, letter P
	KindTension        Kind = "tension"        // numbered, letter T
	KindRecommendation Kind = "recommendation" // numbered, letter R
	KindEvidence       Kind = "evidence"       // numbered, letter E
	KindClaim          Kind = "claim"          // numbered, letter C
)

// A Status is a state of a dialogue, a round or a numbered entity. The list of
// each kind is closed (Kind.Statuses): a store refuses any other text, where
// Blue replaces it by a default (SPEC §13, bug 18).
type Status string

// The statuses that a rule names.
const (
	StatusOpen      Status = "open"      // a dialogue, round, perspective or tension at its beginning
	StatusConverged Status = "converged" // a dialogue with a final verdict
	StatusResolved  Status = "resolved"  // a tension that counts as settled
)

// kindRow is one row of the table of kinds.
type kindRow struct {
	kind     Kind
	plural   string   // the list's name in batches, exports, counts and views
	statuses []Status // the closed list, the initial one first; nil: no status

	// The columns below are set for numbered kinds alone.
	letter byte                // of display ids
	rank   int                 // place in Blue's lists of letters: P, R, T, E, C
	word   string              // in messages
	text   string              // the name of the text in batches and exports
	shape  string              // of a node in a Graphviz drawing
	moves  map[Status][]Status // the lifecycle: where each status can lead (SPEC §5)
	fresh  func() Contributed
}

// kinds is the table of kinds, numbered ones in batch order (SPEC §7). The
// snapshot, the codec, the views, messages, counts and the importer derive from
// it: a new numbered kind is a row here and a type in entity.go.
var kinds = []kindRow{
	{kind: KindDialogue, plural: "dialogues", statuses: []Status{StatusOpen, "converging", StatusConverged, "abandoned"}},
	{kind: KindExpert, plural: "experts"},
	{kind: KindRound, plural: "rounds", statuses: []Status{StatusOpen, "in_progress", "completed"}},
	{kind: KindVerdict, plural: "verdicts"},
	{
		kind: KindPerspective, plural: "perspectives", statuses: []Status{StatusOpen, "refined", "conceded", "merged"},
		letter: 'P', rank: 1, word: "Perspective", text: "content", shape: "ellipse",
		moves: map[Status][]Status{StatusOpen: {"refined", "conceded", "merged"}},
		fresh: func() Contributed { return new(Perspective) },
	},
	{
		kind: KindTension, plural: "tensions", statuses: []Status{StatusOpen, "addressed", StatusResolved, "reopened"},
		letter: 'T', rank: 3, word: "Tension", text: "description", shape: "diamond",
		moves: map[Status][]Status{
			StatusOpen: {"addressed"}, "addressed": {StatusResolved}, StatusResolved: {"reopened"}, "reopened": {"addressed", StatusResolved},
		},
		fresh: func() Contributed { return new(Tension) },
	},
	{
		kind: KindRecommendation, plural: "recommendations", statuses: []Status{"proposed", "amended", "adopted", "rejected"},
		letter: 'R', rank: 2, word: "Recommendation", text: "content", shape: "box",
		moves: map[Status][]Status{"proposed": {"amended", "adopted", "rejected"}, "amended": {"adopted", "rejected"}},
		fresh: func() Contributed { return new(Recommendation) },
	},
	{
		kind: KindEvidence, plural: "evidence", statuses: []Status{"cited", "challenged", "confirmed", "refuted"},
		letter: 'E', rank: 4, word: "Evidence", text: "content", shape: "note",
		moves: map[Status][]Status{"cited": {"challenged"}, "challenged": {"confirmed", "refuted"}},
		fresh: func() Contributed { return new(Evidence) },
	},
	{
		kind: KindClaim, plural: "claims", statuses: []Status{"asserted", "supported", "opposed", "adopted", "withdrawn"},
		letter: 'C', rank: 5, word: "Claim", text: "content", shape: "hexagon",
		moves: map[Status][]Status{"asserted": {"supported", "opposed"}, "supported": {"adopted", "withdrawn"}, "opposed": {"adopted", "withdrawn"}},
		fresh: func() Contributed { return new(Claim) },
	},
	{kind: KindMove, plural: "moves"},
}

// place returns the index of the kind's row, or -1.
func (k Kind) place() int {
	return slices.IndexFunc(kinds, func(r kindRow) bool { return r.kind == k })
}

// row returns the kind's row, empty for an unknown kind or a kind of events.
func (k Kind) row() *kindRow {
	if i := k.place(); i >= 0 {
		return &kinds[i]
	}
	return &kindRow{}
}

// NumberedKinds returns the kinds with display ids, in batch order:
// perspective, tension, recommendation, evidence, claim.
func NumberedKinds() []Kind {
	var numbered []Kind
	for _, r := range kinds {
		if r.letter != 0 {
			numbered = append(numbered, r.kind)
		}
	}
	return numbered
}

// kindOfLetter returns the numbered kind of a display letter, or "".
func kindOfLetter(letter byte) Kind {
	for _, r := range kinds {
		if r.letter == letter && letter != 0 {
			return r.kind
		}
	}
	return ""
}

// Letter returns the display letter of a numbered kind: P, T, R, E, C. It is 0
// for any other kind.
func (k Kind) Letter() byte { return k.row().letter }

// Word returns the name of a numbered kind in messages, as "Tension".
func (k Kind) Word() string { return k.row().word }

// Plural returns the name of the kind's list in batches, exports, counts and
// views. For an unknown kind and a kind of events it is the kind and an "s".
func (k Kind) Plural() string {
	if plural := k.row().plural; plural != "" {
		return plural
	}
	return string(k) + "s"
}

// TextField returns the name of the text of a numbered kind in batches and
// exports: "description" for a tension, "content" for the others.
func (k Kind) TextField() string { return k.row().text }

// Shape returns the shape of a numbered kind's node in a Graphviz drawing.
func (k Kind) Shape() string { return k.row().shape }

// EventKind returns the kind of the events of a numbered kind, as
// "tension_event".
func (k Kind) EventKind() Kind { return k + "_event" }

// New returns an entity of a numbered kind that holds its kind alone, or nil for any
// other kind.
func (k Kind) New() Contributed {
	fresh := k.row().fresh
	if fresh == nil {
		return nil
	}
	e := fresh()
	e.Common().ID.Kind = k
	return e
}

// Statuses returns the closed list of the statuses of a dialogue, a round or a
// numbered kind. An entity begins with the first.
func (k Kind) Statuses() []Status { return slices.Clone(k.row().statuses) }

// InitialStatus returns the status with which an entity of the kind begins, or
// "" for a kind without statuses.
func (k Kind) InitialStatus() Status {
	if s := k.row().statuses; len(s) > 0 {
		return s[0]
	}
	return ""
}

// HasStatus reports whether the text is a status of the kind.
func (k Kind) HasStatus(s Status) bool { return slices.Contains(k.row().statuses, s) }

// CanChange reports whether the lifecycle of a numbered kind leads from one
// status to the other in one step.
func (k Kind) CanChange(from, to Status) bool { return slices.Contains(k.row().moves[from], to) }

// Compare orders display ids: kinds in batch order, then round, then seq. The
// result is negative, zero or positive.
func (id EntityID) Compare(other EntityID) int {
	return cmp.Or(cmp.Compare(id.Kind.place(), other.Kind.place()), cmp.Compare(id.Round, other.Round), cmp.Compare(id.Seq, other.Seq))
}

// rankedKinds returns the numbered kinds in the order of Blue's lists of
// letters.
func rankedKinds() []kindRow {
	ranked := slices.DeleteFunc(slices.Clone(kinds), func(r kindRow) bool { return r.letter == 0 })
	slices.SortStableFunc(ranked, func(a, b kindRow) int { return cmp.Compare(a.rank, b.rank) })
	return ranked
}

// kindLetters returns the display letters in the order of Blue's lists.
func kindLetters() []string {
	var list []string
	for _, r := range rankedKinds() {
		list = append(list, string(r.letter))
	}
	return list
}

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
