package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A keyset holds the keys that one operation has opened, each version once. It
// is used by one goroutine.
type keyset struct {
	ring *keys.Ring
	byID map[string]*envelope.Keys
}

func newKeyset(ring *keys.Ring) *keyset {
	return &keyset{ring: ring, byID: make(map[string]*envelope.Keys)}
}

// open returns the keys that a key id names. It returns the errors of
// keys.Ring.Open.
func (s *keyset) open(ctx context.Context, keyID string) (*envelope.Keys, error) {
	if k, ok := s.byID[keyID]; ok {
		return k, nil
	}
	return s.add(s.ring.Open(ctx, keyID))
}

// active returns the keys that encrypt new items. It returns the errors of
// keys.Ring.Active.
func (s *keyset) active(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	return s.add(s.ring.Active(ctx, dialogue))
}

// add keeps keys until destroy. If the set has the same version already, add
// destroys k and returns the keys in the set.
func (s *keyset) add(k *envelope.Keys, err error) (*envelope.Keys, error) {
	if err != nil {
		return nil, err
	}
	if own, ok := s.byID[k.ID()]; ok {
		k.Destroy()
		return own, nil
	}
	s.byID[k.ID()] = k
	return k, nil
}

// destroy erases all keys in memory and empties the set. Long operations call
// it between their steps, so that no key stays longer than the ring allows.
func (s *keyset) destroy() {
	for _, k := range s.byID {
		k.Destroy()
	}
	clear(s.byID)
}

// Each key version is signed by the version before it (keys.Ring.Follows).
// Without that check, any user who may grant access could replace a dialogue by
// one that is encrypted under a key of their own.

// checkLineage returns *blue.TamperError if keys k do not descend from the key
// in the freshness record.
func (s *Sealer) checkLineage(ctx context.Context, dialogue string, remembered *freshness.Record, k *envelope.Keys) error {
	if remembered == nil || s.AcceptRollback || remembered.KeyVersion == 0 {
		return nil
	}
	public, err := hex.DecodeString(remembered.Key)
	if err != nil || len(public) != envelope.PublicSize {
		return fmt.Errorf("%w: the freshness record of dialogue %s names no valid key. If you trust the store as it is, run again with --accept-rollback", blue.ErrTampered, dialogue)
	}
	return s.Ring.CheckSuccession(ctx, dialogue, remembered.KeyVersion, [envelope.PublicSize]byte(public), k)
}

// checkNextKey returns *blue.TamperError if the active key does not descend
// from the key of meta. The next rotation would refuse such a key. A next key
// that this user cannot open is not reported as tampering.
func (s *Sealer) checkNextKey(ctx context.Context, dialogue string) error {
	meta, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return err
	}
	ks := newKeyset(s.Ring)
	defer ks.destroy()
	active, err := ks.active(ctx, dialogue)
	var inUse *envelope.Keys
	if err == nil {
		inUse, err = ks.open(ctx, meta.Attrs[attrKeyID].Str())
	}
	if err == nil && active.Version() > inUse.Version() {
		var public [envelope.PublicSize]byte
		if public, err = inUse.Public(); err == nil {
			err = s.Ring.CheckSuccession(ctx, dialogue, inUse.Version(), public, active)
		}
	}
	switch keys.Class(err) {
	case "denied", "missing", "wrong_key":
		return nil
	}
	return err
}

// A Rotation reports a run of Rotate. Package encrypted has the same type with
// its description and JSON names.
type Rotation struct {
	Dialogue blue.DialogueID
	From     uint32
	To       uint32
	Resumed  bool
	Held     bool
	Items    int
	Commits  int
}

// Limits of one commit of a rotation. They are below the limits of package record.
const (
	maxBatchItems = 80
	maxBatchBytes = 3_000_000 // stored bytes of the items, without meta and the event
)

// maxConflicts is the number of consecutive attempts that may be lost to other
// writers.
const maxConflicts = 64

// A rotation is one run of Rotate.
type rotation struct {
	s      *Sealer
	ks     *keyset
	o      *Operation
	revoke string         // the user who gets no new key version, or ""
	origin keys.Successor // the key that every key used by this run must descend from
	report Rotation
}

