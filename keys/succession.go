package keys

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"math"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// A writer of the table of keys who can wrap for other users can store a version
// with a secret of their own. Therefore each version is endorsed by the version
// before it (envelope.Keys.Endorse), which requires its secret. The attribute links
// of the key header holds the endorsements of the newest maxLinks versions,
// ascending up to the active one, each of them public key 32 ‖ signature 64.
// Version 1 has none.
const (
	attrLinks = "links"
	maxLinks  = 64 // 6 KB; a client that missed more rotations gets an error
	linkSize  = envelope.PublicSize + envelope.EndorsementSize
)

// addLink returns the attribute links with the endorsement of the version of b,
// whose secret is given, by the version before, and its public key.
func (r *Ring) addLink(ctx context.Context, p *partition, secret *envelope.Secret, b Binding) (links record.Value, public [envelope.PublicSize]byte, err error) {
	previous, err := r.openKeys(ctx, Binding{r.user, b.Dialogue, b.Version - 1})
	if err != nil {
		return links, public, err
	}
	defer previous.Destroy()
	next, err := envelope.DeriveKeys(secret, b.Dialogue, b.Version)
	if err != nil {
		return links, public, err
	}
	defer next.Destroy()
	if public, err = next.Public(); err != nil {
		return links, public, err
	}
	signature, err := previous.Endorse(public)
	if err != nil {
		return links, public, err
	}
	all := append([]byte(nil), p.header.Attrs[attrLinks].Bin()...)
	if len(all)%linkSize != 0 {
		all = nil // malformed; CheckSuccession reports it to clients that need these links
	}
	all = append(append(all, public[:]...), signature[:]...)
	return record.B(all[max(0, len(all)-maxLinks*linkSize):]), public, nil
}

// CheckSuccession returns nil if each version after from, up to the version of k,
// is endorsed by the version before. from had the given public key. Otherwise it
// returns *blue.TamperError. It also returns the errors of [Ring].
func (r *Ring) CheckSuccession(ctx context.Context, dialogue string, from uint32, public [envelope.PublicSize]byte, k *envelope.Keys) error {
	have, err := k.Public()
	if err != nil {
		return err
	}
	switch {
	case k.Version() < from:
		return newTamperError(dialogue, record.DamageRolledBack, headerSK, fmt.Sprintf("version %d is in use, but version %d was in use before", k.Version(), from))
	case k.Version() == from && have != public:
		return newTamperError(dialogue, record.DamageChanged, Binding{r.user, dialogue, from}.SK(), fmt.Sprintf("wraps another secret than version %d had", from))
	case k.Version() == from:
		return nil
	}
	c, err := r.followLinks(ctx, dialogue, from, public, k.Version())
	if err == nil && have != c.public {
		err = unendorsed(dialogue, int64(k.Version()), "wraps another secret than the endorsed one")
	}
	return err
}

// DiscardUnendorsed deletes the versions above the newest endorsed one, and makes
// that version the active one again. Endorsements count from the given version
// with the given public key. A writer who held none of these versions stored the
// deleted ones. Nothing must be sealed under them. discarded is false if there
// were none.
//
// In addition to the errors of [Ring], DiscardUnendorsed returns blue.ErrConflict
// or blue.ErrBusy if other writers change the keys.
func (r *Ring) DiscardUnendorsed(ctx context.Context, dialogue string, version uint32, public [envelope.PublicSize]byte) (discarded bool, err error) {
	c, err := r.followLinks(ctx, dialogue, version, public, 0)
	if !errors.Is(err, blue.ErrTampered) || c.active <= c.version {
		return false, err
	}
	err = r.withEvents(ctx, Binding{r.user, dialogue, c.active}.newEvent(destroyKey), func() error {
		if err := r.change(ctx, dialogue, c.restoreHeader); err != nil {
			return err
		}
		return r.deleteWraps(ctx, dialogue, 0, func(p *partition) ([]wrap, error) {
			active, err := p.active()
			return p.withVersion(func(v uint32) bool { return v > active }), err
		})
	})
	if err != nil {
		return false, fmt.Errorf("discarding the keys above version %d of dialogue %s: %w", c.version, dialogue, err)
	}
	return true, nil
}

// A chain is a sequence of versions, each endorsed by the one before.
type chain struct {
	version uint32                    // the last endorsed version
	public  [envelope.PublicSize]byte // its public key
	active  uint32                    // the active version of the key header
}

// restoreHeader returns the write that makes the last endorsed version active.
func (c chain) restoreHeader(p *partition) ([]record.Write, error) {
	active, err := p.active()
	if err == nil && active != c.active {
		err = fmt.Errorf("%w: the active key is now version %d", blue.ErrConflict, active)
	}
	if err != nil {
		return nil, err
	}
	links := p.header.Attrs[attrLinks].Bin()
	keep := max(0, len(links)/linkSize-int(c.active-c.version))
	return []record.Write{p.replaceHeader(record.Attrs{attrActive: record.N(int64(c.version)), attrLinks: record.B(links[:keep*linkSize])})}, nil
}

