package seal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// A history is the content of the audit log about a dialogue.
type history struct {
	written map[string]writtenItem // newest write of each item, by sort key
	last    audit.Event            // newest event
	err     error                  // why the history is incomplete, or nil
}

type writtenItem struct {
	tag   [audit.TagSize]byte
	keyID string
}

// readHistory reads the events of all commits of the dialogue.
func (s *Sealer) readHistory(ctx context.Context, dialogue string) (*history, error) {
	events, err := audit.ReadCommits(ctx, s.Records, dialogue)
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

// diagnose names the damage of a partition that did not verify. It compares the
// items with the audit events, and with the root's highest numbers if events
// are missing too. It is slow and runs only on damage.
func (s *Sealer) diagnose(ctx context.Context, ks *keyset, dialogue string, p *partition) error {
	h, err := s.readHistory(ctx, dialogue)
	if err != nil {
		return err
	}
	byItem := make(map[string]*blue.Damage, len(p.damage))
	for _, d := range p.damage {
		byItem[d.Item] = &d
	}
	for _, r := range p.items {
		sk := r.Key.Item
		d := byItem[sk]
		switch {
		case sk == record.Meta:
			d = p.diagnoseMeta(r, d, h)
		case d != nil:
			d = h.diagnoseInvalid(ctx, ks, dialogue, r, d)
		default:
			d = h.diagnoseAuthentic(ctx, ks, r)
		}
		if d != nil {
			byItem[sk] = d
		}
	}
	for _, sk := range p.missing(h) {
		byItem[sk] = &blue.Damage{Class: record.DamageMissing, Item: sk}
	}
	p.damage = p.damage[:0]
	for _, d := range byItem {
		p.damage = append(p.damage, *d)
	}
	if h.err != nil {
		p.damage = append(p.damage, blue.Damage{Class: record.DamageMissing, Item: "audit log", Detail: h.err.Error()})
	}
	if len(p.damage) == 0 {
		p.damage = append(p.damage, *damageOf(record.DamageChanged, record.Meta, "its root does not match the items, and the audit events do not say which"))
	}
	slices.SortFunc(p.damage, func(a, b blue.Damage) int { return strings.Compare(a.Item, b.Item) })
	return nil
}

// diagnoseMeta reports an older meta item. The newest event of the dialogue
// holds the hash of the newest root.
func (p *partition) diagnoseMeta(meta record.Record, d *blue.Damage, h *history) *blue.Damage {
	if d != nil || h.last.RootHash == "" || h.last.RootVersion <= p.root.Version ||
		h.last.RootHash == audit.RootHash(meta.Attrs[attrRoot].Bin()) {
		return d
	}
	return damageOf(record.DamageRolledBack, record.Meta, "version %d is stored, the audit log holds version %d", p.root.Version, h.last.RootVersion)
}

// diagnoseInvalid refines damage d of an item that is not authentic: it was
// never written, it belongs to another key, it is older, or it was changed.
func (h *history) diagnoseInvalid(ctx context.Context, ks *keyset, dialogue string, r record.Record, d *blue.Damage) *blue.Damage {
	sk := r.Key.Item
	origin := h.originOf(ctx, ks, dialogue, r)
	if _, ok := h.written[sk]; !ok && h.err == nil && d.Class != record.DamageMoved {
		if origin != "" {
			return damageOf(record.DamageExtra, sk, "a copy of %s", origin)
		}
		return damageOf(record.DamageExtra, sk, "the audit log holds no write of it")
	}
	if origin == sk && d.Class == record.DamageChanged { // authentic under a key version that the dialogue does not use any more
		return damageOf(record.DamageRolledBack, sk, "%s", d.Detail)
	}
	if origin != "" {
		return damageOf(record.DamageMoved, sk, "it is %s", origin)
	}
	return d
}

// originOf returns the sort key at which the MAC of an item is valid, or "".
func (h *history) originOf(ctx context.Context, ks *keyset, dialogue string, r record.Record) string {
	keyID := keyIDOf(dialogue, r.Attrs)
	if keyID == "" || len(r.Attrs[attrMAC].Bin()) != macSize {
		return ""
	}
	k, err := ks.open(ctx, keyID)
	if err != nil {
		return ""
	}
	for sk := range h.written {
		if hasValidMAC(k, r, sk) {
			return sk
		}
	}
	return ""
}

// diagnoseAuthentic reports an authentic item that is not the newest version.
func (h *history) diagnoseAuthentic(ctx context.Context, ks *keyset, r record.Record) *blue.Damage {
	sk := r.Key.Item
	w, ok := h.written[sk]
	if !ok {
		if h.err != nil {
			return nil
		}
		return damageOf(record.DamageExtra, sk, "the audit log holds no write of it")
	}
	k, err := ks.open(ctx, w.keyID)
	if err != nil || k.Tag(sk, r.Attrs[attrMAC].Bin()) == w.tag {
		return nil
	}
	return damageOf(record.DamageRolledBack, sk, "an older version. The audit log holds a newer write of it")
}

// missing lists items that were written and are not stored. If the audit events
// are incomplete too, the root's highest numbers name further items.
func (p *partition) missing(h *history) []string {
	gone := maps.Clone(h.written)
	if h.err != nil {
		for group, highest := range p.root.Highest {
			for n := 1; n <= highest; n++ {
				gone[fmt.Sprintf("%s#%02d", group, n)] = writtenItem{}
			}
		}
	}
	for _, r := range p.items {
		delete(gone, r.Key.Item)
	}
	return slices.Collect(maps.Keys(gone))
}

// Salvage returns the items of a damaged dialogue that verify, decrypted, and
// the damage of the others. The error is blue.ErrNotFound, or one of Query
// other than *blue.TamperError.
func (s *Sealer) Salvage(ctx context.Context, dialogue string) (opened []record.Record, damage []blue.Damage, err error) {
	opened, err = runOperation(ctx, s, "salvage", audit.Decrypt, dialogue, func(ctx context.Context, o *Operation) (opened []record.Record, err error) {
		ks := newKeyset(s.Ring)
		defer ks.destroy()
		p, err := s.load(ctx, ks, o, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(dialogue)}, nil)
		if err == nil && p == nil {
			err = fmt.Errorf("dialogue %s: %w", dialogue, blue.ErrNotFound)
		}
		if err == nil {
			err = s.rejectForeignKeys(ctx, dialogue, p)
		}
		if err != nil {
			return nil, err
		}
		damage = p.damage
		var intact []record.Record
		for _, r := range p.items {
			sk := r.Key.Item
			if p.keys[sk] == nil || slices.ContainsFunc(damage, func(d blue.Damage) bool { return d.Item == sk }) {
				continue
			}
			plain, err := decryptItem(p.keys[sk], r)
			if err != nil {
				return nil, err
			}
			intact, opened = append(intact, r), append(opened, plain)
		}
		return opened, o.recordRead(ctx, p.root.Version, intact)
	})
	return opened, damage, err
}

