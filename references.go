package blue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/bounded"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

// A Step marks a request as one operation of an imported source. The store
// records it on the dialogue in the same commit (Dialogue.Imports), so a
// repeated import takes each operation once.
type Step struct {
	Source string // SHA-256 of the source, 64 hex digits
	Op     int    // index in the source, from 0
}

// A NewDialogue is a request of Create.
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

// A NewExpert is a request of RegisterExpert.
type NewExpert struct {
	Slug           ExpertSlug
	Role           string
	Tier           Tier
	Source         ExpertSource
	Relevance      *float64 // finite
	Description    string
	Focus          string
	CreationReason string
	Color          string
	FirstRound     *Round
	Step           *Step
}

// A Draft is one entity of a batch, before it has a number. Its references can
// name display ids, or local ids of the same batch.
type Draft struct {
	LocalID      string          `json:"local_id,omitempty"`
	Label        string          `json:"label"`
	Text         string          `json:"text"` // content; a tension's description
	Contributors []ExpertSlug    `json:"contributors,omitempty"`
	References   []RefDraft      `json:"references,omitempty"`
	Parameters   json.RawMessage `json:"parameters,omitempty"` // of recommendations only
}

// A RefDraft is a reference as the caller wrote it.
type RefDraft struct {
	Type   string `json:"type"`
	Target string `json:"target"`
}

// A TensionUpdate changes the status of a tension. It names the experts and the
// entity that caused the change. Unlike Transition it can lead to any status
// and repeat the present one: several experts can resolve one tension in one
// round, and each leaves an event.
type TensionUpdate struct {
	ID     string       `json:"id"`
	Status Status       `json:"status"`
	By     []ExpertSlug `json:"by,omitempty"`
	Via    string       `json:"via,omitempty"`
}

// A MoveDraft is one dialogue move of a batch.
type MoveDraft struct {
	Expert  ExpertSlug `json:"expert"`
	Type    string     `json:"type"`
	Targets []string   `json:"targets"`
	Context string     `json:"context,omitempty"`
}

// A RoundBatch is a request of RegisterRound: a whole round. wire.ParseRoundBatch
// makes it from Blue's JSON. A store never modifies it. The SHA-256 of its JSON
// form is stored with the round, so that the store recognises a repeat.
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

// A Registered is the answer of RegisterRound.
type Registered struct {
	Round      Round
	Score      int64
	Entities   map[Kind][]Numbered  // by numbered kind, in batch order
	Scores     map[ExpertSlug]int64 // stored ones, by the slug as registered
	References int                  // stored ones; a repeat inside one source counts once
	Moves      int
	Warnings   []Warning
	Repeated   bool // the same batch was stored before; nothing was written
}

// A Numbered pairs the display id of an entity with the caller's own id.
type Numbered struct {
	ID      EntityID
	LocalID string
}

// A Warning reports accepted data that deserve a look. Type is one of
// Blue's missing_score, unresolved_tension, orphaned_perspective and
// verdict_incomplete, or of this project's unknown_expert, unknown_field and
// verdict_claim.
type Warning struct {
	Type    string     `json:"type"`
	Expert  ExpertSlug `json:"expert,omitempty"`
	Round   *Round     `json:"round,omitempty"`
	Message string     `json:"message"`
}

// A Signal is a request of RecordSignal, and its answer: an expert signals
// convergence in a round.
type Signal struct {
	Round  Round
	Expert ExpertSlug
	At     time.Time // set by the store
	Step   *Step
}

// A NewVerdict is a request of RegisterVerdict. TensionsResolved, KeyEvidence
// and KeyClaims are claims of the author. They are not stored, but compared
// with the graph (view.CheckClaims). RecommendationsAdopted becomes
// adopted_in_verdict of each recommendation (RFC 0058, Amendment 2).
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

// A Decided is the answer of RegisterVerdict.
type Decided struct {
	Verdict  Verdict
	Forced   bool     // the gate refused and the caller insisted
	Blockers []string // of the gate, when forced
	Warnings []Warning
	Repeated bool // the same verdict was stored before; nothing was written
}

// A Transition is a request to change the status of one numbered entity along
// its lifecycle.
type Transition struct {
	ID        EntityID
	To        Status
	Round     Round // the round in which it happens
	By        []ExpertSlug
	Reason    string
	Reference string
	ResultID  string
}

// An Amendment is a request to change the dialogue itself. A nil field is not
// changed.
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

// Check returns nil if an entity of the source kind can refer to an entity of
// the target kind in this way (Blue, SPEC §6). The rules are:
//
//	support, oppose, question, depend   any → any
//	refine                              any → the same kind
//	address, resolve, reopen            any → tension
//
// The target need not exist, and an entity can refer to itself.
func (t RefType) Check(source, target Kind) *FieldError {
	switch {
	case !t.Valid():
		return invalidRefType(string(t))
	case slices.Contains([]RefType{"address", "resolve", "reopen"}, t) && target != KindTension:
		return tensionRequired(t, target)
	case t == "refine" && source != target:
		return fieldError(codeInvalidRefTarget,
			fmt.Sprintf("Reference type 'refine' requires same entity types. Source: %c, Target: %c", source.Letter(), target.Letter()),
			"Use matching entity types for refine references (P→P, R→R, etc.)")
	}
	return nil
}

func invalidRefType(t string) *FieldError {
	e := fieldError(codeInvalidRefType, fmt.Sprintf("Invalid reference type '%s'. Must be one of: %s", bounded.Text(t), display.Join(refTypes, ", ")),
		"Use a valid reference type")
	e.Context = map[string][]RefType{"valid_types": RefTypes()}
	return e
}

func tensionRequired(t RefType, target Kind) *FieldError {
	required := fmt.Sprintf("%c (%s)", KindTension.Letter(), KindTension.Word())
	e := fieldError(codeInvalidRefTarget,
		fmt.Sprintf("Reference type '%s' cannot target entity type '%c'. Expected: %s", t, target.Letter(), required),
		"Use a "+required+" entity as the target")
	e.Context = map[string]string{"expected_target": required, "ref_type": string(t)}
	return e
}

// invalidEntityType is Blue's error for a text that does not name a numbered
// kind.
func invalidEntityType(text string) *FieldError {
	var uses []string
	for _, r := range rankedKinds() {
		uses = append(uses, fmt.Sprintf("%c (%s)", r.letter, r.word))
	}
	last := len(uses) - 1
	e := fieldError(codeInvalidEntityType,
		fmt.Sprintf("Invalid entity type '%s'. Must be one of: %s", bounded.Text(text), strings.Join(kindLetters(), ", ")),
		"Use "+strings.Join(uses[:last], ", ")+", or "+uses[last])
	e.Context = map[string][]string{"valid_types": kindLetters()}
	return e
}