// followLinks verifies the links from one version, which had the given public key,
// to another, or to the active one if to is 0. It returns *blue.TamperError if a
// link is missing or invalid. The chain then ends before that link.
func (r *Ring) followLinks(ctx context.Context, dialogue string, from uint32, public [envelope.PublicSize]byte, to uint32) (chain, error) {
	c := chain{version: from, public: public}
	header, err := r.table.Get(ctx, headerKey(dialogue))
	if err == nil {
		c.active, err = activeVersion(dialogue, header)
	}
	if err != nil {
		return c, err
	}
	if to == 0 {
		to = c.active
	}
	links := header.Attrs[attrLinks].Bin()
	first := int64(c.active) - int64(len(links)/linkSize) + 1 // the version of the first link
	for v := int64(from) + 1; v <= int64(to); v++ {
		switch {
		case v < first && len(links) == maxLinks*linkSize:
			return c, newTamperError(dialogue, record.DamageRolledBack, headerSK, fmt.Sprintf(
				"key version %d is in use, but this client last saw version %d, and the %d stored endorsements do not reach back to it; if you trust the store as it is, run again with --accept-rollback", c.active, from, maxLinks))
		case v < first, v > int64(c.active), len(links)%linkSize != 0:
			return c, unendorsed(dialogue, v, "has no endorsement")
		}
		link := links[(v-first)*linkSize:][:linkSize]
		next := [envelope.PublicSize]byte(link)
		if !envelope.IsEndorsed(c.public, dialogue, uint32(v), next, link[envelope.PublicSize:]) {
			return c, unendorsed(dialogue, v, "is not signed by the previous version")
		}
		c.version, c.public = uint32(v), next
	}
	return c, nil
}

func unendorsed(dialogue string, version int64, problem string) error {
	return newTamperError(dialogue, record.DamageExtra, headerSK,
		fmt.Sprintf("key version %d %s; nothing is encrypted with it; run `keys revoke` for the user who created it", version, problem))
}

// A Successor is the key version that Advance created.
type Successor struct {
	Version uint32                    // the new version
	Public  [envelope.PublicSize]byte // its envelope.Keys.Public, which distinguishes it from any other key
}

// Advance creates the key version after from. One commit stores a new secret,
// wrapped for all users who hold version from, and makes it the active version.
// Users in except get no wrap, and all their existing wraps are deleted. Nothing is
// sealed under the new version yet: encrypted.Rotate calls Advance and
// re-encrypts the items.
//
// A user holds version from if the wrap has a valid proof (envelope.HolderProof),
// which only a holder can make. A wrap without a valid proof was made by an
// unauthorized writer of the table. Advance reports it as damage, or deletes it if
// except is not empty. It also deletes wraps above the active version, which
// no user can hold yet.
//
// In addition to the errors of [Ring], Advance returns blue.ErrConflict if from is
// not the active version, because another writer was faster. It returns
// blue.ErrRefused if except contains the Ring's user, blue.ErrSealed if the
// provider is not a [Granter] and other users hold the dialogue, and blue.ErrBusy
// if other writers change the keys.
func (r *Ring) Advance(ctx context.Context, dialogue string, from uint32, except ...string) (next Successor, err error) {
	for _, user := range except {
		if err := CheckUser(user); err != nil {
			return next, err
		}
		if user == r.user {
			return next, fmt.Errorf("%w: user %s cannot revoke their own access; another holder must do it", blue.ErrRefused, user)
		}
	}
	if from == math.MaxUint32 {
		return next, fmt.Errorf("%w: dialogue %s has used all key versions", blue.ErrInvalid, dialogue)
	}
	b := Binding{r.user, dialogue, from + 1}
	err = r.withEvents(ctx, b.newEvent(wrapDEK), func() error {
		// The commit of the new version has room for a few deletions only.
		err := r.deleteWraps(ctx, dialogue, maxExtraDeletes, func(p *partition) ([]wrap, error) {
			_, invalid, err := r.sortHolders(ctx, p, b, except)
			return invalid, err
		})
		if err != nil {
			return err
		}
		return r.change(ctx, dialogue, func(p *partition) (writes []record.Write, err error) {
			writes, next.Public, err = r.planAdvance(ctx, p, b, except)
			return writes, err
		})
	})
	if err != nil {
		return Successor{}, fmt.Errorf("creating key %d of dialogue %s: %w", b.Version, dialogue, err)
	}
	next.Version = b.Version
	return next, nil
}

// maxExtraDeletes is the number of wraps that the commit of a new version deletes.
// With maxHolders wraps, the key header and a check of the KEK they fit one
// transaction.
const maxExtraDeletes = 5