// Rotate encrypts a whole dialogue under a new key version and destroys the
// wrapped keys of older versions. If revoke is not "", that user gets no new key
// version, and all wraps of the user are deleted. encrypted.Store.Rotate and
// Revoke describe the behavior and the errors.
func (s *Sealer) Rotate(ctx context.Context, dialogue, revoke string) (Rotation, error) {
	name, kind := "rotate", audit.Rotate
	if revoke != "" {
		name, kind = "revoke", audit.Revoke
	}
	r := &rotation{s: s, ks: newKeyset(s.Ring), revoke: revoke, report: Rotation{Dialogue: blue.DialogueID(dialogue)}}
	defer r.ks.destroy()
	if err := s.Run(ctx, name, kind, dialogue, r.run); err != nil {
		return r.report, fmt.Errorf("%s of dialogue %s: %w", name, dialogue, err)
	}
	return r.report, nil
}

func (r *rotation) run(ctx context.Context, o *Operation) error {
	r.o = o
	p, err := r.load(ctx)
	if err != nil {
		return err
	}
	details, err := r.s.Subject(ctx, r.revoke)
	if err != nil {
		return err
	}
	if err := o.Record(ctx, audit.Intent, details); err != nil {
		return err
	}
	r.report.From, r.report.To = p.root.LeastKey, p.metaKeys.Version()
	if err := r.makeVersion(ctx, p); err != nil {
		return err
	}
	if err := r.encryptAll(ctx, p); err != nil {
		return err
	}
	if err := r.s.Ring.RetireBefore(ctx, o.dialogue, r.report.To); err != nil {
		return err
	}
	return o.Record(ctx, audit.Success, details)
}

// load reads and verifies the dialogue.
func (r *rotation) load(ctx context.Context) (*partition, error) {
	p, _, err := r.s.loadIntact(ctx, r.ks, r.o, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(r.o.dialogue), ForUpdate: true})
	if err == nil && p == nil {
		err = blue.ErrNotFound
	}
	return p, err
}

