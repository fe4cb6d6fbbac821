package blue

import (
	"context"
	"slices"
)

// PartitionScoped marks the results of DialogueStore. Its method is not
// exported, so only *Snapshot and Scoped have it, and no other package can
// declare a result that spans dialogues (RFC 0058, Amendment 3; scope.go).
type PartitionScoped interface {
	partitionScoped()
}

// A Scoped is a result that belongs to one dialogue.
type Scoped[T any] struct {
	Dialogue DialogueID
	Value    T
}

func (Scoped[T]) partitionScoped() {}
func (*Snapshot) partitionScoped() {}

// A DialogueStore keeps dialogues, each in a partition of its own.
//
// Every method works on one dialogue. What a method acknowledges is durable
// and visible to every later call, in every process. A method that writes is
// one commit: everything is stored, or nothing. All methods may be called
// concurrently. A method that writes can run its work more than once
// (another writer was faster), so requests are never modified.
//
// Every method returns these errors, to be compared with errors.Is: ErrInvalid
// for an id that cannot be one; ErrNotFound for an unknown dialogue;
// ErrUnavailable; and from an encrypted store ErrSealed, ErrTampered,
// ErrRolledBack, ErrErased and ErrAudit. A method that writes also returns
// ErrInvalid, ErrRefused or ErrTooLarge before it writes anything, ErrConflict
// if an item exists with other content, and ErrBusy after a limited number of
// tries.
//
// A write that repeats an earlier one succeeds and changes nothing, so a
// caller can retry after a lost answer. There are two exceptions: Create
// returns ErrConflict, and RecordSignal stores the later time.
type DialogueStore interface {
	// Create stores an empty dialogue under a new id. It returns ErrConflict if
	// the id is taken.
	Create(ctx context.Context, id DialogueID, d NewDialogue) (Scoped[Dialogue], error)
	// Load returns the whole dialogue, verified.
	Load(ctx context.Context, id DialogueID) (*Snapshot, error)
	// Get returns one entity, or ErrNotFound. An encrypted store guarantees that
	// the entity is authentic and was acknowledged. It does not guarantee that
	// the entity is the newest: only Load verifies that.
	Get(ctx context.Context, id DialogueID, key EntityKey) (Scoped[Entity], error)
	// RegisterExpert adds a member of the panel. It returns ErrConflict if the
	// slug is taken, also if it differs by case.
	RegisterExpert(ctx context.Context, id DialogueID, e NewExpert) (Scoped[Expert], error)
	// RegisterRound validates and numbers a whole round and stores it: the
	// round, its entities, events, references, tension updates and scores. It
	// returns ErrConflict if the round exists with other content.
	RegisterRound(ctx context.Context, id DialogueID, b RoundBatch) (Scoped[Registered], error)
	// RecordSignal stores that an expert signals convergence in a round. A later
	// signal replaces an earlier one. It returns ErrNotFound for an unknown
	// round.
	RecordSignal(ctx context.Context, id DialogueID, s Signal) (Scoped[Signal], error)
	// RegisterVerdict stores a verdict. A final verdict must pass the
	// convergence gate or be forced, and converges the dialogue. It returns
	// ErrConflict if the verdict exists with other content.
	RegisterVerdict(ctx context.Context, id DialogueID, v NewVerdict) (Scoped[Decided], error)
	// Transition changes the status of one numbered entity along its lifecycle
	// and stores the event. It returns ErrNotFound for an unknown entity.
	Transition(ctx context.Context, id DialogueID, t Transition) (Scoped[Event], error)
	// Amend changes fields of the dialogue itself.
	Amend(ctx context.Context, id DialogueID, a Amendment) (Scoped[Dialogue], error)
}

// A Listed is a row about a dialogue, read from an index or from clear
// attributes alone. It is a hint until the dialogue is loaded, so Verified is
// false in every row that a store returns.
type Listed struct {
	ID             DialogueID `json:"dialogue_id"`
	Status         Status     `json:"status"`
	UpdatedAt      string     `json:"updated_at"` // UTC, RFC 3339, nine digits
	TotalRounds    int64      `json:"total_rounds"`
	TotalAlignment int64      `json:"total_alignment"`
	Verified       bool       `json:"verified"`
}

// A ListedTension is a row about a tension, read from the clear attributes of
// the index of tensions by status. It is a hint like Listed.
type ListedTension struct {
	Dialogue  DialogueID `json:"dialogue_id"`
	ID        EntityID   `json:"id"`
	Status    Status     `json:"status"`
	UpdatedAt string     `json:"updated_at"` // UTC, RFC 3339, nine digits
	Verified  bool       `json:"verified"`
}

// A ListedActivity is a row about an expert, read from the index by expert: the
// expert's place on a panel, or one move. All other contributions are sealed,
// and a caller finds them by loading the dialogue. A row is a hint like Listed.
type ListedActivity struct {
	Dialogue  DialogueID `json:"dialogue_id"`
	Kind      Kind       `json:"kind"`                // expert or move
	Round     Round      `json:"round"`               // the expert's first round, or the move's
	Tier      Tier       `json:"tier,omitempty"`      // of an expert
	Seq       Seq        `json:"seq,omitempty"`       // of a move
	MoveType  MoveType   `json:"move_type,omitempty"` // of a move
	UpdatedAt string     `json:"updated_at"`          // UTC, RFC 3339, nine digits
	Verified  bool       `json:"verified"`
}

