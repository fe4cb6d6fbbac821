package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Commit implements record.Store. It encrypts the records of one dialogue,
// renews the root and adds the audit event. It returns the errors of Query and of
// record.Store, and blue.ErrSealed for a key that has encrypted 2^32 messages.
func (s *Sealer) Commit(ctx context.Context, writes []record.Write) error {
	var meta *record.Write
	for i, w := range writes {
		if w.Table != record.Dialogues {
			return fmt.Errorf("%w: seal: table %s is not encrypted", blue.ErrInvalid, w.Table)
		}
		if w.Record.Key.Item == record.Meta {
			meta = &writes[i]
		}
	}
	if meta == nil {
		return fmt.Errorf("%w: seal: a commit without %s", blue.ErrInvalid, record.Meta)
	}
	dialogue, err := dialogueOf(meta.Table, meta.Record.Key.Partition)
	if err != nil {
		return err
	}
	return s.Run(ctx, "commit", audit.Encrypt, dialogue, func(ctx context.Context, o *Operation) error {
		o.Started, o.KeyID = meta.Prev != nil, keyIDOf(dialogue, meta.Prev)
		if err := record.CheckBatch(writes); err != nil {
			return err
		}
		ks := newKeyset(s.Ring)
		defer ks.destroy()
		u, err := s.newUpdate(ctx, ks, dialogue, meta)
		if err != nil {
			return err
		}
		rotated, err := s.rotateIfDue(ctx, u)
		if rotated {
			err = &record.ConflictError{Table: record.Dialogues, Key: meta.Record.Key}
		}
		if err != nil {
			return err
		}
		_, err = s.write(ctx, o, u, writes)
		return err
	})
}

