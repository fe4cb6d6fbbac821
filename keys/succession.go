package keys

import (
	"context"
	"errors"
	"fmt"

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
