package blue

import (
	"encoding/json"
	"time"
)

// Step marks a request as one operation of an imported source. The store
// remembers it on the dialogue in the same commit (Dialogue.Imports), so an
// import that is run again takes each operation once.
type Step struct {
	Source string // SHA-256 of the source, 64 hex digits
	Op     int    // index in the source, from 0
}

// NewDialogue is what Create stores.
type NewDialogue struct {
	Title      string
	Question   string
	OutputDir  string
	Background *Background
	DomainID   string
	EthosID    string
	Calibrated bool
	Step       *Step
}

// NewExpert is what RegisterExpert stores.
type NewExpert struct {
	Slug           ExpertSlug
	Role           string
	Tier           Tier
	Source         ExpertSource
	Relevance      *float64
	Description    string
	Focus          string
	CreationReason string
	Color          string
	FirstRound     *Round
	Step           *Step
}

// Draft is one entity of a batch, before it has a number. References may name
// display ids, or local ids of the same batch.
type Draft struct {
	LocalID      string          `json:"local_id,omitempty"`
	Label        string          `json:"label"`
	Text         string          `json:"text"` // content; a tension's description
	Contributors []ExpertSlug    `json:"contributors,omitempty"`
	References   []RefDraft      `json:"references,omitempty"`
	Parameters   json.RawMessage `json:"parameters,omitempty"` // recommendations only
}

// RefDraft is a reference as the caller wrote it.
type RefDraft struct {
	Type   string `json:"type"`
	Target string `json:"target"`
}

// TensionUpdate moves a tension to a status, by whom and via what. Unlike
// Transition it may go anywhere and may repeat, as experts do: several may
// resolve one tension in one round, and each leaves an event.
type TensionUpdate struct {
	ID     string       `json:"id"`
	Status Status       `json:"status"`
	By     []ExpertSlug `json:"by,omitempty"`
	Via    string       `json:"via,omitempty"`
}

// MoveDraft is one dialogue move of a batch.
type MoveDraft struct {
	Expert  ExpertSlug `json:"expert"`
	Type    string     `json:"type"`
	Targets []string   `json:"targets"`
	Context string     `json:"context,omitempty"`
}

// RoundBatch is a whole round. It is made by ParseRoundBatch from Blue's JSON
// or by hand, and is never modified by a store. Its JSON form is the canonical
// text whose SHA-256 makes a repeat recognisable.
type RoundBatch struct {
	Round           Round                 `json:"round"`
	Score           int64                 `json:"score"`
	Wisdom          int64                 `json:"wisdom"`
	Consistency     int64                 `json:"consistency"`
	Truth           int64                 `json:"truth"`
	Relationships   int64                 `json:"relationships"`
	OpenTensions    int64                 `json:"open_tensions"`
	NewPerspectives int64                 `json:"new_perspectives"`
	ConvergeSignals int64                 `json:"converge_signals"`
	PanelSize       int64                 `json:"panel_size"`
	Title           string                `json:"title,omitempty"`
	Summary         string                `json:"summary,omitempty"`
	Drafts          map[Kind][]Draft      `json:"drafts"` // by numbered kind, in batch order
	TensionUpdates  []TensionUpdate       `json:"tension_updates,omitempty"`
	ExpertScores    map[ExpertSlug]int64  `json:"expert_scores,omitempty"`
	RawContent      map[ExpertSlug]string `json:"raw_content,omitempty"` // what each expert wrote
	Moves           []MoveDraft           `json:"moves,omitempty"`
	Step            *Step                 `json:"-"`
}

// Registered answers RegisterRound.
type Registered struct {
	Round      Round
	Score      int64
	Entities   map[Kind][]Numbered  // by numbered kind, in batch order
	Scores     map[ExpertSlug]int64 // stored ones, by the slug as registered
	References int                  // stored ones; a repeat inside one source counts once
	Moves      int
	Warnings   []Warning
	Repeated   bool // the same batch was there already; nothing was written
}

// Numbered pairs a given display id with the caller's own.
type Numbered struct {
	ID      EntityID
	LocalID string
}

// Warning says what was accepted but deserves a look. Type is one of
// missing_score, unresolved_tension, orphaned_perspective,
// verdict_incomplete (Blue's export), unknown_expert, unknown_field,
// verdict_claim (ours).
type Warning struct {
	Type    string     `json:"type"`
	Expert  ExpertSlug `json:"expert,omitempty"`
	Round   *Round     `json:"round,omitempty"`
	Message string     `json:"message"`
}

// Signal says that an expert signals convergence in a round.
type Signal struct {
	Round  Round
	Expert ExpertSlug
	At     time.Time // set by the store
	Step   *Step
}

// NewVerdict is what RegisterVerdict takes. TensionsResolved and
// KeyEvidence and KeyClaims are the author's claims; they are compared with
// what the graph says and not stored. RecommendationsAdopted becomes
// adopted_in_verdict on each recommendation (RFC 0058, Amendment 2).
type NewVerdict struct {
	ID                     VerdictID
	Type                   VerdictType
	Round                  Round
	AuthorExpert           ExpertSlug
	Recommendation         string
	Description            string
	Conditions             []string
	Vote                   string
	Confidence             string
	TensionsResolved       []string
	TensionsAccepted       []string
	RecommendationsAdopted []string
	KeyEvidence            []string
	KeyClaims              []string
	SupportingExperts      []ExpertSlug
	EthosCompliance        json.RawMessage
	Force                  bool
	Step                   *Step
}

// Decided answers RegisterVerdict.
type Decided struct {
	Verdict  Verdict
	Forced   bool     // the gate said no and the caller insisted
	Blockers []string // what the gate said, when forced
	Warnings []Warning
	Repeated bool
}

// Transition moves one entity along its lifecycle.
type Transition struct {
	ID        EntityID
	To        Status
	Round     Round // the round in which it happens
	By        []ExpertSlug
	Reason    string
	Reference string
	ResultID  string
}

// Amendment changes the dialogue itself. Nil means as it is.
type Amendment struct {
	Status     *Status
	Calibrated *bool
	DomainID   *string
	EthosID    *string
	Background *Background
	// Refused records that the operation Step of an import was refused.
	Refused *ImportRefusal
	Step    *Step
}
