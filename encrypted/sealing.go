package encrypted

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

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
	tracer trace.Tracer
	soft   uint64 // messages under one key after which a write rotates
	now    func() time.Time
	user   string
	keks   keys.KEKEraser // nil where the provider stores none
}

var (
	_ record.Store   = (*sealing)(nil)
	_ record.Witness = (*sealing)(nil)
)

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
	dialogue, err := dialogueOf(key.Partition)
	if err != nil {
		return record.Record{}, err
	}
	ctx, o := s.operate(ctx, "get", audit.Decrypt, dialogue)
	opened, err := s.get(ctx, o, key)
	if err = o.end(ctx, err); err != nil {
		return record.Record{}, err
	}
	return opened, nil
}

func (s *sealing) get(ctx context.Context, o *operation, key record.Key) (record.Record, error) {
	h, err := s.remembered(o.dialogue)
	if err != nil {
		return record.Record{}, err
	}
	r, err := s.inner.Get(ctx, record.Dialogues, key)
	if err != nil {
		return record.Record{}, s.absent(ctx, o.dialogue, err)
	}
	if err := s.checkTombstone(ctx, o.dialogue, r); err != nil {
		return record.Record{}, err
	}
	o.read, o.keyID = true, claimed(o.dialogue, r)
	ks := newKeyset(s.ring)
	defer ks.destroy()
	k, damage, err := check(ctx, ks, o.dialogue, r)
	if s.moved(ctx, key, r.Attrs, err) {
		return s.get(ctx, o, key)
	}
	if err != nil {
		return record.Record{}, err
	}
	if damage != nil {
		return record.Record{}, &blue.TamperError{Dialogue: blue.DialogueID(o.dialogue), Damage: []blue.Damage{*damage}}
	}
	if h != nil && k.Version() < h.KeyVersion {
		return s.getAmongAll(ctx, ks, o, key)
	}
	if err := s.checkKeys(ctx, o.dialogue, h, k); err != nil {
		return record.Record{}, err
	}
	opened, err := open(k, r)
	if err != nil {
		return record.Record{}, err
	}
	return opened, o.succeeded(ctx, 0, []record.Record{r})
}

// getAmongAll is get of an item under an older key than this client has seen: a
// rotation is under way, and the root alone vouches for what it has not reached.
func (s *sealing) getAmongAll(ctx context.Context, ks *keyset, o *operation, key record.Key) (record.Record, error) {
	p, _, err := s.fresh(ctx, ks, o, record.Query{Table: record.Dialogues, Partition: key.Partition})
	if err != nil {
		return record.Record{}, err
	}
	var r record.Record
	if p != nil {
		r = p.items[min(p.find(key.Item), len(p.items)-1)]
	}
	if r.Key != key {
		return record.Record{}, fmt.Errorf("%w: %s", blue.ErrNotFound, key.Item)
	}
	opened, err := open(p.keys[key.Item], r)
	if err != nil {
		return record.Record{}, err
	}
	return opened, o.succeeded(ctx, 0, []record.Record{r})
}

// claimed returns the key id of an item if it is one of its dialogue's, else
// "": an event does not repeat what somebody wrote into a store.
func claimed(dialogue string, r record.Record) string {
	id := r.Attrs[attrKeyID].Str()
	if of, _, err := envelope.ParseKeyID(id); err != nil || of != dialogue {
		return ""
	}
	return id
}

// Query implements record.Store for a whole dialogue, verified and opened.
func (s *sealing) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if q.Table != record.Dialogues {
		return nil, fmt.Errorf("%w: encrypted: table %s is not sealed", blue.ErrInvalid, q.Table)
	}
	dialogue, err := dialogueOf(q.Partition)
	if err != nil {
		return nil, err
	}
	ctx, o := s.operate(ctx, "load", audit.Decrypt, dialogue)
	opened, err := s.query(ctx, o, q)
	if err = o.end(ctx, err); err != nil {
		return nil, err
	}
	return opened, nil
}

// query remembers the state it read before the event is stored: so whatever
// fails has left no event of success.
func (s *sealing) query(ctx context.Context, o *operation, q record.Query) ([]record.Record, error) {
	ks := newKeyset(s.ring)
	defer ks.destroy()
	p, h, err := s.fresh(ctx, ks, o, q)
	if err != nil || p == nil {
		return nil, err
	}
	opened, err := p.open(ctx, s.tracer)
	if err != nil {
		return nil, err
	}
	if err := s.seen(o.dialogue, h, p.root, p.meta); err != nil {
		return nil, err
	}
	if q.ForUpdate {
		return opened, nil
	}
	return opened, o.succeeded(ctx, p.root.Version, p.items)
}

// fresh loads a partition that is undamaged and no older than what this client
// has seen, h; nil for a dialogue that never was.
func (s *sealing) fresh(ctx context.Context, ks *keyset, o *operation, q record.Query) (p *loaded, h *Head, err error) {
	if h, err = s.remembered(o.dialogue); err != nil {
		return nil, nil, err
	}
	p, err = s.load(ctx, ks, o, q, h)
	if err != nil || p == nil {
		return nil, h, err
	}
	if len(p.damage) > 0 {
		return nil, h, &blue.TamperError{Dialogue: blue.DialogueID(o.dialogue), Damage: p.damage}
	}
	if err := s.checkFreshness(o.dialogue, h, p.root); err != nil {
		return nil, h, err
	}
	return p, h, s.checkKeys(ctx, o.dialogue, h, p.meta)
}

// load reads and verifies a partition; nil for a dialogue that never was.
//
// Damage is believed only if meta is the same before and after it was
// examined, since the audit events are read later than the partition, and, on
// a store whose plain reads may show a commit half landed, only if exact reads
// show the same damage again and again (design §4).
func (s *sealing) load(ctx context.Context, ks *keyset, o *operation, q record.Query, h *Head) (*loaded, error) {
	t, dialogue := newTrial(s.inner), o.dialogue
	for range t.tries() {
		items, err := s.inner.Query(ctx, q)
		ks.destroy() // those of the try before
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
		if err := s.checkTombstoneOf(ctx, dialogue, items); err != nil {
			return nil, err
		}
		o.read = true
		p, err := s.verify(ctx, ks, dialogue, items)
		o.keyID = p.keyID()
		if s.overtaken(ctx, dialogue, items, err) {
			continue
		}
		if err != nil {
			return nil, s.outlived(dialogue, items, h, err)
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
	now, err := s.inner.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	for _, r := range items {
		if r.Key.Item == record.Meta {
			return err == nil && now.Equal(r), nil
		}
	}
	return err != nil, nil
}