// rejectForeignKeys adds to the damage every item whose key does not descend
// from the key in the freshness record. A user who may grant access could put a
// key of their own in its place and encrypt items with it. If the freshness
// record names a newer key, an older key cannot be distinguished from a foreign
// one unless the root vouches for all items.
func (s *Sealer) rejectForeignKeys(ctx context.Context, dialogue string, p *partition) error {
	remembered, err := s.remembered(dialogue)
	if err != nil || remembered == nil || remembered.KeyVersion == 0 || s.AcceptRollback {
		return err
	}
	if len(p.damage) == 0 {
		if err := s.checkLineage(ctx, dialogue, remembered, p.metaKeys); !errors.Is(err, blue.ErrTampered) {
			return err
		}
	}
	verdicts := map[*envelope.Keys]error{}
	for _, r := range p.items {
		k := p.keys[r.Key.Item]
		if k == nil {
			continue
		}
		verdict, ok := verdicts[k]
		if !ok {
			verdict = s.checkLineage(ctx, dialogue, remembered, k)
			verdicts[k] = verdict
		}
		switch {
		case errors.Is(verdict, blue.ErrTampered):
			p.keys[r.Key.Item] = nil
			p.damage = append(p.damage, *damageOf(record.DamageChanged, r.Key.Item, "its key does not descend from the one this client has seen"))
		case verdict != nil:
			return verdict
		}
	}
	return nil
}
