// Package encrypted is the encrypted store of dialogues (RFC 0058,
// EncryptedStore).
//
// A Store encrypts and authenticates every item before it reaches a record
// store, verifies every item that it reads, and records each operation in the
// audit log. Package bluestore opens a Store from an address such as
// "sqlite:blue.db". New makes one from parts. Package erasure erases dialogues
// and users.
//
// The methods of Store are those of blue.DialogueStore (Create, Load, Get, the
// Register methods and others) and of blue.AnalyticsStore (the List methods), and
// those for keys: Grant, Revoke, Rotate, Rewrap and KeyStatus.
//
// The engine (internal/engine) turns requests into records. The record.Store
// that encrypts them is internal/seal. Keys are opened by package keys, and
// record stores are packages sqlite, dynamo and memory.
package encrypted

import (
	"cmp"
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
	seal     *seal.Sealer
	engine   *engine.Engine
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
	opts = cmp.Or(opts, new(Options))
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

// A Rotation reports what a run of Rotate or Revoke did.
type Rotation struct {
	Dialogue blue.DialogueID `json:"dialogue"`
	From     uint32          `json:"from"`    // least key version in use before the run
	To       uint32          `json:"to"`      // key version of every item after the run
	Resumed  bool            `json:"resumed"` // of Rotate: the run finished an earlier rotation and made no key version
	Held     bool            `json:"held"`    // of Revoke: wrapped keys of the user were stored
	Items    int             `json:"items"`   // re-encrypted by this run, without meta
	Commits  int             `json:"commits"` // of this run
}

// Rotate re-encrypts a whole dialogue under a new key version and destroys the
// wrapped keys of older versions. Contents, clear attributes and history stay
// the same. Every nonce and MAC is new. Other users can read and write during
// the rotation and change to the new version automatically.
//
// Rotate commits up to 80 items at a time. If it is stopped, nothing is lost.
// The next run resumes an unfinished rotation as long as items are left to
// re-encrypt. Afterwards an older copy of the data can only be opened with an
// older copy of the keys.
//
// The error is blue.ErrSealed or keys.ErrDenied if the user does not hold the
// active key. It is blue.ErrBusy if other writers were first too often, and the
// caller can run Rotate again. Other errors come from Load or from a write.
func (s *Store) Rotate(ctx context.Context, id blue.DialogueID) (Rotation, error) {
	report, err := s.seal.Rotate(ctx, string(id), "")
	return Rotation(report), err
}

// Revoke revokes a user's access to a dialogue. One commit deletes the user's
// wrapped keys and makes a key version for all other users. Then Revoke
// re-encrypts the dialogue as Rotate does. A process of the user that still has
// a key in memory can open items until they are re-encrypted.
//
// Revoke always creates a new key version, even if the user has no wrapped key
// in the store. Wraps and versions that no key holder created are deleted, so a
// revoked user cannot keep access by planting them.
//
// The error is blue.ErrRefused for the store's own user, blue.ErrInvalid for a
// malformed user, or an error of Rotate.
func (s *Store) Revoke(ctx context.Context, id blue.DialogueID, user string) (Rotation, error) {
	if err := keys.CheckUser(user); err != nil {
		return Rotation{Dialogue: id}, err
	}
	report, err := s.seal.Rotate(ctx, string(id), user)
	return Rotation(report), err
}

// Grant lets another user read and write a dialogue by wrapping its keys for
// that user (keys.Ring.Grant). The dialogue itself does not change. granted is
// false if the user held every key already.
//
// The error is blue.ErrInvalid for a malformed user, blue.ErrNotFound for an
// unknown dialogue, blue.ErrSealed if the store's own user does not hold the
// keys, blue.ErrErased, or an error of the record store.
func (s *Store) Grant(ctx context.Context, id blue.DialogueID, user string) (granted bool, err error) {
	err = s.seal.Run(ctx, "grant", audit.Grant, string(id), func(ctx context.Context, o *seal.Operation) error {
		if err := keys.CheckUser(user); err != nil {
			return err
		}
		status, err := s.seal.Ring.Status(ctx, string(id))
		if err != nil {
			return err
		}
		o.Started = true
		if status.Active > 0 {
			o.KeyID = fmt.Sprintf("dek#%s#%d", id, status.Active)
		}
		details, err := s.seal.Subject(ctx, user)
		if err != nil {
			return err
		}
		if err := o.Record(ctx, audit.Intent, details); err != nil {
			return err
		}
		if granted, err = s.seal.Ring.Grant(ctx, string(id), user); err != nil {
			return err
		}
		return o.Record(ctx, audit.Success, details)
	})
	return granted && err == nil, err
}

// A Rewrapping reports what a run of Rewrap did.
type Rewrapping struct {
	Own     bool                    `json:"own_key"` // the user's own key was wrapped under the new master key
	Granted map[blue.DialogueID]int `json:"granted"` // keys granted by other users that were wrapped, by dialogue
}

// Rewrap replaces the master key of the store's own user. It opens the user's
// own key, and the keys that were granted to the user in the given dialogues,
// with provider from, and wraps them with the provider of the store. No item
// changes. If it is stopped, both providers open the keys that they wrap, and
// the same call continues. After an error in one dialogue Rewrap continues with
// the others and returns all errors joined.
//
// The error is blue.ErrSealed or keys.ErrDenied if a key cannot be opened,
// blue.ErrAudit, or an error of the record store.
func (s *Store) Rewrap(ctx context.Context, from keys.Provider, dialogues []blue.DialogueID) (Rewrapping, error) {
	report := Rewrapping{Granted: map[blue.DialogueID]int{}}
	err := s.seal.Run(ctx, "rewrap", audit.Rewrap, "", func(ctx context.Context, o *seal.Operation) error {
		umk, err := from.UMK(ctx)
		if err != nil {
			return err
		}
		defer umk.Destroy()
		o.KeyID = umk.Fingerprint()
		if err := o.Record(ctx, audit.Intent, seal.NoDetails); err != nil {
			return err
		}
		o.Started = true
		if report.Own, err = s.seal.Ring.RewrapKEK(ctx, from); err != nil {
			return err
		}
		var errs []error
		for _, id := range dialogues {
			n, err := s.seal.Ring.Rewrap(ctx, string(id), from)
			if err != nil && !errors.Is(err, blue.ErrErased) {
				errs = append(errs, err)
			}
			if n > 0 {
				report.Granted[id] = n
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		return o.Record(ctx, audit.Success, seal.NoDetails)
	})
	if err != nil {
		err = fmt.Errorf("rewrapping the keys of user %s: %w", s.seal.User, err)
	}
	return report, err
}

// A KeyStatus is what the tables say about the keys of a dialogue. Nothing of
// it is verified.
type KeyStatus struct {
	keys.Status
	Items map[uint32]int `json:"items"` // number of items by key version, with meta. 0 counts items that name no version
}

// KeyStatus reads the keys of a dialogue and counts its items. It uses no key
// and leaves no event. The error is blue.ErrNotFound if the dialogue has no
// keys, or an error of the record store.
func (s *Store) KeyStatus(ctx context.Context, id blue.DialogueID) (KeyStatus, error) {
	status, err := s.seal.Ring.Status(ctx, string(id))
	if err != nil {
		return KeyStatus{}, err
	}
	items, err := s.seal.Records.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return KeyStatus{}, err
	}
	count := map[uint32]int{}
	for _, r := range items {
		count[seal.KeyVersion(r)]++
	}
	return KeyStatus{status, count}, nil
}
