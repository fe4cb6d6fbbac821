// Package seal is the record.Store that encrypts and authenticates the items of
// dialogues on their way to the store below it.
//
// It decides when an item is encrypted, which key is used, whether an item
// can be trusted, and which audit event an operation leaves. It does not
// know entities (internal/engine), the bytes of ciphertexts and MACs
// (envelope), where keys come from (keys), or any backend. Package encrypted is
// its public form, and package erasure destroys what it stores.
//
// A Sealer encrypts, verifies and rotates items. An Operation is one audited call.
// A root commits to all items of a dialogue, a keyset has the keys that an
// operation opened, and a partition has the verified items. The package also
// diagnoses damage: it names the items that were changed, removed or rolled back.
//
// # Reading
//
// A read fetches the whole partition and opens the root with the key that the
// meta item names. It checks the MAC of every item, then number and sum of the
// items against the root, then the root's version against the freshness record
// of this client. Then it decrypts, stores the audit event, and returns.
//
// # Writing
//
// A write encrypts each new item, takes the replaced items out of the root's
// sum and adds the new ones. It drafts the audit event, whose core hash goes
// into the new root, and commits items, meta, event and the event's pointer in
// one commit.
package seal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Config holds the parts of a Store. Records, Provider, User and Log are
// required.
type Config struct {
	Records  record.Store  // the store below, which Close leaves open
	Provider keys.Provider // of the master key
	User     string        // whose keys are used
	Log      *audit.Log    // gets the event of every operation
	Now      func() time.Time
	Tracer   trace.Tracer

	// Freshness remembers the newest state of each dialogue. If it is nil, a
	// restored older copy of the store is not noticed.
	Freshness freshness.Store
	// AcceptRollback accepts a state that is older than its freshness record.
	AcceptRollback bool
	// RotateAfter is the number of messages that one key encrypts before the
	// next write rotates the key.
	RotateAfter uint64
}

// A Sealer is a record.Store for table Dialogues of Config.Records. The store
// below is a named field: if it were embedded, a method that is missing here
// would pass records through in plain text. All methods may be called
// concurrently.
type Sealer struct {
	Config
	Ring *keys.Ring // opens the keys of dialogues as Config.User
}

var (
	_ record.Store   = (*Sealer)(nil)
	_ record.Witness = (*Sealer)(nil)
)

// softMessages is the default of Config.RotateAfter. maxMessages, the limit at
// which no write is possible, is 4,096 times larger.
const softMessages = 1 << 20

// New returns a Store. It fills in defaults for Now, Tracer and RotateAfter.
func New(c Config) *Sealer {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("")
	}
	c.RotateAfter = cmp.Or(c.RotateAfter, softMessages)
	s := &Sealer{Config: c}
	s.Ring = keys.NewRing(c.Records, c.Provider, c.User, &keys.Options{Now: c.Now, Record: s.recordKey, Tracer: c.Tracer})
	return s
}

// A Handle gives other packages of this module access to the Store of a public
// type that embeds it. The public type needs no exported method for that.
type Handle struct{ store *Sealer }

// Handle returns the handle of s.
func (s *Sealer) Handle() Handle { return Handle{s} }

func (h Handle) sealed() *Sealer { return h.store }

// Of returns the Store of a type that embeds a Handle.
func Of(embeds interface{ sealed() *Sealer }) *Sealer { return embeds.sealed() }

// Close implements record.Store. It erases the keys in memory and leaves the
// store below open.
func (s *Sealer) Close() error { return s.Ring.Close() }

// Index implements record.Store. Its rows are clear attributes and are not
// verified.
func (s *Sealer) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	return s.Records.Index(ctx, index, pk)
}

// Get implements record.Store. It checks the MAC of the item, decrypts it and
// leaves an event. It returns the errors of Query, and blue.ErrNotFound.
func (s *Sealer) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	dialogue, err := dialogueOf(table, key.Partition)
	if err != nil {
		return record.Record{}, err
	}
	return runOperation(ctx, s, "get", audit.Decrypt, dialogue, func(ctx context.Context, o *Operation) (record.Record, error) { return s.get(ctx, o, key) })
}

