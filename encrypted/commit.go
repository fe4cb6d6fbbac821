package encrypted

import (
	"context"
	"encoding/hex"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Commit implements record.Store: it seals the records of one dialogue,
// renews its root, and adds the audit event.
func (s *sealing) Commit(ctx context.Context, writes []record.Write) error {
	head, err := headOf(writes)
	if err != nil {
		return err
	}
	dialogue, err := dialogueOf(head.Record.Key.Partition)
	if err != nil {
		return err
	}
	ctx, o := s.operate(ctx, "commit", audit.Encrypt, dialogue)
	return o.end(ctx, s.commit(ctx, o, head, writes))
}

func (s *sealing) commit(ctx context.Context, o *operation, head *record.Write, writes []record.Write) error {
	o.read, o.keyID = head.Prev != nil, claimed(o.dialogue, record.Record{Attrs: head.Prev})
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	ks := newKeyset(s.ring)
	defer ks.destroy()
	c, err := s.begin(ctx, ks, o.dialogue, head)
	if err != nil {
		return err
	}
	rotated, err := s.relieve(ctx, c)
	if rotated {
		err = &record.ConflictError{Table: record.Dialogues, Key: head.Record.Key}
	}
	if err != nil {
		return err
	}
	_, err = s.land(ctx, o, c, writes)
	return err
}

// land seals the writes and commits them with their event.
func (s *sealing) land(ctx context.Context, o *operation, c *commit, writes []record.Write) (sealed []record.Write, err error) {
	o.keyID = c.keys.ID()
	lease, err := s.log.Lease(ctx)
	if err != nil {
		return nil, err
	}
	sealed, event, void, err := c.sealAll(ctx, s.tracer, lease, writes)
	if err != nil {
		lease.Failed()
		return nil, err
	}
	o.read = true // and sealed: from here on the outcome is this operation's
	err = s.inner.Commit(ctx, sealed)
	lease.End(err, event, void)
	if err != nil {
		return nil, err
	}
	o.landed = true
	return sealed, s.stands(c.dialogue, c.root, c.keys)
}

// headOf finds the head among the writes to one dialogue.
func headOf(writes []record.Write) (head *record.Write, err error) {
	for i, w := range writes {
		if w.Table != record.Dialogues {
			return nil, fmt.Errorf("%w: encrypted: table %s is not sealed", blue.ErrInvalid, w.Table)
		}
		if w.Record.Key.Item == record.Meta {
			head = &writes[i]
		}
	}
	if head == nil {
		return nil, fmt.Errorf("%w: encrypted: a commit without %s", blue.ErrInvalid, record.Meta)
	}
	return head, nil
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
func (s *sealing) begin(ctx context.Context, ks *keyset, dialogue string, head *record.Write) (c *commit, err error) {
	c = &commit{dialogue: dialogue}
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
	c.keys, err = ks.get(ctx, head.Prev[attrKeyID].Str())
	if s.moved(ctx, head.Record.Key, head.Prev, err) {
		err = &record.ConflictError{Table: record.Dialogues, Key: head.Record.Key}
	}
	if err != nil {
		return nil, err
	}
	if c.root, err = openRoot(c.keys, dialogue, head.Prev); err != nil {
		return nil, err
	}
	c.sum, err = c.root.sum()
	return c, err
}

// sealAll is seal with its span.
func (c *commit) sealAll(ctx context.Context, t trace.Tracer, lease *audit.Lease, writes []record.Write) (sealed []record.Write, event, void audit.Event, err error) {
	_, span := t.Start(ctx, "seal")
	defer func() { endSpan(span, err) }()
	if sealed, event, void, err = c.seal(lease, writes); err == nil {
		measureWrites(span, sealed)
	}
	return sealed, event, void, err
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
		if w.Record.Key.Item == record.Meta {
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
	sk := w.Record.Key.Item
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
