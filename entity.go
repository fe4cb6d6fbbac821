package blue

import (
	"encoding/json"
	"fmt"
	"time"
)

// An Entity is one stored object of a dialogue: a pointer to one of the types
// of this file.
//
// A field with the tag `clear:"name"` is a plain attribute of the item, which
// every reader of the store can see. A field with `sealed:"name"` is a member
// of the encrypted JSON payload. A field without a tag is part of the storage
// key. The zero value means absent. An empty list or map that is not nil is
// stored as such.
type Entity interface {
	// EntityKind returns the kind of the entity.
	EntityKind() Kind
	// EntityKey returns the key with which Get finds the entity.
	EntityKey() EntityKey
}

// A Dialogue is the root entity (RFC 0058, SK "meta").
type Dialogue struct {
	ID             DialogueID
	Status         Status      `clear:"status"`
	CreatedAt      time.Time   `clear:"created_at"`
	UpdatedAt      time.Time   `clear:"updated_at"`
	ConvergedAt    time.Time   `clear:"converged_at"`
	TotalRounds    int64       `clear:"total_rounds"`
	TotalAlignment int64       `clear:"total_alignment"`
	Calibrated     bool        `clear:"calibrated"`
	DomainID       string      `clear:"domain_id"`
	EthosID        string      `clear:"ethos_id"`
	Title          string      `sealed:"title"`
	Question       string      `sealed:"question"`
	OutputDir      string      `sealed:"output_dir"`
	Background     *Background `sealed:"background"`
	// Imports holds the progress of each imported source, by its digest.
	Imports map[string]ImportProgress `sealed:"imports"`
}

// A Background is what a panel gets to know before it starts.
type Background struct {
	Subject     string          `json:"subject"`
	Description *string         `json:"description"`
	Constraints json.RawMessage `json:"constraints,omitempty"` // any JSON
	Situation   *string         `json:"situation"`
}

// An ImportProgress is what a dialogue stores about one imported source.
type ImportProgress struct {
	Done    int             `json:"done"`              // operations taken or refused so far
	Refused []ImportRefusal `json:"refused,omitempty"` // the refused ones, in order
}

// An ImportRefusal is one operation of an import that a rule refused.
type ImportRefusal struct {
	Op     int    `json:"op"`     // index in the source, from 0
	Kind   string `json:"kind"`   // "round-register", …
	Reason string `json:"reason"` // the store's message
}

// An Expert is a member of the panel (SK "expert#{slug in lower case}").
type Expert struct {
	Slug           ExpertSlug       `sealed:"slug"` // as displayed
	Tier           Tier             `clear:"tier"`
	Source         ExpertSource     `clear:"source"`
	Relevance      *float64         `clear:"relevance"` // canonical decimal text
	FirstRound     *Round           `clear:"first_round"`
	TotalScore     int64            `clear:"total_score"`
	CreatedAt      time.Time        `clear:"created_at"`
	UpdatedAt      time.Time        `clear:"updated_at"`
	Role           string           `sealed:"role"`
	Description    string           `sealed:"description"`
	Focus          string           `sealed:"focus"`
	CreationReason string           `sealed:"creation_reason"`
	Color          string           `sealed:"color"`
	Scores         map[Round]int64  `sealed:"scores"`
	RawContent     map[Round]string `sealed:"raw_content"` // what the expert wrote, by round
}

// A RoundRecord is the metadata of one round (SK "round#{round:02d}"). The four
// parts of the score and the four metrics are the judge's numbers, as given.
type RoundRecord struct {
	Round           Round
	Status          Status    `clear:"status"`
	Score           int64     `clear:"score"`
	Wisdom          int64     `clear:"score_wisdom"`
	Consistency     int64     `clear:"score_consistency"`
	Truth           int64     `clear:"score_truth"`
	Relationships   int64     `clear:"score_relationships"`
	OpenTensions    int64     `clear:"open_tensions"`
	NewPerspectives int64     `clear:"new_perspectives"`
	ConvergeSignals int64     `clear:"converge_signals"`
	PanelSize       int64     `clear:"panel_size"`
	CreatedAt       time.Time `clear:"created_at"`
	UpdatedAt       time.Time `clear:"updated_at"`
	CompletedAt     time.Time `clear:"completed_at"`
	Title           string    `sealed:"title"`
	Summary         string    `sealed:"summary"`
	// Signals holds the last signal of each expert who signals convergence in
	// this round.
	Signals map[ExpertSlug]time.Time `sealed:"signals"`
	// Request is the SHA-256 of the batch that registered the round, 64 hex
	// digits. The same batch is a repeat, any other is a conflict.
	Request string `sealed:"request"`
}

