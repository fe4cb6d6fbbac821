// Package encrypted is the encrypted store of dialogues (RFC 0058,
// EncryptedStore).
//
// A Store encrypts and authenticates every item before it reaches a record
// store, verifies every item that it reads, and records each operation in the
// audit log. Package bluestore opens a Store from an address such as
// "sqlite:blue.db". New makes one from parts. Package erasure erases dialogues
// and users.
//
// The engine (internal/engine) turns requests into records. The record.Store
// that encrypts them is internal/seal. Keys are opened by package keys, and
// record stores are packages sqlite, dynamo and memory.
package encrypted

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure a Store. The zero value works.
type Options struct {
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Freshness remembers the newest state of each dialogue that this client
	// has seen. If it is nil, a restored older copy of the whole store is not
	// noticed.
	Freshness freshness.Store
	// AcceptRollback accepts a state that is older than its freshness record.
	// The next commit makes it the newest state.
	AcceptRollback bool
	// Tracer makes a span for each operation and its parts. If it is nil, no
	// spans are made.
	Tracer trace.Tracer
	// RotateAfter is the number of messages that a key encrypts before the next
	// write rotates it. The default is 2^20. At 2^32 messages every write fails
	// with blue.ErrSealed (NIST SP 800-38D, section 8.3).
	RotateAfter uint64
	// CloseAll makes Close end the audit log and close the record store too.
	CloseAll bool
}

// A Store is a blue.DialogueStore and blue.AnalyticsStore that keeps dialogues
// encrypted. All methods may be called concurrently.
//
// The methods of blue.DialogueStore return the errors that it lists. Every
// method returns blue.ErrAudit, and no data, if the audit event of the operation
// cannot be stored.
type Store struct {
	handle
	seal     *seal.Store
	engine   *engine.Store
	closeAll bool
}

// handle gives package erasure access to the seal. The alias keeps the embedded
// field unexported.
type handle = seal.Handle

var (
	_ blue.DialogueStore  = (*Store)(nil)
	_ blue.AnalyticsStore = (*Store)(nil)
)

// New returns the store of one user over records. Every operation leaves its
// event in log, which must not be nil. Nil opts are the zero Options.
func New(records record.Store, provider keys.Provider, user string, log *audit.Log, opts *Options) *Store {
	if log == nil {
		panic("encrypted: New without an audit log")
	}
	if opts == nil {
		opts = &Options{}
	}
	s := seal.New(seal.Config{
		Records: records, Provider: provider, User: user, Log: log, Now: opts.Now, Tracer: opts.Tracer,
		Freshness: opts.Freshness, AcceptRollback: opts.AcceptRollback, RotateAfter: opts.RotateAfter,
	})
	return &Store{handle: s.Handle(), seal: s, engine: engine.New(s, opts.Now), closeAll: opts.CloseAll}
}

// closeTimeout bounds the closing of the audit log.
const closeTimeout = 15 * time.Second

