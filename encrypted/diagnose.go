package encrypted

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// history is what the audit log says about a dialogue: the newest tag of each
// item that was ever written, and the newest event.
type history struct {
	written map[string]writtenItem // by sort key
	last    audit.Event
	err     error // why it ends early, if it does
}

type writtenItem struct {
	tag   [audit.TagSize]byte
	keyID string
}

// readHistory walks the dialogue's commits in the audit log.
func (s *sealing) readHistory(ctx context.Context, dialogue string) (*history, error) {
	events, err := audit.ReadCommits(ctx, s.inner, dialogue)
	if err != nil && !errors.Is(err, blue.ErrTampered) && !errors.Is(err, blue.ErrNotFound) {
		return nil, err
	}
	h := &history{written: make(map[string]writtenItem), err: err}
	for _, e := range events {
		items, err := e.Items()
		if err != nil {
			h.err = err
			break
		}
		for _, it := range items {
			if it.Tag == ([audit.TagSize]byte{}) {
				delete(h.written, it.SK)
				continue
			}
			h.written[it.SK] = writtenItem{it.Tag, e.KeyID}
		}
		h.last = e
	}
	return h, nil
}

// diagnose refines the damage of a partition that did not verify, by what the
// audit events say was written, and by the root's highest numbers where the
// events are gone too. It is slow and runs on damage alone.
func (s *sealing) diagnose(ctx context.Context, ks *keyset, dialogue string, p *loaded) error {
	h, err := s.readHistory(ctx, dialogue)
	if err != nil {
		return err
	}
	named := make(map[string]*blue.Damage, len(p.damage))
	for _, d := range p.damage {
		named[d.Item] = &d
	}
	for _, r := range p.items {
		sk := r.Key.Item
		d := named[sk]
		switch {
		case sk == record.Meta:
			d = p.diagnoseMeta(r, d, h)
		case d != nil:
			d = diagnoseBroken(ctx, ks, dialogue, r, d, h)
		default:
			d = diagnoseAuthentic(ctx, ks, r, h)
		}
		if d != nil {
			named[sk] = d
		}
	}
	for _, sk := range p.missing(h) {
		named[sk] = &blue.Damage{Class: blue.DamageMissing, Item: sk}
	}
	p.damage = p.damage[:0]
	for _, d := range named {
		p.damage = append(p.damage, *d)
	}
	if h.err != nil {
		p.damage = append(p.damage, blue.Damage{Class: blue.DamageMissing, Item: "audit log", Detail: h.err.Error()})
	}
	if len(p.damage) == 0 {
		p.damage = append(p.damage, blue.Damage{Class: blue.DamageChanged, Item: record.Meta,
			Detail: "its root does not match the items, and the audit events do not say which"})
	}
	slices.SortFunc(p.damage, func(a, b blue.Damage) int { return strings.Compare(a.Item, b.Item) })
	return nil
}

// diagnoseMeta tells an older meta from a current one: the newest event of
// the dialogue holds the hash of the root that stood beside it.
func (p *loaded) diagnoseMeta(meta record.Record, d *blue.Damage, h *history) *blue.Damage {
	if d != nil || h.last.RootHash == "" || h.last.RootVersion <= p.root.Version ||
		h.last.RootHash == audit.RootHash(meta.Attrs[attrRoot].Bin()) {
		return d
	}
	return &blue.Damage{Class: blue.DamageRolledBack, Item: record.Meta,
		Detail: fmt.Sprintf("version %d is stored, the audit log holds version %d", p.root.Version, h.last.RootVersion)}
}

// diagnoseBroken tells an item whose MAC fails: nobody wrote it, it belongs
// elsewhere, or it was changed in place.
func diagnoseBroken(ctx context.Context, ks *keyset, dialogue string, r record.Record, d *blue.Damage, h *history) *blue.Damage {
	sk := r.Key.Item
	from := origin(ctx, ks, dialogue, r, h)
	if _, known := h.written[sk]; !known && h.err == nil && d.Class != blue.DamageMoved {
		d = &blue.Damage{Class: blue.DamageExtra, Item: sk, Detail: "the audit log holds no write of it"}
		if from != "" {
			d.Detail = "a copy of " + from
		}
		return d
	}
	if from == sk && d.Class == blue.DamageChanged { // authentic, under a version that the dialogue has left behind
		return &blue.Damage{Class: blue.DamageRolledBack, Item: sk, Detail: d.Detail}
	}
	if from != "" {
		return &blue.Damage{Class: blue.DamageMoved, Item: sk, Detail: "it is " + from}
	}
	return d
}