// makeVersion makes the new key version. If an unfinished rotation is found and
// no user is to be revoked, it makes none, and the run resumes that rotation.
func (r *rotation) makeVersion(ctx context.Context, p *partition) (err error) {
	r.origin.Version = p.metaKeys.Version()
	if r.origin.Public, err = p.metaKeys.Public(); err != nil {
		return err
	}
	for range maxConflicts {
		if err := r.tryMakeVersion(ctx, p); !errors.Is(err, blue.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: the keys changed %d times, and the dialogue was not changed", blue.ErrBusy, maxConflicts)
}

func (r *rotation) tryMakeVersion(ctx context.Context, p *partition) error {
	var except []string
	if r.revoke != "" {
		status, err := r.s.Ring.Status(ctx, r.o.dialogue)
		if err != nil {
			return err
		}
		r.report.Held = r.report.Held || slices.Contains(status.Users(), r.revoke)
		if _, err := r.s.Ring.DiscardUnendorsed(ctx, r.o.dialogue, r.origin.Version, r.origin.Public); err != nil {
			return err
		}
		except = []string{r.revoke}
	}
	active, err := r.activeKeys(ctx, p)
	if err != nil {
		return err
	}
	if r.revoke == "" && (active.Version() > p.metaKeys.Version() || p.root.LeastKey < p.metaKeys.Version()) {
		r.report.Resumed = true
		return nil
	}
	made, err := r.s.Ring.Advance(ctx, r.o.dialogue, active.Version(), except...)
	if err == nil {
		r.origin = made
	}
	return err
}

// activeKeys opens the active key. It returns *blue.TamperError if the dialogue
// uses a newer key, or if the active key does not descend from r.origin.
func (r *rotation) activeKeys(ctx context.Context, p *partition) (*envelope.Keys, error) {
	k, err := r.ks.active(ctx, r.o.dialogue)
	if err != nil {
		return nil, err
	}
	if k.Version() < p.metaKeys.Version() {
		return nil, tampered(r.o.dialogue, *damageOf(record.DamageRolledBack, "head", "the table of keys has version %d, and the dialogue uses version %d", k.Version(), p.metaKeys.Version()))
	}
	return k, r.checkOrigin(ctx, k)
}

// checkOrigin returns *blue.TamperError if keys do not descend from r.origin.
func (r *rotation) checkOrigin(ctx context.Context, k *envelope.Keys) error {
	return r.s.Ring.CheckSuccession(ctx, r.o.dialogue, r.origin.Version, r.origin.Public, k)
}

// encryptAll commits batches until everything is under the active key version.
// After a conflict it reads the dialogue again, to include what other writers
// have committed.
func (r *rotation) encryptAll(ctx context.Context, p *partition) error {
	for lost := 0; lost < maxConflicts; lost++ {
		k, err := r.activeKeys(ctx, p)
		for n := 0; err == nil; n++ {
			batch, isLast := p.olderThan(k.Version())
			if len(batch) == 0 && p.root.LeastKey == k.Version() {
				r.o.KeyID, r.report.To = k.ID(), k.Version()
				return nil
			}
			if n > 0 {
				lost = 0
				k, err = r.reopenKeys(ctx, p, k.ID())
			}
			if err == nil {
				err = r.commit(ctx, p, k, batch, isLast)
			}
		}
		if !IsLost(err) {
			return err
		}
		if err := retry.Writers.Wait(ctx, lost); err != nil {
			return err
		}
		if p, err = r.load(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other writers were first %d times: run it again to continue", blue.ErrBusy, maxConflicts)
}

// reopenKeys opens every key again, because a rotation can take longer than the
// ring keeps keys. A user that the provider denies by then cannot continue.
// reopenKeys returns the keys of keyID.
func (r *rotation) reopenKeys(ctx context.Context, p *partition, keyID string) (*envelope.Keys, error) {
	r.ks.destroy()
	for _, item := range p.items {
		k, err := r.ks.open(ctx, item.Attrs[attrKeyID].Str())
		if r.s.isMetaReplaced(ctx, r.o.dialogue, p.items, err) {
			err = &record.ConflictError{Table: record.Dialogues, Key: record.MetaKey(r.o.dialogue)}
		}
		if err != nil {
			return nil, err
		}
		p.keys[item.Key.Item] = k
	}
	p.metaKeys = p.keys[record.Meta]
	k, err := r.ks.open(ctx, keyID)
	if err != nil {
		return nil, err
	}
	return k, r.checkOrigin(ctx, k)
}

// olderThan returns the next items under key versions below version, and
// whether these are the last ones.
func (p *partition) olderThan(version uint32) (batch []record.Record, isLast bool) {
	bytes := 0
	for _, item := range p.items {
		if item.Key.Item == record.Meta || p.keys[item.Key.Item].Version() >= version {
			continue
		}
		bytes += item.Size()
		if len(batch) == maxBatchItems || len(batch) > 0 && bytes > maxBatchBytes {
			return batch, false
		}
		batch = append(batch, item)
	}
	return batch, true
}

// commit encrypts a batch and meta under k, and updates p and the report. The first commit under a new key
// computes the root's sum again, under the new K_root and over the MACs of all
// items as they are. The last one raises the root's least key version.
func (r *rotation) commit(ctx context.Context, p *partition, k *envelope.Keys, batch []record.Record, isLast bool) error {
	u := &update{dialogue: r.o.dialogue, keys: k, root: p.root}
	if p.metaKeys.Version() == k.Version() {
		var err error
		if u.sum, err = p.root.sum(); err != nil {
			return err
		}
	} else {
		u.sum = p.sum(k)
		u.root.ActiveKey, u.root.Messages = k.Version(), 0
	}
	if isLast {
		u.root.LeastKey = k.Version()
	}
	writes := make([]record.Write, 0, len(batch)+1)
	for _, item := range append(batch, p.item(record.Meta)) {
		plain, err := decryptItem(p.keys[item.Key.Item], item)
		if err != nil {
			return err
		}
		writes = append(writes, record.Write{Table: record.Dialogues, Record: plain, Prev: item.Attrs})
	}
	sealed, err := runOperation(ctx, r.s, "commit", audit.Encrypt, r.o.dialogue, func(ctx context.Context, o *Operation) ([]record.Write, error) {
		return r.s.write(ctx, o, u, writes)
	})
	if err != nil {
		return err
	}
	for _, w := range sealed {
		if w.Table == record.Dialogues {
			p.items[p.find(w.Record.Key.Item)] = w.Record
			p.keys[w.Record.Key.Item] = k
		}
	}
	p.metaKeys, p.root = k, u.root
	r.report.Commits++
	r.report.Items += len(batch)
	return nil
}