// rotateIfDue rotates the key when it has encrypted the soft limit of messages.
// After a rotation the caller must repeat its request on the new state. A
// dialogue whose items are about as many as the limit is not rotated, because
// each write would rotate it. If the rotation fails, for example because the
// user lacks permission to make keys, its event records the failure, and the
// write continues under the present key.
func (s *Sealer) rotateIfDue(ctx context.Context, u *update) (rotated bool, err error) {
	if u.root.Messages < s.RotateAfter || u.root.Messages < 4*uint64(u.root.Count+1) {
		return false, nil
	}
	_, err = s.Rotate(ctx, u.dialogue, "")
	if err != nil && !errors.Is(err, blue.ErrAudit) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// write encrypts records and commits them with their event. It returns what it
// committed.
func (s *Sealer) write(ctx context.Context, o *Operation, u *update, writes []record.Write) ([]record.Write, error) {
	o.KeyID = u.keys.ID()
	lease, err := s.Log.Lease(ctx)
	if err != nil {
		return nil, err
	}
	_, span := s.Tracer.Start(ctx, "seal")
	sealed, event, void, err := u.encrypt(lease, writes)
	setSize(span, len(sealed), func(i int) record.Record { return sealed[i].Record })
	endSpan(span, err)
	if err != nil {
		lease.Failed()
		return nil, err
	}
	o.Started = true // a failure of the commit is a failure of this operation
	err = s.Records.Commit(ctx, sealed)
	lease.End(err, event, void)
	if err != nil {
		return nil, err
	}
	o.hasResult = true
	if err := s.remember(u.dialogue, u.root, u.keys); err != nil {
		return nil, fmt.Errorf("the change is stored, but its freshness record is not: %w", err)
	}
	return sealed, nil
}

// An update is one commit while it is being encrypted.
type update struct {
	dialogue string
	keys     *envelope.Keys
	root     root // the new root, in parts
	sum      envelope.Sum
	written  []audit.Item
}

// newUpdate opens the root that a commit replaces. For a new dialogue it makes
// the key and an empty root.
func (s *Sealer) newUpdate(ctx context.Context, ks *keyset, dialogue string, meta *record.Write) (u *update, err error) {
	u = &update{dialogue: dialogue}
	if meta.Prev == nil {
		if err := s.checkUnused(ctx, dialogue); err != nil {
			return nil, err
		}
		if u.keys, err = ks.add(s.Ring.Create(ctx, dialogue)); err != nil {
			return nil, err
		}
		u.root = newRoot(u.keys)
		return u, nil
	}
	u.keys, err = ks.open(ctx, meta.Prev[attrKeyID].Str())
	if s.isReplaced(ctx, record.Record{Key: meta.Record.Key, Attrs: meta.Prev}, err) {
		err = &record.ConflictError{Table: record.Dialogues, Key: meta.Record.Key}
	}
	if err != nil {
		return nil, err
	}
	if u.root, err = openRoot(u.keys, dialogue, meta.Prev); err != nil {
		return nil, err
	}
	u.sum, err = u.root.sum()
	return u, err
}

// encrypt encrypts all writes, with meta and the new root first, and adds the
// writes of the audit event. void is the event that takes its place if the
// commit must be voided. It returns no writes with an error.
func (u *update) encrypt(lease *audit.Lease, writes []record.Write) (_ []record.Write, event, void audit.Event, err error) {
	if event, err = lease.Draft(audit.Encrypt, u.dialogue, u.keys.ID(), audit.Success); err != nil {
		return nil, event, void, err
	}
	if void, err = lease.Void(event); err != nil {
		return nil, event, void, err
	}
	u.root.Version++
	u.root.Messages += uint64(len(writes)) + 1
	if u.root.Messages > maxMessages {
		return nil, event, void, fmt.Errorf("%w: %s has encrypted 2^32 messages and must be rotated", blue.ErrSealed, u.keys.ID())
	}
	sealed := make([]record.Write, 1, len(writes)+3)
	for _, w := range writes {
		if w.Record.Key.Item == record.Meta {
			sealed[0] = w
			continue
		}
		below, err := u.encryptItem(w)
		if err != nil {
			return nil, event, void, err
		}
		sealed = append(sealed, below)
	}
	u.root.Sum = hex.EncodeToString(u.sum[:])
	if err := event.Write(u.written); err != nil {
		return nil, event, void, err
	}
	event.RootVersion = u.root.Version
	u.root.Chain, u.root.Seq, u.root.CoreHash = event.Chain, event.Seq, event.CoreHash()
	attrs, err := u.root.encrypt(u.keys, u.dialogue)
	if err != nil {
		return nil, event, void, err
	}
	meta := &sealed[0]
	if meta.Record, err = encrypt(u.keys, meta.Record, attrs); err != nil {
		return nil, event, void, err
	}
	meta.Prev = conditionOn(meta.Prev)
	event.Close(u.root.hash)
	return append(sealed, event.Writes(&void)...), event, void, nil
}

// encryptItem encrypts one item other than meta, and updates the root's count,
// sum and highest numbers.
func (u *update) encryptItem(w record.Write) (record.Write, error) {
	sk := w.Record.Key.Item
	below := record.Write{Table: w.Table, Prev: conditionOn(w.Prev), Check: w.Check, Record: record.Record{Key: w.Record.Key}}
	if w.Check {
		return below, nil
	}
	if w.Prev != nil {
		u.sum.Sub(u.keys.Element(sk, w.Prev[attrMAC].Bin()))
		u.root.Count--
	}
	if len(w.Record.Attrs) == 0 { // a deletion
		u.written = append(u.written, audit.Item{SK: sk})
		return below, nil
	}
	var err error
	if below.Record, err = encrypt(u.keys, w.Record, nil); err != nil {
		return record.Write{}, err
	}
	mac := below.Record.Attrs[attrMAC].Bin()
	u.sum.Add(u.keys.Element(sk, mac))
	u.root.Count++
	u.root.raiseHighest(sk)
	u.written = append(u.written, audit.Item{SK: sk, Tag: u.keys.Tag(sk, mac)})
	return below, nil
}

// conditionOn returns the condition that an item is still the one that was read.
// Its MAC is enough, because the MAC covers the whole item.
func conditionOn(prev record.Attrs) record.Attrs {
	if prev == nil {
		return nil
	}
	return record.Attrs{attrMAC: prev[attrMAC]}
}