// origin returns the sort key under which the item's MAC holds, or "".
func origin(ctx context.Context, ks *keyset, dialogue string, r record.Record, h *history) string {
	keyID := r.Attrs[attrKeyID].Str()
	of, _, err := envelope.ParseKeyID(keyID)
	if err != nil || of != dialogue || len(r.Attrs[attrMAC].Bin()) != macSize {
		return ""
	}
	k, err := ks.get(ctx, keyID)
	if err != nil {
		return ""
	}
	for sk := range h.written {
		if authentic(k, r, sk) {
			return sk
		}
	}
	return ""
}

// diagnoseAuthentic tells an item whose MAC holds, but whose version is not
// the newest that was written.
func diagnoseAuthentic(ctx context.Context, ks *keyset, r record.Record, h *history) *blue.Damage {
	sk := r.Key.Item
	w, known := h.written[sk]
	if !known {
		if h.err != nil {
			return nil
		}
		return &blue.Damage{Class: blue.DamageExtra, Item: sk, Detail: "the audit log holds no write of it"}
	}
	k, err := ks.get(ctx, w.keyID)
	if err != nil || k.Tag(sk, r.Attrs[attrMAC].Bin()) == w.tag {
		return nil
	}
	return &blue.Damage{Class: blue.DamageRolledBack, Item: sk, Detail: "an older version; the audit log holds a newer write of it"}
}

// missing lists what was written and is not there. Where the audit events are
// damaged too, the root's highest numbers name what they can.
func (p *loaded) missing(h *history) []string {
	present := make(map[string]bool, len(p.items))
	for _, r := range p.items {
		present[r.Key.Item] = true
	}
	var gone []string
	for sk := range h.written {
		if !present[sk] {
			gone = append(gone, sk)
		}
	}
	if h.err == nil {
		return gone
	}
	for group, highest := range p.root.Highest {
		for n := 1; n <= highest; n++ {
			sk := fmt.Sprintf("%s#%02d", group, n)
			if !present[sk] && !slices.Contains(gone, sk) {
				gone = append(gone, sk)
			}
		}
	}
	return gone
}

// salvage returns the items that verify, opened, and the damage of the rest.
func (s *sealing) salvage(ctx context.Context, dialogue string) ([]record.Record, []blue.Damage, error) {
	ctx, o := s.operate(ctx, "salvage", audit.Decrypt, dialogue)
	opened, damage, err := s.salvaged(ctx, o)
	if err = o.end(ctx, err); err != nil {
		return nil, nil, err
	}
	return opened, damage, nil
}

func (s *sealing) salvaged(ctx context.Context, o *operation) ([]record.Record, []blue.Damage, error) {
	ks := newKeyset(s.ring)
	defer ks.destroy()
	p, err := s.load(ctx, ks, o, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(o.dialogue)}, nil)
	if err != nil {
		return nil, nil, err
	}
	if p == nil {
		return nil, nil, fmt.Errorf("dialogue %s: %w", o.dialogue, blue.ErrNotFound)
	}
	if err := s.unvouched(ctx, o.dialogue, p); err != nil {
		return nil, nil, err
	}
	damaged := make(map[string]bool, len(p.damage))
	for _, d := range p.damage {
		damaged[d.Item] = true
	}
	var good, opened []record.Record
	for _, r := range p.items {
		k := p.keys[r.Key.Item]
		if k == nil || damaged[r.Key.Item] {
			continue
		}
		plain, err := open(k, r)
		if err != nil {
			return nil, nil, err
		}
		good, opened = append(good, r), append(opened, plain)
	}
	return opened, p.damage, o.succeeded(ctx, p.root.Version, good)
}

// unvouched adds to the damage every item under a key that does not go back to
// the one this client has seen: whoever may grant can put a key of their own in
// its place, and seal under it what they like. Under an older key nothing can be
// told from that where the root does not vouch for all.
func (s *sealing) unvouched(ctx context.Context, dialogue string, p *loaded) error {
	h, err := s.remembered(dialogue)
	if err != nil || h == nil || h.KeyVersion == 0 || s.accept {
		return err
	}
	if len(p.damage) == 0 {
		if err := s.checkKeys(ctx, dialogue, h, p.meta); !errors.Is(err, blue.ErrTampered) {
			return err
		}
	}
	verdicts := map[*envelope.Keys]error{}
	for _, r := range p.items {
		k := p.keys[r.Key.Item]
		if k == nil {
			continue
		}
		verdict, known := verdicts[k]
		if !known {
			verdict = s.checkKeys(ctx, dialogue, h, k)
			verdicts[k] = verdict
		}
		switch {
		case verdict == nil:
		case errors.Is(verdict, blue.ErrTampered):
			p.keys[r.Key.Item] = nil
			p.damage = append(p.damage, blue.Damage{Class: blue.DamageChanged, Item: r.Key.Item, Detail: "its key does not go back to the one this client has seen"})
		default:
			return verdict
		}
	}
	return nil
}