// An AnalyticsStore answers questions across dialogues. It is separate from
// DialogueStore, so that no query across partitions becomes part of that.
// All methods may be called concurrently. Errors: ErrInvalid as stated, and
// ErrUnavailable.
type AnalyticsStore interface {
	// List returns every dialogue, by status in the order of
	// KindDialogue.Statuses, then newest change first.
	List(ctx context.Context) ([]Listed, error)
	// ListStatus returns the dialogues of one status, newest change first. It
	// returns ErrInvalid for an unknown status.
	ListStatus(ctx context.Context, status Status) ([]Listed, error)
	// ListTensions returns the tensions of one status in all dialogues, in
	// ascending order of dialogue and display id. It returns ErrInvalid for an
	// unknown status.
	ListTensions(ctx context.Context, status Status) ([]ListedTension, error)
	// ListExpert returns the panels that an expert is on and the expert's moves,
	// in ascending order of dialogue, kind and round. Slugs are compared without
	// case. An unknown expert has no rows, because no store knows all experts. It
	// returns ErrInvalid for a text that cannot be a slug.
	ListExpert(ctx context.Context, slug ExpertSlug) ([]ListedActivity, error)
	// NextID returns the first free id for a title (DialogueID.Candidates). It
	// reserves nothing: Create can still return ErrConflict. It returns
	// ErrRefused if all 99 ids are taken.
	NextID(ctx context.Context, title string) (DialogueID, error)
}

// A Snapshot is one whole dialogue at one commit. Lists are in storage order:
// experts by slug, rounds by number, numbered kinds by round and seq, moves by
// round, expert and seq, events by entity and time, verdicts by round, then
// creation. A snapshot belongs to its caller, who can change it.
type Snapshot struct {
	Dialogue Dialogue
	Experts  []*Expert
	Rounds   []*RoundRecord
	// Entities holds the numbered entities by kind. Numbered and Contributed
	// read it.
	Entities map[Kind][]Contributed
	Moves    []*Move
	Events   []*Event
	Verdicts []*Verdict
	// Unknown holds the sort keys of items whose kind this version does not
	// know. They are verified and kept.
	Unknown []string
	// Damage lists the items that a salvaging load left out, with the reasons. It
	// is empty after any other load.
	Damage []Damage
	// Version is the number of commits of a sealed dialogue. It is 0 for a plain
	// store.
	Version uint64
}

// Add appends numbered entities, each to the list of its kind.
func (s *Snapshot) Add(entities ...Contributed) {
	if s.Entities == nil {
		s.Entities = map[Kind][]Contributed{}
	}
	for _, e := range entities {
		kind := e.EntityKind()
		s.Entities[kind] = append(s.Entities[kind], e)
	}
}

// Numbered returns the entities of one numbered kind, by round and seq.
func (s *Snapshot) Numbered(k Kind) []Contributed { return s.Entities[k] }

// Contributed returns all numbered entities in a list of its own: kinds in
// batch order, each by round and seq.
func (s *Snapshot) Contributed() []Contributed {
	var all []Contributed
	for _, k := range NumberedKinds() {
		all = append(all, s.Entities[k]...)
	}
	return all
}

// Tensions returns the tensions, by round and seq.
func (s *Snapshot) Tensions() []*Tension { return ofType[*Tension](s.Entities[KindTension]) }

// Recommendations returns the recommendations, by round and seq.
func (s *Snapshot) Recommendations() []*Recommendation {
	return ofType[*Recommendation](s.Entities[KindRecommendation])
}

// ofType returns the entities as values of their own type.
func ofType[T Contributed](entities []Contributed) []T {
	list := make([]T, len(entities))
	for i, e := range entities {
		list[i] = e.(T)
	}
	return list
}

// Find returns the numbered entity with the id.
func (s *Snapshot) Find(id EntityID) (Contributed, bool) {
	return firstMatching(s.Entities[id.Kind], func(e Contributed) bool { return e.Common().ID == id })
}

// Expert returns the expert with the slug, in any case.
func (s *Snapshot) Expert(slug ExpertSlug) (*Expert, bool) {
	key := slug.Key()
	return firstMatching(s.Experts, func(e *Expert) bool { return e.Slug.Key() == key })
}

// Round returns the record of the round.
func (s *Snapshot) Round(r Round) (*RoundRecord, bool) {
	return firstMatching(s.Rounds, func(e *RoundRecord) bool { return e.Round == r })
}

// Verdict returns the verdict with the id.
func (s *Snapshot) Verdict(id VerdictID) (*Verdict, bool) {
	return firstMatching(s.Verdicts, func(v *Verdict) bool { return v.ID == id })
}

// firstMatching returns the first element that matches.
func firstMatching[T any](list []T, matches func(T) bool) (found T, ok bool) {
	i := slices.IndexFunc(list, matches)
	if i < 0 {
		return found, false
	}
	return list[i], true
}

// Refs returns every reference with its source, in the order of the sources.
func (s *Snapshot) Refs() []Ref {
	var refs []Ref
	for _, e := range s.Contributed() {
		c := e.Common()
		for _, r := range c.References {
			refs = append(refs, Ref{Source: c.ID, Type: r.Type, Target: r.Target, CreatedAt: c.CreatedAt})
		}
	}
	return refs
}
