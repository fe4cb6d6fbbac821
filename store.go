package blue

import "context"

// PartitionScoped marks the results of DialogueStore. Only *Snapshot and
// Scoped carry the unexported marker, so no other package can declare a
// result that spans dialogues, and a method that returned one would not
// satisfy the checks of scope.go (RFC 0058, Amendment 3; docs/decisions).
type PartitionScoped interface {
	partitionScoped()
}

// Scoped is a result that belongs to one dialogue.
type Scoped[T any] struct {
	Dialogue DialogueID
	Value    T
}

func (Scoped[T]) partitionScoped() {}
func (*Snapshot) partitionScoped() {}

// DialogueStore keeps dialogues, each in a partition of its own.
//
// Every method takes the dialogue it works on and returns something scoped to
// it. What a method acknowledges is durable and visible to every later call,
// in this process or another. A mutating method is one commit: all of it is
// there afterwards, or nothing. All methods may be called concurrently; a
// mutating method may run its work more than once inside (another writer was
// faster), so requests are never modified.
//
// Errors, all to be compared with errors.Is: ErrNotFound for an unknown
// dialogue; ErrInvalid, ErrRefused, ErrTooLarge before anything is written;
// ErrConflict when an item is already there with other content; ErrBusy after
// the bounded tries; ErrSealed, ErrTampered, ErrRolledBack, ErrErased and
// ErrAudit from an encrypted store; ErrUnavailable.
//
// A mutating call that repeats an earlier one succeeds and changes nothing,
// so a script may retry after a lost answer; only Create answers ErrConflict,
// and RecordSignal notes the later time.
type DialogueStore interface {
	// Create makes an empty dialogue under an id that no dialogue has.
	// ErrConflict if the id is taken.
	Create(ctx context.Context, id DialogueID, d NewDialogue) (Scoped[Dialogue], error)
	// Load returns the whole dialogue, verified.
	Load(ctx context.Context, id DialogueID) (*Snapshot, error)
	// Get returns one entity. An encrypted store promises that the item is
	// authentic and acknowledged, not that nothing newer was rolled back:
	// only Load verifies that.
	Get(ctx context.Context, id DialogueID, key EntityKey) (Scoped[Entity], error)
	// RegisterExpert adds a member of the panel. ErrConflict if the slug is
	// taken, also by one that differs only in case.
	RegisterExpert(ctx context.Context, id DialogueID, e NewExpert) (Scoped[Expert], error)
	// RegisterRound validates and numbers a whole round and stores it: the
	// round, its entities, events, references, tension updates and scores.
	// ErrConflict if the round is there with other content.
	RegisterRound(ctx context.Context, id DialogueID, b RoundBatch) (Scoped[Registered], error)
	// RecordSignal notes that an expert signals convergence in a round; the
	// latest one stands.
	RecordSignal(ctx context.Context, id DialogueID, s Signal) (Scoped[Signal], error)
	// RegisterVerdict stores a verdict. A final one passes the convergence
	// gate or is forced, and converges the dialogue.
	RegisterVerdict(ctx context.Context, id DialogueID, v NewVerdict) (Scoped[Decided], error)
	// Transition moves one perspective, tension, recommendation, evidence or
	// claim along its lifecycle and writes the event with it.
	Transition(ctx context.Context, id DialogueID, t Transition) (Scoped[Event], error)
	// Amend changes what may change on the dialogue itself.
	Amend(ctx context.Context, id DialogueID, a Amendment) (Scoped[Dialogue], error)
}

// Listed is a row about a dialogue read from an index or from clear
// attributes alone. It is a hint until the dialogue is loaded: Verified is
// false in every row a store returns.
type Listed struct {
	ID             DialogueID `json:"dialogue_id"`
	Status         Status     `json:"status"`
	UpdatedAt      string     `json:"updated_at"` // UTC, RFC 3339, nine digits
	TotalRounds    int64      `json:"total_rounds"`
	TotalAlignment int64      `json:"total_alignment"`
	Verified       bool       `json:"verified"`
}

// ListedTension is a row about a tension read from the index of tensions by
// status, clear attributes alone; a hint like Listed.
type ListedTension struct {
	Dialogue  DialogueID `json:"dialogue_id"`
	ID        EntityID   `json:"id"`
	Status    Status     `json:"status"`
	UpdatedAt string     `json:"updated_at"` // UTC, RFC 3339, nine digits
	Verified  bool       `json:"verified"`
}

// ListedActivity is a row about an expert read from the index by expert: the
// expert's place on a panel, or one move. Who contributed to what else is
// sealed, and found by loading the dialogue. A hint like Listed.
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

// AnalyticsStore is what crosses dialogues. It is apart from DialogueStore so
// that a cross-partition query cannot slip into the latter.
type AnalyticsStore interface {
	// List returns every dialogue, newest change first within a status.
	List(ctx context.Context) ([]Listed, error)
	// ListStatus returns the dialogues of one status, newest change first.
	// ErrInvalid for a status there is not.
	ListStatus(ctx context.Context, status Status) ([]Listed, error)
	// ListTensions returns the tensions of one status in all dialogues, in
	// ascending order of dialogue and display id. ErrInvalid for a status
	// there is not.
	ListTensions(ctx context.Context, status Status) ([]ListedTension, error)
	// ListExpert returns where an expert sits on a panel and the expert's
	// moves, in ascending order of dialogue and round, the place before the
	// moves. Slugs are compared without case. None is not an error: no
	// store knows every expert there is. ErrInvalid for what is no slug.
	ListExpert(ctx context.Context, slug ExpertSlug) ([]ListedActivity, error)
	// NextID returns the first free id for a title: the slug itself, then
	// -2 to -99. It reserves nothing: Create may still answer ErrConflict.
	NextID(ctx context.Context, title string) (DialogueID, error)
}