// checkHistory compares the stored root with the audit log: the event of this
// version is there and belongs to this root, and there is none of the next.
func (s *sealing) checkHistory(ctx context.Context, dialogue string) error {
	ctx, o := s.operate(ctx, "verify", audit.Decrypt, dialogue)
	return o.end(ctx, s.compareHistory(ctx, o))
}

func (s *sealing) compareHistory(ctx context.Context, o *operation) error {
	dialogue := o.dialogue
	meta, err := s.inner.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return err
	}
	o.read, o.keyID = true, claimed(dialogue, meta)
	tampered := func(class, detail string) error {
		return &blue.TamperError{Dialogue: blue.DialogueID(dialogue), RolledBack: class == blue.DamageRolledBack,
			Damage: []blue.Damage{{Class: class, Item: record.Meta, Detail: detail}}}
	}
	version := uint64(meta.Attrs[attrVersion].Int())
	event, err := audit.ReadCommit(ctx, s.inner, dialogue, version)
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return tampered(blue.DamageMissing, fmt.Sprintf("the audit log holds no event of version %d", version))
	case err != nil:
		return err
	}
	same, err := s.sameEvent(ctx, dialogue, meta.Attrs, event)
	if s.moved(ctx, meta.Key, meta.Attrs, err) {
		return s.compareHistory(ctx, o)
	}
	if err != nil {
		return err
	}
	if !same {
		return tampered(blue.DamageChanged, fmt.Sprintf("the audit event of version %d belongs to another root", version))
	}
	if _, err := audit.ReadCommit(ctx, s.inner, dialogue, version+1); !errors.Is(err, blue.ErrNotFound) {
		if err != nil {
			return err
		}
		// A commit may have landed since meta was read.
		now, err := s.inner.Get(ctx, record.Dialogues, meta.Key)
		if err != nil {
			return err
		}
		if now.Equal(meta) {
			return tampered(blue.DamageRolledBack, fmt.Sprintf("version %d is stored, the audit log holds a later one", version))
		}
	}
	return nil
}

// sameEvent reports whether the event is the one that the sealed root names.
func (s *sealing) sameEvent(ctx context.Context, dialogue string, meta record.Attrs, event audit.Event) (bool, error) {
	ks := newKeyset(s.ring)
	defer ks.destroy()
	k, err := ks.get(ctx, meta[attrKeyID].Str())
	if err != nil {
		return false, err
	}
	r, err := openRoot(k, dialogue, meta)
	if err != nil {
		return false, err
	}
	return event.RootHash == r.hash && event.CoreHash() == r.CoreHash && event.Chain == r.Chain && event.Seq == r.Seq, nil
}

// checkAbsence tells a dialogue that never was from one that is gone: the
// audit log or this client's head knows of it. present is true if the
// dialogue appeared meanwhile.
func (s *sealing) checkAbsence(ctx context.Context, dialogue string, h *Head) (present bool, err error) {
	_, err = audit.ReadCommit(ctx, s.inner, dialogue, 1)
	logged := err == nil
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	if !logged && (h == nil || s.accept) {
		return false, nil
	}
	head, err := s.inner.Get(ctx, record.Dialogues, headKey(dialogue))
	if err == nil {
		return true, s.checkTombstone(ctx, dialogue, head)
	}
	if !errors.Is(err, blue.ErrNotFound) {
		return false, err
	}
	if err := s.erased(ctx, dialogue); err != nil {
		return false, err
	}
	gone := &blue.TamperError{Dialogue: blue.DialogueID(dialogue), RolledBack: !logged,
		Damage: []blue.Damage{{Class: blue.DamageMissing, Item: record.Meta, Detail: "the whole dialogue is gone"}}}
	return false, gone
}

// checkFree refuses to create a dialogue that is there, or was.
func (s *sealing) checkFree(ctx context.Context, dialogue string) error {
	h, err := s.remembered(dialogue)
	if err != nil {
		return err
	}
	present, err := s.checkAbsence(ctx, dialogue, h)
	if err == nil && present {
		if err := s.erased(ctx, dialogue); err != nil {
			return err // put back by a restore
		}
		return &record.ConflictError{Table: record.Dialogues, Key: record.MetaKey(dialogue)}
	}
	return err
}