// A Contribution is the part that all numbered kinds share (SK
// "{kind}#{round:02d}#{seq:02d}").
type Contribution struct {
	ID           EntityID
	CreatedAt    time.Time    `clear:"created_at"`
	UpdatedAt    time.Time    `clear:"updated_at"`
	Status       Status       `clear:"status"` // one of the kind's (Kind.Statuses)
	Label        string       `sealed:"label"`
	Contributors []ExpertSlug `sealed:"contributors"`
	References   []Reference  `sealed:"references"`
	LocalID      string       `sealed:"local_id"` // as the expert wrote it, e.g. MUFFIN-P0101
}

// A Reference is a Ref without its source, which is the entity that holds it.
type Reference struct {
	Type   RefType  `json:"type"`
	Target EntityID `json:"target"`
}

// A Contributed is a numbered entity of any kind.
type Contributed interface {
	Entity
	// Common returns the part that all numbered kinds share. It may be changed.
	Common() *Contribution
	// Text returns the content of the entity, or the description of a tension.
	Text() string
	// SetText changes what Text returns.
	SetText(text string)
}

// A Perspective is a view of the question (letter P).
type Perspective struct {
	Contribution
	Content string `sealed:"content"`
}

// A Tension is a disagreement that the panel has to settle (letter T).
type Tension struct {
	Contribution
	Description string `sealed:"description"`
}

// A Recommendation is a proposal that a verdict can adopt (letter R).
type Recommendation struct {
	Contribution
	AdoptedInVerdict VerdictID       `clear:"adopted_in_verdict"`
	Content          string          `sealed:"content"`
	Parameters       json.RawMessage `sealed:"parameters"` // any JSON
}

// An Evidence is a fact that an expert cites (letter E).
type Evidence struct {
	Contribution
	Content string `sealed:"content"`
}

// A Claim is a statement that an expert makes (letter C).
type Claim struct {
	Contribution
	Content string `sealed:"content"`
}

// A Verdict is a decision of a panel or of a part of it (SK "verdict#{id}"). It
// never changes. Its grounds are not stored but computed (RFC 0058, Amendment
// 2; view.Provenance).
type Verdict struct {
	ID                VerdictID
	Type              VerdictType     `clear:"verdict_type"`
	Round             Round           `clear:"round"`
	Confidence        string          `clear:"confidence"` // one word of at most 32 bytes
	CreatedAt         time.Time       `clear:"created_at"`
	UpdatedAt         time.Time       `clear:"updated_at"`
	ConfidenceText    string          `sealed:"confidence_text"` // any other confidence
	AuthorExpert      ExpertSlug      `sealed:"author_expert"`
	Recommendation    string          `sealed:"recommendation"`
	Description       string          `sealed:"description"`
	Conditions        []string        `sealed:"conditions"`
	Vote              string          `sealed:"vote"`
	SupportingExperts []ExpertSlug    `sealed:"supporting_experts"`
	EthosCompliance   json.RawMessage `sealed:"ethos_compliance"` // any JSON
	TensionsAccepted  []string        `sealed:"tensions_accepted"`
	Forced            bool            `sealed:"forced"`
}

// A Move is a dialogue move of an expert (SK "move#{round:02d}#{slug}#{seq:02d}").
type Move struct {
	Round     Round
	Expert    ExpertSlug
	Seq       Seq
	Type      MoveType   `clear:"move_type"`
	CreatedAt time.Time  `clear:"created_at"`
	UpdatedAt time.Time  `clear:"updated_at"`
	Display   ExpertSlug `sealed:"expert"` // the slug as displayed
	Targets   []string   `sealed:"targets"`
	Context   string     `sealed:"context"`
}