// planAdvance returns the writes that create version b.Version, and its public key.
func (r *Ring) planAdvance(ctx context.Context, p *partition, b Binding, except []string) (writes []record.Write, public [envelope.PublicSize]byte, err error) {
	holders, invalid, err := r.sortHolders(ctx, p, b, except)
	if err != nil {
		return nil, public, err
	}
	kek, err := r.kekForWrap(ctx)
	if err != nil {
		return nil, public, err
	}
	defer kek.Destroy()
	secret, wrapped, err := r.provider.GenerateDEK(ctx, kek, b)
	if err != nil {
		return nil, public, err
	}
	defer secret.Destroy()
	own, err := newWrap(b, kek.UMK(), wrapped, secret, r.now())
	if err != nil {
		return nil, public, err
	}
	links, public, err := r.addLink(ctx, p, secret, b)
	if err != nil {
		return nil, public, err
	}
	puts := []record.Write{own}
	for _, user := range holders {
		w, err := r.wrapFor(ctx, Binding{user, b.Dialogue, b.Version}, kek.UMK(), secret)
		if err != nil {
			return nil, public, err
		}
		puts = append(puts, w)
	}
	writes = []record.Write{p.replaceHeader(record.Attrs{attrActive: record.N(int64(b.Version)), attrLinks: links})}
	writes = append(writes, kek.checks...)
	for _, w := range invalid {
		if i := slices.IndexFunc(puts, func(p record.Write) bool { return p.Record.Key == w.record.Key }); i >= 0 {
			puts[i].Prev = Removal(w.record).Prev // a new wrap replaces the invalid one
			continue
		}
		writes = append(writes, Removal(w.record))
	}
	return append(writes, puts...), public, nil
}

// sortHolders returns the users who get the version of b, without the Ring's user,
// and the wraps to delete. It compares proofs under the secret of the active
// version, so the Ring's user must hold it.
func (r *Ring) sortHolders(ctx context.Context, p *partition, b Binding, except []string) (holders []string, invalid []wrap, err error) {
	active, err := p.active()
	if err != nil {
		return nil, nil, err
	}
	if active != b.Version-1 {
		return nil, nil, fmt.Errorf("%w: the active key is already version %d", blue.ErrConflict, active)
	}
	secret, err := r.openSecret(ctx, Binding{r.user, p.dialogue, active})
	if err != nil {
		return nil, nil, err
	}
	defer secret.Destroy()
	for _, w := range p.wraps {
		switch {
		case slices.Contains(except, w.User), w.Version > active:
			invalid = append(invalid, w)
			continue
		case w.Version != active, w.User == r.user:
			continue
		}
		isHolder, err := w.hasProof(secret.Secret)
		switch {
		case err != nil:
			return nil, nil, err
		case isHolder:
			holders = append(holders, w.User)
		case len(except) == 0:
			return nil, nil, newTamperError(p.dialogue, record.DamageExtra, w.record.Key.Item,
				"has no valid proof that a holder of the key granted it; revoke the user, or, if you know the user, let them rotate the key themselves")
		default:
			invalid = append(invalid, w)
		}
	}
	return holders, invalid, nil
}

// hasProof reports whether the wrap has the proof of its user.
func (w wrap) hasProof(secret *envelope.Secret) (bool, error) {
	want, err := envelope.HolderProof(secret, w.User, w.Dialogue, w.Version)
	return err == nil && hmac.Equal(want[:], w.record.Attrs[attrProof].Bin()), err
}

// RetireBefore deletes all wraps of the versions below least. Nothing must be
// sealed under these versions, because they cannot be opened again. An interrupted
// call can be repeated.
//
// In addition to the errors of [Ring], RetireBefore returns blue.ErrInvalid if
// least is above the active version, and blue.ErrBusy if other writers change the
// keys.
func (r *Ring) RetireBefore(ctx context.Context, dialogue string, least uint32) error {
	if err := r.checkDialogue(dialogue); err != nil {
		return err
	}
	p, err := r.readPartition(ctx, dialogue)
	if err != nil {
		return fmt.Errorf("retiring keys of dialogue %s: %w", dialogue, err)
	}
	var versions []uint32
	for _, w := range p.withVersion(func(v uint32) bool { return v > 0 && v < least }) {
		if !slices.Contains(versions, w.Version) {
			versions = append(versions, w.Version)
		}
	}
	for _, version := range versions {
		err := r.withEvents(ctx, Binding{r.user, dialogue, version}.newEvent(destroyKey), func() error {
			return r.deleteWraps(ctx, dialogue, 0, func(p *partition) ([]wrap, error) {
				active, err := p.active()
				if err == nil && least > active {
					err = fmt.Errorf("%w: keys: version %d does not exist yet", blue.ErrInvalid, least)
				}
				return p.withVersion(func(v uint32) bool { return v == version }), err
			})
		})
		if err != nil {
			return fmt.Errorf("retiring key %d of dialogue %s: %w", version, dialogue, err)
		}
	}
	return nil
}
