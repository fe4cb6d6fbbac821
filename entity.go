package blue

import (
	"encoding/json"
	"strconv"
	"time"
)

// Entity is one stored thing of a dialogue: a pointer to one of the types of
// this file.
//
// Field tags say where a field lives: `clear:"name"` is a plain attribute of
// the item, readable by whoever holds the table; `sealed:"name"` is a member
// of the encrypted JSON payload. A field without a tag stands in the storage
// key. Absent is the zero value; empty lists and maps are kept apart from
// absent ones.
type Entity interface {
	EntityKind() Kind
	EntityKey() EntityKey
}

// Dialogue is the root entity (RFC 0058, SK "meta").
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
	// Imports says, per digest of an imported source, how far it got.
	Imports map[string]ImportProgress `sealed:"imports"`
}

// Background is what a panel is told before it starts.
type Background struct {
	Subject     string          `json:"subject"`
	Description *string         `json:"description"`
	Constraints json.RawMessage `json:"constraints,omitempty"` // any JSON
	Situation   *string         `json:"situation"`
}

// ImportProgress is what a dialogue remembers of one imported source.
type ImportProgress struct {
	Done    int             `json:"done"`              // operations taken or refused so far
	Refused []ImportRefusal `json:"refused,omitempty"` // the refused ones, in order
}

// ImportRefusal is one operation of an import that a rule refused.
type ImportRefusal struct {
	Op     int    `json:"op"`     // index in the source, from 0
	Kind   string `json:"kind"`   // "round-register", …
	Reason string `json:"reason"` // the store's message
}

// Expert is a member of the panel (SK "expert#{slug in lower case}").
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

// RoundRecord is one round's metadata (SK "round#{round:02d}"). The four
// score parts and the four metrics are the judge's numbers, as given.
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
	// Signals holds who signalled convergence in this round, and when last.
	Signals map[ExpertSlug]time.Time `sealed:"signals"`
	// Request is the SHA-256 of the batch that registered the round, in hex:
	// the same batch again is a repeat, another one a conflict.
	Request string `sealed:"request"`
}

// Contribution is what perspectives, tensions, recommendations, evidence and
// claims have in common (SK "{kind}#{round:02d}#{seq:02d}").
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

// Reference is the inline half of a Ref: its source is the entity that holds it.
type Reference struct {
	Type   RefType  `json:"type"`
	Target EntityID `json:"target"`
}

// Contributed is any numbered entity.
type Contributed interface {
	Entity
	// Common returns the part that all numbered kinds share. It may be changed.
	Common() *Contribution
	// Text returns what the entity says: its content, or a tension's
	// description.
	Text() string
	// SetText changes what Text returns.
	SetText(text string)
}

// Perspective is a view of the question (letter P).
type Perspective struct {
	Contribution
	Content string `sealed:"content"`
}

// Tension is a disagreement that the panel has to settle (letter T).
type Tension struct {
	Contribution
	Description string `sealed:"description"`
}

// Recommendation is a proposal that a verdict can adopt (letter R).
type Recommendation struct {
	Contribution
	AdoptedInVerdict VerdictID       `clear:"adopted_in_verdict"`
	Content          string          `sealed:"content"`
	Parameters       json.RawMessage `sealed:"parameters"` // any JSON
}

// Evidence is a fact that an expert cites (letter E).
type Evidence struct {
	Contribution
	Content string `sealed:"content"`
}

// Claim is a statement that an expert makes (letter C).
type Claim struct {
	Contribution
	Content string `sealed:"content"`
}

// Verdict is what a panel, or a part of it, decided (SK "verdict#{id}"). It
// is never changed. What it rests on is not stored in it but computed when it
// is read (RFC 0058, Amendment 2; package graph).
type Verdict struct {
	ID                VerdictID
	Type              VerdictType     `clear:"verdict_type"`
	Round             Round           `clear:"round"`
	Confidence        string          `clear:"confidence"` // one word of at most 32 bytes
	CreatedAt         time.Time       `clear:"created_at"`
	UpdatedAt         time.Time       `clear:"updated_at"`
	ConfidenceText    string          `sealed:"confidence_text"` // anything longer
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

// Move is a dialogue move of an expert (SK "move#{round:02d}#{slug}#{seq:02d}").
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

// Event is one change of a numbered entity's status
// (SK "event#{kind}#{display id}#{time}").
type Event struct {
	Of        EntityID
	Stamp     string       // the SK's last part: UTC with nine digits, then -NN when two fall together
	Type      string       `clear:"event_type"` // "created", else the status it led to
	Round     Round        `clear:"event_round"`
	CreatedAt time.Time    `clear:"created_at"`
	UpdatedAt time.Time    `clear:"updated_at"`
	Actors    []ExpertSlug `sealed:"actors"`
	Reason    string       `sealed:"reason"`
	Reference string       `sealed:"reference"`
	ResultID  string       `sealed:"result_id"`
}

// Ref is a reference seen whole. It is a domain entity with rules of its own
// but not an item: it is stored inside its source (docs/decisions, references).
type Ref struct {
	Source    EntityID  `json:"source_id"`
	Type      RefType   `json:"ref_type"`
	Target    EntityID  `json:"target_id"`
	CreatedAt time.Time `json:"created_at"`
}

func (*Dialogue) EntityKind() Kind       { return KindDialogue }
func (*Expert) EntityKind() Kind         { return KindExpert }
func (*RoundRecord) EntityKind() Kind    { return KindRound }
func (*Verdict) EntityKind() Kind        { return KindVerdict }
func (*Move) EntityKind() Kind           { return KindMove }
func (e *Event) EntityKind() Kind        { return e.Of.Kind.EventKind() }
func (c *Contribution) EntityKind() Kind { return c.ID.Kind }

func (*Dialogue) EntityKey() EntityKey       { return EntityKey{Kind: KindDialogue} }
func (e *Expert) EntityKey() EntityKey       { return EntityKey{KindExpert, e.Slug.Key()} }
func (e *RoundRecord) EntityKey() EntityKey  { return EntityKey{KindRound, strconv.Itoa(int(e.Round))} }
func (e *Verdict) EntityKey() EntityKey      { return EntityKey{KindVerdict, string(e.ID)} }
func (c *Contribution) EntityKey() EntityKey { return c.ID.Key() }

// EntityKey is "{round}#{slug}#{seq}", e.g. "1#muffin#1".
func (e *Move) EntityKey() EntityKey {
	return EntityKey{KindMove, strconv.Itoa(int(e.Round)) + "#" + e.Expert.Key() + "#" + strconv.Itoa(int(e.Seq))}
}

// EntityKey is "{display id}#{stamp}".
func (e *Event) EntityKey() EntityKey {
	return EntityKey{e.EntityKind(), e.Of.String() + "#" + e.Stamp}
}

// Common returns the contribution itself.
func (c *Contribution) Common() *Contribution { return c }

func (e *Perspective) Text() string    { return e.Content }
func (e *Tension) Text() string        { return e.Description }
func (e *Recommendation) Text() string { return e.Content }
func (e *Evidence) Text() string       { return e.Content }
func (e *Claim) Text() string          { return e.Content }

func (e *Perspective) SetText(text string)    { e.Content = text }
func (e *Tension) SetText(text string)        { e.Description = text }
func (e *Recommendation) SetText(text string) { e.Content = text }
func (e *Evidence) SetText(text string)       { e.Content = text }
func (e *Claim) SetText(text string)          { e.Content = text }
