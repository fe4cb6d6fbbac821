// Package encrypted is the sealed dialogue store: the engine over a record
// store that seals what passes through it (RFC 0058, EncryptedStore).
//
// What belongs here: sealing and opening whole partitions, the item MAC and
// the sealed root on every commit and load, naming what was damaged, the
// client's memory of the newest state it has seen, and the audit event of
// each operation. What does not: the bytes of an envelope (envelope), keys
// and where they lie (keys), entities and numbers (internal/engine), a
// backend (sqlite, dynamo, memory).
//
// The way of a read: query the partition; open the root with the key that
// meta names; check every item's MAC, then their count and sum against the
// root, then the version against the newest one seen; decrypt; write the
// audit event; return. The way of a write: read as above; seal each new
// item; take the old items out of the root's sum and put the new ones in;
// draft the audit event, whose core hash goes into the new root; commit items,
// meta, event and its pointer as one.
package encrypted

import (
	"cmp"
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure an EncryptedStore. The zero value works.
type Options struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Heads remembers the newest state of each dialogue that this client has
	// seen. Without it an older copy of the whole store is not noticed.
	Heads Heads
	// AcceptRollback reads a state that Heads says is old. What is then
	// written becomes the newest state.
	AcceptRollback bool
	// Tracer makes a span for each operation and its parts (trace.go). Nil
	// makes none.
	Tracer trace.Tracer
	// RotateAfter is how many messages a key may seal before the next write
	// rotates the dialogue first; 2^20 if 0. At 2^32 no write goes on.
	RotateAfter uint64
}

// EncryptedStore is a blue.DialogueStore and blue.AnalyticsStore over any
// record store S and key provider K. It may be used concurrently.
type EncryptedStore[S record.Store, K keys.Provider] struct {
	*engine.Store
	sealing *sealing
	inner   S
}

var (
	_ blue.DialogueStore  = (*EncryptedStore[record.Store, keys.Provider])(nil)
	_ blue.AnalyticsStore = (*EncryptedStore[record.Store, keys.Provider])(nil)
)

// New returns a sealed store for one user. The auditor is not optional:
// whatever it cannot record does not happen. Close closes the keys, not inner.
func New[S record.Store, K keys.Provider](inner S, provider K, user string, auditor *audit.Log, opts *Options) *EncryptedStore[S, K] {
	if auditor == nil {
		panic("encrypted: New without an auditor")
	}
	if opts == nil {
		opts = &Options{}
	}
	sealing := &sealing{
		inner:  inner,
		log:    auditor,
		heads:  opts.Heads,
		accept: opts.AcceptRollback,
		tracer: tracer(opts.Tracer),
		soft:   cmp.Or(opts.RotateAfter, softMessages),
		user:   user,
		now:    opts.Now,
	}
	if sealing.now == nil {
		sealing.now = time.Now
	}
	sealing.keks, _ = keys.Provider(provider).(keys.KEKEraser)
	sealing.ring = keys.NewRing(inner, provider, user, &keys.Options{Now: opts.Now, Record: sealing.recordKey, Tracer: opts.Tracer})
	return &EncryptedStore[S, K]{
		Store:   engine.New(sealing, &engine.Options{Now: opts.Now}),
		sealing: sealing,
		inner:   inner,
	}
}

// Close zeroes the keys that are open in memory. The record store below stays
// open; it is the caller's.
func (e *EncryptedStore[S, K]) Close() error { return e.sealing.Close() }

// Verify loads a dialogue and checks what a load alone does not: that the
// audit log holds the event of the root that is stored, and none of a later
// one, and that the key of the next rotation, if there is one already, was made
// by a holder of the one in use. It returns what Load returns. A whole dialogue put back to an older
// state is found here even by a client that has never seen the newer one, as
// long as the audit table was not put back too.
func (e *EncryptedStore[S, K]) Verify(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	snapshot, err := e.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := e.sealing.checkNext(ctx, string(id)); err != nil {
		return snapshot, err
	}
	return snapshot, e.sealing.checkHistory(ctx, string(id))
}

// Salvage returns what verifies of a damaged dialogue; Snapshot.Damage lists
// what was left out. An undamaged dialogue comes whole.
func (e *EncryptedStore[S, K]) Salvage(ctx context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	records, damage, err := e.sealing.salvage(ctx, string(id))
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
