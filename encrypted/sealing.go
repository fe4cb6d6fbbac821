package encrypted

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// sealing is a record.Store that seals table Dialogues of the store below. It
// holds that store in a named field: embedded, a method that was forgotten
// here would pass unsealed.
type sealing struct {
	inner  record.Store
	ring   *keys.Ring
	log    *audit.Log
	heads  Heads
	accept bool
}

var _ record.Store = (*sealing)(nil)

// Close implements record.Store. The store below stays open.
func (s *sealing) Close() error {
	return s.ring.Close()
}

// Index implements record.Store. Rows are clear attributes, not verified.
func (s *sealing) Index(ctx context.Context, index record.Index, pk string) ([]record.Record, error) {
	return s.inner.Index(ctx, index, pk)
}

// Get implements record.Store for one item: its MAC is checked and it is
// opened, and the read leaves an event.
func (s *sealing) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	if table != record.Dialogues {
		return record.Record{}, fmt.Errorf("%w: encrypted: table %s is not sealed", blue.ErrInvalid, table)
	}
	dialogue, err := dialogueOf(key.PK)
	if err != nil {
		return record.Record{}, err
	}
	r, err := s.inner.Get(ctx, table, key)
	if err != nil {
		return record.Record{}, err
	}
	ks := newKeyset(s.ring)
	defer ks.destroy()
	k, damage, err := check(ctx, ks, dialogue, r)
	if err != nil {
		return record.Record{}, err
	}
	if damage != nil {
		return record.Record{}, s.report(ctx, dialogue, r.Attrs[attrKeyID].Str(), &blue.TamperError{Dialogue: blue.DialogueID(dialogue), Damage: []blue.Damage{*damage}})
	}
	opened, err := open(k, r)
	if err != nil {
		return record.Record{}, err
	}
	return opened, s.readEvent(ctx, dialogue, k.ID(), 0, []record.Record{r})
}

// Query implements record.Store for a whole dialogue, verified and opened.
func (s *sealing) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if q.Table != record.Dialogues {
		return nil, fmt.Errorf("%w: encrypted: table %s is not sealed", blue.ErrInvalid, q.Table)
	}
	dialogue, err := dialogueOf(q.PK)
	if err != nil {
		return nil, err
	}
	h, err := s.remembered(dialogue)
	if err != nil {
		return nil, err
	}
	ks := newKeyset(s.ring)
	defer ks.destroy()
	p, err := s.load(ctx, ks, q, dialogue, h)
	if err != nil || p == nil {
		return nil, err
	}
	if len(p.damage) > 0 {
		err = &blue.TamperError{Dialogue: blue.DialogueID(dialogue), Damage: p.damage}
	} else {
		err = s.checkFreshness(dialogue, h, p.root)
	}
	if err != nil {
		return nil, s.report(ctx, dialogue, p.keyID(), err)
	}
	opened, err := p.open()
	if err != nil {
		return nil, err
	}
	if !q.ForUpdate {
		if err := s.readEvent(ctx, dialogue, p.keyID(), p.root.Version, p.items); err != nil {
			return nil, err
		}
	}
	return opened, s.seen(dialogue, h, p.root)
}

// load reads and verifies a partition; nil for a dialogue that never was.
//
// Damage is believed only if meta is the same before and after it was
// examined, since the audit events are read later than the partition, and, on
// a store whose plain reads may show a commit half landed, only if exact reads
// show the same damage again and again (design §4).
func (s *sealing) load(ctx context.Context, ks *keyset, q record.Query, dialogue string, h *Head) (*loaded, error) {
	t := newTrial(s.inner)
	for range t.tries() {
		items, err := s.inner.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			present, err := s.checkAbsence(ctx, dialogue, h)
			if err != nil || !present {
				return nil, err
			}
			continue
		}
		if err := s.checkFinished(ctx, dialogue, h, items); err != nil {
			return nil, err
		}
		p, err := s.verify(ctx, ks, dialogue, items)
		if err != nil {
			return nil, s.report(ctx, dialogue, p.keyID(), err)
		}
		if len(p.damage) == 0 {
			return p, nil
		}
		same, err := s.sameMeta(ctx, dialogue, items)
		if err != nil {
			return nil, err
		}
		if proved, err := t.saw(ctx, p, same); err != nil || proved {
			return p, err
		}
		q.Exact = true
	}
	return nil, fmt.Errorf("%w: dialogue %s changed each time it was read", blue.ErrBusy, dialogue)
}

// sameMeta reports whether meta still is as it was among the items.
func (s *sealing) sameMeta(ctx context.Context, dialogue string, items []record.Record) (bool, error) {
	now, err := s.inner.Get(ctx, record.Dialogues, record.Key{PK: "dialogue#" + dialogue, SK: record.Head})
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	for _, r := range items {
		if r.Key.SK == record.Head {
			return err == nil && now.Equal(r), nil
		}
	}
	return err != nil, nil
}

