package keys

import (
	"context"
	"fmt"
	"strconv"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Whoever may write the table of keys, and wrap for others as a grant does, can
// put a version there whose secret they drew themselves. So each version carries
// the endorsement of the one before (envelope.Keys.Endorse), which takes its
// secret: the attribute `links` of the head, for the newest maxLinks versions,
// ascending up to the active one, public key 32 ‖ signature 64. Version 1 has
// none.
const (
	attrLinks = "links"
	maxLinks  = 64 // 6 KB; a client that has not looked for more rotations is told so
	linkSize  = envelope.PublicSize + envelope.EndorsementSize
)

// endorse returns the head's links with one more, for the version after that of
// holder.
func (s *shelf) endorse(holder, next *envelope.Keys) (record.Value, error) {
	public, err := next.Public()
	if err != nil {
		return record.Value{}, err
	}
	signature, err := holder.Endorse(public)
	if err != nil {
		return record.Value{}, err
	}
	links := append([]byte(nil), s.head.Attrs[attrLinks].Bin()...)
	if len(links)%linkSize != 0 {
		links = nil // nobody can follow them; Follows says so to those who try
	}
	links = append(append(links, public[:]...), signature[:]...)
	return record.B(links[max(0, len(links)-maxLinks*linkSize):]), nil
}

// Follows checks that keys were made by somebody who held version from, with the
// public key that it had, or are those of version from: that each version
// between is endorsed by the one before. *blue.TamperError if not.
func (r *Ring) Follows(ctx context.Context, dialogue string, from uint32, public [envelope.PublicSize]byte, k *envelope.Keys) error {
	have, err := k.Public()
	if err != nil {
		return err
	}
	switch {
	case k.Version() < from:
		return damaged(dialogue, blue.DamageRolledBack, headSK, fmt.Sprintf("version %d is in use, and version %d was before", k.Version(), from))
	case k.Version() == from && have != public:
		return damaged(dialogue, blue.DamageChanged, Binding{r.user, dialogue, from}.SK(), "wraps another secret than version "+strconv.FormatUint(uint64(from), 10)+" had")
	case k.Version() == from:
		return nil
	}
	head, err := r.store.Get(ctx, record.Keys, headKey(dialogue))
	if err != nil {
		return err
	}
	active, err := readHead(dialogue, head)
	if err != nil {
		return err
	}
	links := head.Attrs[attrLinks].Bin()
	first := int64(active) - int64(len(links)/linkSize) + 1 // the version that the first link is of
	for v := int64(from) + 1; v <= int64(k.Version()); v++ {
		at := (v - first) * linkSize
		if v < first || v > int64(active) || len(links)%linkSize != 0 {
			return stranger(dialogue, v, "carries no endorsement")
		}
		link := links[at : at+linkSize]
		next := [envelope.PublicSize]byte(link)
		if !envelope.Endorsed(public, dialogue, uint32(v), next, link[envelope.PublicSize:]) {
			return stranger(dialogue, v, "is not endorsed by a holder of the version before")
		}
		public = next
	}
	if have != public {
		return stranger(dialogue, int64(k.Version()), "wraps another secret than the one endorsed")
	}
	return nil
}

func stranger(dialogue string, version int64, what string) error {
	return damaged(dialogue, blue.DamageExtra, headSK, fmt.Sprintf("key version %d %s: somebody else may have made it; nothing is sealed under it", version, what))
}
