package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A partition is the items of one dialogue after verification.
type partition struct {
	items    []record.Record           // as stored, ascending by sort key
	keys     map[string]*envelope.Keys // the keys of each authentic item, by sort key
	metaKeys *envelope.Keys            // the keys of meta, nil if meta is damaged
	root     root
	damage   []blue.Damage
}

// find returns the index of an item, or the index at which it would be.
func (p *partition) find(sk string) int {
	i, _ := slices.BinarySearchFunc(p.items, sk, func(r record.Record, sk string) int { return strings.Compare(r.Key.Item, sk) })
	return i
}

// item returns an item, or a zero record if there is none. p may be nil.
func (p *partition) item(sk string) record.Record {
	if p != nil {
		if i := p.find(sk); i < len(p.items) && p.items[i].Key.Item == sk {
			return p.items[i]
		}
	}
	return record.Record{}
}

// sum returns the root's sum over all items but meta under keys k.
func (p *partition) sum(k *envelope.Keys) envelope.Sum {
	var sum envelope.Sum
	for _, r := range p.items {
		if r.Key.Item != record.Meta {
			sum.Add(k.Element(r.Key.Item, r.Attrs[attrMAC].Bin()))
		}
	}
	return sum
}

// decrypt decrypts every item.
func (p *partition) decrypt(ctx context.Context, t trace.Tracer) (opened []record.Record, err error) {
	_, span := t.Start(ctx, "open")
	defer func() { endSpan(span, err) }()
	setSize(span, len(p.items), func(i int) record.Record { return p.items[i] })
	opened = make([]record.Record, len(p.items))
	for i, r := range p.items {
		if opened[i], err = decryptItem(p.keys[r.Key.Item], r); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// verify checks the MAC of every item, that no two items share a nonce, and
// number and sum of the items against the sealed root. It reports damage in
// partition.damage. It returns an error if a check was not possible. The
// partition is never nil.
func (s *Sealer) verify(ctx context.Context, ks *keyset, dialogue string, items []record.Record) (*partition, error) {
	p := &partition{items: items, keys: make(map[string]*envelope.Keys, len(items))}
	if err := p.openMeta(ctx, ks, dialogue); err != nil {
		return p, err
	}
	nonces := make(map[string]string, len(items)) // key id and nonce → sort key
	for _, r := range items {
		sk := r.Key.Item
		if sk == record.Meta {
			continue
		}
		k, damage, err := authenticate(ctx, ks, dialogue, r)
		if wrong := p.checkVersion(r); wrong != nil && (damage == nil && err == nil || errors.Is(err, blue.ErrSealed)) {
			damage, err = wrong, nil
		}
		if err != nil {
			return p, err
		}
		nonce := r.Attrs[attrKeyID].Str() + string(r.Attrs[attrNonce].Bin())
		if other, ok := nonces[nonce]; damage == nil && ok {
			damage = damageOf(record.DamageMalformed, sk, "shares its nonce with %s", other)
		}
		if damage != nil {
			p.damage = append(p.damage, *damage)
			continue
		}
		nonces[nonce] = sk
		p.keys[sk] = k
	}
	if p.metaKeys != nil && len(p.damage) == 0 && p.root.Count == int64(len(items)-1) {
		if sum := p.sum(p.metaKeys); p.root.Sum == hex.EncodeToString(sum[:]) {
			return p, nil
		}
	}
	return p, s.diagnose(ctx, ks, dialogue, p)
}

// openMeta authenticates meta and opens its root.
func (p *partition) openMeta(ctx context.Context, ks *keyset, dialogue string) error {
	meta := record.MetaOf(p.items)
	if meta.Key.Item == "" {
		p.damage = append(p.damage, blue.Damage{Class: record.DamageMissing, Item: record.Meta})
		return nil
	}
	k, damage, err := authenticate(ctx, ks, dialogue, meta)
	if err != nil {
		damage, err = diagnoseMissingKey(ctx, ks, dialogue, meta, err)
	}
	if err != nil {
		return err
	}
	if damage == nil {
		if p.root, err = openRoot(k, dialogue, meta.Attrs); err != nil {
			damage = damageOf(record.DamageMalformed, record.Meta, "its root does not open")
		}
	}
	if damage != nil {
		p.damage = append(p.damage, *damage)
		return nil
	}
	p.metaKeys, p.keys[record.Meta] = k, k
	return nil
}

// authenticate opens the keys that an item names and compares the item's MAC.
// The item is authentic if damage and error are nil. It returns an error if
// the keys cannot be opened.
func authenticate(ctx context.Context, ks *keyset, dialogue string, r record.Record) (*envelope.Keys, *blue.Damage, error) {
	damaged := func(class, detail string, args ...any) (*envelope.Keys, *blue.Damage, error) {
		return nil, damageOf(class, r.Key.Item, detail, args...), nil
	}
	if len(r.Attrs) == 0 {
		return damaged(record.DamageMalformed, "the store could not read it as an item")
	}
	if mac := r.Attrs[attrMAC].Bin(); len(mac) != macSize {
		return damaged(record.DamageStripped, "item_mac has %d bytes", len(mac))
	}
	keyID := r.Attrs[attrKeyID].Str()
	owner, _, err := envelope.ParseKeyID(keyID)
	if err != nil {
		return damaged(record.DamageMalformed, "key_id cannot be read")
	}
	if owner != dialogue {
		return damaged(record.DamageMoved, "sealed in dialogue %s", owner)
	}
	k, err := ks.open(ctx, keyID)
	if err != nil {
		return nil, nil, err
	}
	if !hasValidMAC(k, r, r.Key.Item) {
		ciphertext, nonce := r.Attrs[attrCiphertext], r.Attrs[attrNonce]
		switch {
		case ciphertext.Type() != record.Bytes || len(ciphertext.Bin()) < envelope.TagSize:
			return damaged(record.DamageMalformed, "%s is not a ciphertext with its tag", attrCiphertext)
		case nonce.Type() != record.Bytes || len(nonce.Bin()) != envelope.NonceSize:
			return damaged(record.DamageMalformed, "%s is not %d bytes", attrNonce, envelope.NonceSize)
		}
		return damaged(record.DamageChanged, "its MAC does not match its attributes")
	}
	return k, nil, nil
}

// checkVersion returns damage for an item under a key version that the root
// does not list as used.
func (p *partition) checkVersion(r record.Record) *blue.Damage {
	_, version, err := envelope.ParseKeyID(r.Attrs[attrKeyID].Str())
	if err != nil || p.metaKeys == nil || version >= p.root.LeastKey && version <= p.root.ActiveKey {
		return nil
	}
	return damageOf(record.DamageChanged, r.Key.Item, "key_id names version %d, which this dialogue does not use", version)
}

// diagnoseMissingKey returns damage if meta names a key version that was never
// made, according to the key table. If the version exists and cannot be opened,
// it returns cause. It does not call the provider, because that can be
// slow.
func diagnoseMissingKey(ctx context.Context, ks *keyset, dialogue string, meta record.Record, cause error) (*blue.Damage, error) {
	if keys.Class(cause) != "missing" || errors.Is(cause, keys.ErrNoKEK) || errors.Is(cause, fs.ErrNotExist) {
		return nil, cause
	}
	active, err := ks.active(ctx, dialogue)
	_, version, _ := envelope.ParseKeyID(meta.Attrs[attrKeyID].Str())
	if err != nil || version <= active.Version() {
		return nil, cause
	}
	return damageOf(record.DamageChanged, record.Meta, "key_id names version %d, which was never made", version), nil
}