// Commit implements record.Store: it seals the records of one dialogue,
// renews its root, and adds the audit event.
func (s *sealing) Commit(ctx context.Context, writes []record.Write) error {
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	ks := newKeyset(s.ring)
	defer ks.destroy()
	c, err := s.begin(ctx, ks, writes)
	if err != nil {
		return err
	}
	lease, err := s.log.Lease(ctx)
	if err != nil {
		return err
	}
	sealed, event, void, err := c.seal(lease, writes)
	if err != nil {
		lease.Failed()
		return err
	}
	err = s.inner.Commit(ctx, sealed)
	lease.End(err, event, void)
	if err != nil {
		return err
	}
	return s.stands(c.dialogue, c.root)
}

// commit is one commit on its way down.
type commit struct {
	dialogue string
	keys     *envelope.Keys
	root     root // renewed
	sum      envelope.Sum
	macs     []audit.Item
}

// begin opens the root that the commit stands on, or begins a new one.
func (s *sealing) begin(ctx context.Context, ks *keyset, writes []record.Write) (*commit, error) {
	var head *record.Write
	for i, w := range writes {
		if w.Table != record.Dialogues {
			return nil, fmt.Errorf("%w: encrypted: table %s is not sealed", blue.ErrInvalid, w.Table)
		}
		if w.Record.Key.SK == record.Head {
			head = &writes[i]
		}
	}
	dialogue, err := dialogueOf(head.Record.Key.PK)
	if err != nil {
		return nil, err
	}
	c := &commit{dialogue: dialogue}
	if head.Prev == nil {
		if err := s.checkFree(ctx, dialogue); err != nil {
			return nil, err
		}
		if c.keys, err = ks.create(ctx, dialogue); err != nil {
			return nil, err
		}
		c.root = newRoot(c.keys)
		return c, nil
	}
	if c.keys, err = ks.get(ctx, head.Prev[attrKeyID].Str()); err != nil {
		return nil, err
	}
	if c.root, err = openRoot(c.keys, dialogue, head.Prev); err != nil {
		return nil, err
	}
	c.sum, err = c.root.sum()
	return c, err
}

// seal returns the writes of the store below: the sealed items, meta with the
// new root, the audit event and its pointer.
func (c *commit) seal(lease *audit.Lease, writes []record.Write) (sealed []record.Write, event, void audit.Event, err error) {
	fail := func(err error) ([]record.Write, audit.Event, audit.Event, error) { return nil, event, void, err }
	if event, err = lease.Draft(audit.Encrypt, c.dialogue, c.keys.ID(), audit.Success); err != nil {
		return fail(err)
	}
	if void, err = lease.Void(event); err != nil {
		return fail(err)
	}
	c.root.Version++
	c.root.Messages += uint64(len(writes)) + 1
	if c.root.Messages > maxMessages {
		return fail(fmt.Errorf("%w: %s has sealed 2^32 messages and must be rotated", blue.ErrSealed, c.keys.ID()))
	}
	sealed = make([]record.Write, 0, len(writes)+2)
	var head record.Write
	for _, w := range writes {
		if w.Record.Key.SK == record.Head {
			head = w
			continue
		}
		below, err := c.sealItem(w)
		if err != nil {
			return fail(err)
		}
		sealed = append(sealed, below)
	}
	c.root.Sum = hex.EncodeToString(c.sum[:])
	if err := event.Write(c.macs); err != nil {
		return fail(err)
	}
	event.RootVersion = c.root.Version
	c.root.Chain, c.root.Seq, c.root.CoreHash = event.Chain, event.Seq, event.CoreHash()
	extra, err := c.root.seal(c.keys, c.dialogue)
	if err != nil {
		return fail(err)
	}
	meta, err := seal(c.keys, head.Record, extra)
	if err != nil {
		return fail(err)
	}
	event.Close(audit.RootHash(extra[attrRoot].Bin()))
	sealed = append([]record.Write{{Table: record.Dialogues, Record: meta, Prev: condition(head.Prev)}}, sealed...)
	return append(sealed, event.Writes(&void)...), event, void, nil
}

// sealItem seals one item but meta and moves the root along.
func (c *commit) sealItem(w record.Write) (record.Write, error) {
	sk := w.Record.Key.SK
	below := record.Write{Table: w.Table, Prev: condition(w.Prev), Check: w.Check}
	below.Record.Key = w.Record.Key
	if w.Check {
		return below, nil
	}
	if w.Prev != nil {
		c.sum.Sub(c.keys.Element(sk, w.Prev[attrMAC].Bin()))
		c.root.Count--
	}
	if len(w.Record.Attrs) == 0 {
		c.macs = append(c.macs, audit.Item{SK: sk})
		return below, nil
	}
	r, err := seal(c.keys, w.Record, nil)
	if err != nil {
		return record.Write{}, err
	}
	below.Record = r
	mac := r.Attrs[attrMAC].Bin()
	c.sum.Add(c.keys.Element(sk, mac))
	c.root.Count++
	c.root.note(sk)
	c.macs = append(c.macs, audit.Item{SK: sk, Tag: c.keys.Tag(sk, mac)})
	return below, nil
}

// condition reduces what was read to the MAC, which covers all of it.
func condition(prev record.Attrs) record.Attrs {
	if prev == nil {
		return nil
	}
	return record.Attrs{attrMAC: prev[attrMAC]}
}