func (s *Sealer) get(ctx context.Context, o *Operation, key record.Key) (record.Record, error) {
	remembered, err := s.remembered(o.dialogue)
	if err != nil {
		return record.Record{}, err
	}
	r, err := s.Records.Get(ctx, record.Dialogues, key)
	if errors.Is(err, blue.ErrNotFound) {
		return record.Record{}, s.explainAbsence(ctx, o.dialogue, err)
	}
	if err == nil {
		err = s.checkTombstone(ctx, o.dialogue, r)
	}
	if err != nil {
		return record.Record{}, err
	}
	o.Started, o.KeyID = true, keyIDOf(o.dialogue, r.Attrs)
	ks := newKeyset(s.Ring)
	defer ks.destroy()
	k, damage, err := authenticate(ctx, ks, o.dialogue, r)
	if s.isReplaced(ctx, r, err) {
		return s.get(ctx, o, key)
	}
	if err != nil {
		return record.Record{}, err
	}
	if damage != nil {
		return record.Record{}, tampered(o.dialogue, *damage)
	}
	if remembered != nil && k.Version() < remembered.KeyVersion {
		// A rotation is in progress and has not reached this item. Only the
		// root vouches for an item under an older key.
		p, _, err := s.loadIntact(ctx, ks, o, record.Query{Table: record.Dialogues, Partition: key.Partition})
		if err != nil {
			return record.Record{}, err
		}
		if r = p.item(key.Item); r.Key != key {
			return record.Record{}, fmt.Errorf("%w: %s", blue.ErrNotFound, key.Item)
		}
		k = p.keys[key.Item]
	} else if err := s.checkLineage(ctx, o.dialogue, remembered, k); err != nil {
		return record.Record{}, err
	}
	opened, err := decryptItem(k, r)
	if err != nil {
		return record.Record{}, err
	}
	return opened, o.recordRead(ctx, 0, []record.Record{r})
}

// Query implements record.Store for a whole dialogue, verified and decrypted.
// If q.ForUpdate is set, the caller must call Commit or Witness next, because
// the read has left no event.
//
// The error is *blue.TamperError if the items do not match the sealed root or
// the freshness record, blue.ErrSealed if a key cannot be opened,
// blue.ErrErased, blue.ErrBusy if the dialogue changed during each read,
// blue.ErrAudit if the event cannot be stored, or an error of the store below.
func (s *Sealer) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	dialogue, err := dialogueOf(q.Table, q.Partition)
	if err != nil {
		return nil, err
	}
	return runOperation(ctx, s, "load", audit.Decrypt, dialogue, func(ctx context.Context, o *Operation) ([]record.Record, error) {
		ks := newKeyset(s.Ring)
		defer ks.destroy()
		p, remembered, err := s.loadIntact(ctx, ks, o, q)
		if err != nil || p == nil {
			return nil, err
		}
		opened, err := p.decrypt(ctx, s.Tracer)
		// The state is remembered before the event is stored, so that a failure
		// leaves no event of success.
		if err == nil && (remembered == nil || remembered.Incarnation == p.root.Incarnation && remembered.Version < p.root.Version) {
			err = s.remember(dialogue, p.root, p.metaKeys)
		}
		if err == nil && !q.ForUpdate {
			err = o.recordRead(ctx, p.root.Version, p.items)
		}
		return opened, err
	})
}

// Witness implements record.Witness. It stores the event of a read that no
// commit followed.
func (s *Sealer) Witness(ctx context.Context, records []record.Record) error {
	if len(records) == 0 {
		return nil
	}
	dialogue, err := dialogueOf(record.Dialogues, records[0].Key.Partition)
	if err != nil {
		return err
	}
	return s.Run(ctx, "witness", audit.Decrypt, dialogue, func(ctx context.Context, o *Operation) error {
		meta := record.MetaOf(records)
		o.KeyID = meta.Attrs[attrKeyID].Str()
		return o.recordRead(ctx, uint64(meta.Attrs[attrVersion].Int()), records)
	})
}

// dialogueOf returns the dialogue of a partition of table Dialogues. The error
// is blue.ErrInvalid.
func dialogueOf(table record.Table, pk record.Partition) (string, error) {
	dialogue, ok := pk.Dialogue()
	if table != record.Dialogues || !ok || dialogue == "" {
		return "", fmt.Errorf("%w: seal: partition %q of table %s does not hold a dialogue", blue.ErrInvalid, pk, table)
	}
	return dialogue, nil
}

// damageOf returns the damage of an item. Its detail is formatted as by
// fmt.Sprintf.
func damageOf(class, item, detail string, args ...any) *blue.Damage {
	return &blue.Damage{Class: class, Item: item, Detail: fmt.Sprintf(detail, args...)}
}

// tampered returns the error of a damaged dialogue.
func tampered(dialogue string, damage ...blue.Damage) *blue.TamperError {
	return &blue.TamperError{Dialogue: blue.DialogueID(dialogue), Damage: damage}
}

// rolledBack returns the error of a meta item that is too old.
func rolledBack(dialogue, detail string, args ...any) *blue.TamperError {
	t := tampered(dialogue, *damageOf(record.DamageRolledBack, record.Meta, detail, args...))
	t.RolledBack = true
	return t
}
