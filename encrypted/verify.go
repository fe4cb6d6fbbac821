package encrypted

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// loaded is a dialogue's partition after verification.
type loaded struct {
	items  []record.Record           // sealed, in key order
	keys   map[string]*envelope.Keys // by sort key; absent where no key fits
	meta   *envelope.Keys            // nil when meta is damaged
	root   root
	damage []blue.Damage
}

func (p *loaded) keyID() string {
	if p == nil || p.meta == nil {
		return ""
	}
	return p.meta.ID()
}

// open decrypts every item.
func (p *loaded) open(ctx context.Context, t trace.Tracer) (opened []record.Record, err error) {
	_, span := t.Start(ctx, "open")
	defer func() { endSpan(span, err) }()
	measure(span, p.items)
	opened = make([]record.Record, len(p.items))
	for i, r := range p.items {
		if opened[i], err = open(p.keys[r.Key.Item], r); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// verify checks a whole partition: every item's MAC, that no two items share
// a nonce, and count and sum against the sealed root. What is wrong is in
// loaded.damage, named; an error means that it could not be checked.
func (s *sealing) verify(ctx context.Context, ks *keyset, dialogue string, items []record.Record) (*loaded, error) {
	p := &loaded{items: items, keys: make(map[string]*envelope.Keys, len(items))}
	var sum envelope.Sum
	nonces := make(map[string]string, len(items))
	if err := openMeta(ctx, ks, dialogue, p); err != nil {
		return p, err
	}
	for _, r := range items {
		sk := r.Key.Item
		if sk == record.Meta {
			continue
		}
		k, damage, err := check(ctx, ks, dialogue, r)
		if unused := p.unused(r); unused != nil && (damage == nil && err == nil || errors.Is(err, blue.ErrSealed)) {
			damage, err = unused, nil
		}
		if err != nil {
			return p, err
		}
		nonce := r.Attrs[attrKeyID].Str() + string(r.Attrs[attrNonce].Bin())
		if other, twice := nonces[nonce]; damage == nil && twice {
			damage = &blue.Damage{Class: blue.DamageMalformed, Item: sk, Detail: "shares its nonce with " + other}
		}
		if damage != nil {
			p.damage = append(p.damage, *damage)
			continue
		}
		nonces[nonce] = sk
		p.keys[sk] = k
		if p.meta != nil {
			sum.Add(p.meta.Element(sk, r.Attrs[attrMAC].Bin()))
		}
	}
	if p.meta != nil && len(p.damage) == 0 && p.root.Count == int64(len(items)-1) && p.root.Sum == hex.EncodeToString(sum[:]) {
		return p, nil
	}
	return p, s.diagnose(ctx, ks, dialogue, p)
}

// openMeta finds and opens meta and its root.
func openMeta(ctx context.Context, ks *keyset, dialogue string, p *loaded) error {
	for _, r := range p.items {
		if r.Key.Item != record.Meta {
			continue
		}
		k, damage, err := check(ctx, ks, dialogue, r)
		if err != nil {
			damage, err = newerThanKeys(ctx, ks, dialogue, r, err)
		}
		if err != nil {
			return err
		}
		if damage == nil {
			p.root, err = openRoot(k, dialogue, r.Attrs)
			if err != nil {
				damage = &blue.Damage{Class: blue.DamageMalformed, Item: record.Meta, Detail: "its root does not open"}
			}
		}
		if damage != nil {
			p.damage = append(p.damage, *damage)
			return nil
		}
		p.meta, p.keys[record.Meta] = k, k
		return nil
	}
	p.damage = append(p.damage, blue.Damage{Class: blue.DamageMissing, Item: record.Meta})
	return nil
}

// check finds the key of an item and compares its MAC. A nil Damage means the
// item is authentic; an error, that its key could not be had.
func check(ctx context.Context, ks *keyset, dialogue string, r record.Record) (*envelope.Keys, *blue.Damage, error) {
	damaged := func(class, detail string) (*envelope.Keys, *blue.Damage, error) {
		return nil, &blue.Damage{Class: class, Item: r.Key.Item, Detail: detail}, nil
	}
	if len(r.Attrs) == 0 {
		return damaged(blue.DamageMalformed, "the store could not read it as an item")
	}
	mac := r.Attrs[attrMAC]
	if len(mac.Bin()) != macSize {
		return damaged(blue.DamageStripped, fmt.Sprintf("item_mac has %d bytes", len(mac.Bin())))
	}
	keyID := r.Attrs[attrKeyID].Str()
	of, _, err := envelope.ParseKeyID(keyID)
	if err != nil {
		return damaged(blue.DamageMalformed, "key_id cannot be read")
	}
	if of != dialogue {
		return damaged(blue.DamageMoved, "sealed in dialogue "+of)
	}
	k, err := ks.get(ctx, keyID)
	if err != nil {
		return nil, nil, err
	}
	if !authentic(k, r, r.Key.Item) {
		if why := misshapen(r.Attrs); why != "" {
			return damaged(blue.DamageMalformed, why)
		}
		return damaged(blue.DamageChanged, "its MAC is not that of its attributes")
	}
	return k, nil, nil
}

// unused names an item under a key version that this dialogue does not use,
// going by the root.
func (p *loaded) unused(r record.Record) *blue.Damage {
	_, version, err := envelope.ParseKeyID(r.Attrs[attrKeyID].Str())
	if err != nil || p.meta == nil || version >= p.root.LeastKey && version <= p.root.ActiveKey {
		return nil
	}
	return &blue.Damage{Class: blue.DamageChanged, Item: r.Key.Item, Detail: fmt.Sprintf("key_id names version %d, which this dialogue does not use", version)}
}

// newerThanKeys turns meta's missing key into damage where the key table says
// that no such version was ever made. Of a key that only could not be opened it
// says nothing, and its source, which may be slow, is not asked once more.
func newerThanKeys(ctx context.Context, ks *keyset, dialogue string, meta record.Record, err error) (*blue.Damage, error) {
	if keys.Class(err) != "missing" || errors.Is(err, keys.ErrNoKEK) || errors.Is(err, fs.ErrNotExist) {
		return nil, err // there is such a version, and no key to open it with
	}
	active, activeErr := ks.active(ctx, dialogue)
	if activeErr != nil {
		return nil, err
	}
	_, version, _ := envelope.ParseKeyID(meta.Attrs[attrKeyID].Str())
	if version <= active.Version() {
		return nil, err
	}
	return &blue.Damage{Class: blue.DamageChanged, Item: record.Meta, Detail: fmt.Sprintf("key_id names version %d, which was never made", version)}, nil
}