// An Event is one change of the status of a numbered entity
// (SK "event#{kind}#{display id}#{time}").
type Event struct {
	Of        EntityID
	Stamp     string       // the last part of the SK: UTC with nine digits, and -NN if the time is taken
	Type      string       `clear:"event_type"` // "created", or the new status
	Round     Round        `clear:"event_round"`
	CreatedAt time.Time    `clear:"created_at"`
	UpdatedAt time.Time    `clear:"updated_at"`
	Actors    []ExpertSlug `sealed:"actors"`
	Reason    string       `sealed:"reason"`
	Reference string       `sealed:"reference"`
	ResultID  string       `sealed:"result_id"`
}

// A Ref is a reference with its source. It is an entity of RFC 0058 with rules
// of its own, but not an item: it is stored inside its source (docs/decisions,
// references).
type Ref struct {
	Source    EntityID  `json:"source_id"`
	Type      RefType   `json:"ref_type"`
	Target    EntityID  `json:"target_id"`
	CreatedAt time.Time `json:"created_at"`
}

// EntityKind returns KindDialogue.
func (*Dialogue) EntityKind() Kind { return KindDialogue }

// EntityKind returns KindExpert.
func (*Expert) EntityKind() Kind { return KindExpert }

// EntityKind returns KindRound.
func (*RoundRecord) EntityKind() Kind { return KindRound }

// EntityKind returns KindVerdict.
func (*Verdict) EntityKind() Kind { return KindVerdict }

// EntityKind returns KindMove.
func (*Move) EntityKind() Kind { return KindMove }

// EntityKind returns the event kind of the entity, as "tension_event".
func (e *Event) EntityKind() Kind { return e.Of.Kind.EventKind() }

// EntityKind returns the kind of the display id.
func (c *Contribution) EntityKind() Kind { return c.ID.Kind }

// EntityKey returns the key "".
func (*Dialogue) EntityKey() EntityKey { return EntityKey{Kind: KindDialogue} }

// EntityKey returns the slug in lower case.
func (e *Expert) EntityKey() EntityKey { return EntityKey{KindExpert, e.Slug.Key()} }

// EntityKey returns the number, as "1".
func (e *RoundRecord) EntityKey() EntityKey { return EntityKey{KindRound, fmt.Sprint(int(e.Round))} }

// EntityKey returns the id.
func (e *Verdict) EntityKey() EntityKey { return EntityKey{KindVerdict, string(e.ID)} }

// EntityKey returns the display id.
func (c *Contribution) EntityKey() EntityKey { return c.ID.Key() }

// EntityKey returns "{round}#{slug}#{seq}", as "1#muffin#1".
func (e *Move) EntityKey() EntityKey {
	return EntityKey{KindMove, fmt.Sprintf("%d#%s#%d", e.Round, e.Expert.Key(), e.Seq)}
}

// EntityKey returns "{display id}#{stamp}".
func (e *Event) EntityKey() EntityKey {
	return EntityKey{e.EntityKind(), e.Of.String() + "#" + e.Stamp}
}

// Common returns the contribution itself.
func (c *Contribution) Common() *Contribution { return c }

// Text returns the content.
func (e *Perspective) Text() string { return e.Content }

// SetText changes the content.
func (e *Perspective) SetText(text string) { e.Content = text }

// Text returns the description.
func (e *Tension) Text() string { return e.Description }

// SetText changes the description.
func (e *Tension) SetText(text string) { e.Description = text }

// Text returns the content.
func (e *Recommendation) Text() string { return e.Content }

// SetText changes the content.
func (e *Recommendation) SetText(text string) { e.Content = text }

// Text returns the content.
func (e *Evidence) Text() string { return e.Content }

// SetText changes the content.
func (e *Evidence) SetText(text string) { e.Content = text }

// Text returns the content.
func (e *Claim) Text() string { return e.Content }

// SetText changes the content.
func (e *Claim) SetText(text string) { e.Content = text }