// Close erases the keys in memory. With Options.CloseAll it first ends the audit
// log, within 15 seconds, and then closes the record store.
func (s *Store) Close() error {
	if !s.closeAll {
		return s.seal.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.seal.Log.Close(ctx)
	if err != nil {
		err = fmt.Errorf("closing the audit log: %w", err)
	}
	return errors.Join(err, s.seal.Close(), s.seal.Records.Close())
}

// Records returns the record store below, whose items are encrypted. Packages
// audit/auditor and erasure verify it without a key.
func (s *Store) Records() record.Store { return s.seal.Records }

// Log returns the audit log.
func (s *Store) Log() *audit.Log { return s.seal.Log }

// Create makes an empty dialogue under an unused id. The error is
// blue.ErrConflict if the id is taken.
func (s *Store) Create(ctx context.Context, id blue.DialogueID, d blue.NewDialogue) (blue.Scoped[blue.Dialogue], error) {
	return s.engine.Create(ctx, id, d)
}

// Load returns a whole dialogue, verified.
func (s *Store) Load(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	return s.engine.Load(ctx, id)
}

// Get returns one entity. The entity is authentic. Only Load verifies that it
// was not replaced by an older version.
func (s *Store) Get(ctx context.Context, id blue.DialogueID, key blue.EntityKey) (blue.Scoped[blue.Entity], error) {
	return s.engine.Get(ctx, id, key)
}

// RegisterExpert adds a member to the panel. The error is blue.ErrConflict if
// the slug is taken.
func (s *Store) RegisterExpert(ctx context.Context, id blue.DialogueID, e blue.NewExpert) (blue.Scoped[blue.Expert], error) {
	return s.engine.RegisterExpert(ctx, id, e)
}

// RegisterRound numbers the entities of a round and stores the whole round in
// one commit. The error is blue.ErrConflict if the round exists with other
// content.
func (s *Store) RegisterRound(ctx context.Context, id blue.DialogueID, b blue.RoundBatch) (blue.Scoped[blue.Registered], error) {
	return s.engine.RegisterRound(ctx, id, b)
}

// RegisterVerdict stores a verdict. A final verdict converges the dialogue.
func (s *Store) RegisterVerdict(ctx context.Context, id blue.DialogueID, v blue.NewVerdict) (blue.Scoped[blue.Decided], error) {
	return s.engine.RegisterVerdict(ctx, id, v)
}

// RecordSignal stores that an expert signals convergence in a round.
func (s *Store) RecordSignal(ctx context.Context, id blue.DialogueID, signal blue.Signal) (blue.Scoped[blue.Signal], error) {
	return s.engine.RecordSignal(ctx, id, signal)
}

// Transition changes the status of one entity and stores the event of the
// change.
func (s *Store) Transition(ctx context.Context, id blue.DialogueID, t blue.Transition) (blue.Scoped[blue.Event], error) {
	return s.engine.Transition(ctx, id, t)
}

// Amend changes the dialogue itself, such as its title.
func (s *Store) Amend(ctx context.Context, id blue.DialogueID, a blue.Amendment) (blue.Scoped[blue.Dialogue], error) {
	return s.engine.Amend(ctx, id, a)
}

// List returns every dialogue from the index, newest change first within a
// status. Rows of an index are not verified.
func (s *Store) List(ctx context.Context) ([]blue.Listed, error) { return s.engine.List(ctx) }

// ListStatus returns the dialogues of one status, newest change first.
func (s *Store) ListStatus(ctx context.Context, status blue.Status) ([]blue.Listed, error) {
	return s.engine.ListStatus(ctx, status)
}

// ListTensions returns the tensions of one status in all dialogues.
func (s *Store) ListTensions(ctx context.Context, status blue.Status) ([]blue.ListedTension, error) {
	return s.engine.ListTensions(ctx, status)
}

// ListExpert returns the panels and the moves of an expert in all dialogues.
func (s *Store) ListExpert(ctx context.Context, slug blue.ExpertSlug) ([]blue.ListedActivity, error) {
	return s.engine.ListExpert(ctx, slug)
}

// NextID returns an unused id for a title. It does not reserve the id.
func (s *Store) NextID(ctx context.Context, title string) (blue.DialogueID, error) {
	return s.engine.NextID(ctx, title)
}

// Verify loads a dialogue and then checks what Load does not. The audit log must
// hold the event of the stored root and no later one, and the next key, if a
// rotation made one, must come from a holder of the key in use. Verify therefore
// finds a restored older dialogue without a freshness record, unless the audit
// table was restored too. It returns the snapshot together with an error of
// these checks.
func (s *Store) Verify(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	snapshot, err := s.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	return snapshot, s.seal.CheckLog(ctx, string(id))
}

// Salvage returns the part of a damaged dialogue that verifies.
// Snapshot.Damage lists the rest. An undamaged dialogue is returned whole.
func (s *Store) Salvage(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	records, damage, err := s.seal.Salvage(ctx, string(id))
	if err != nil {
		return nil, err
	}
	snapshot, err := engine.Assemble(id, records)
	if err != nil {
		return nil, err
	}
	snapshot.Damage = damage
	return snapshot, nil
}
