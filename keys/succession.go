package keys

import (
	"context"
	"errors"
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
// holder, whose public key is given.
func (s *shelf) endorse(holder *envelope.Keys, public [envelope.PublicSize]byte) (record.Value, error) {
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
		return damaged(dialogue, record.DamageRolledBack, headSK, fmt.Sprintf("version %d is in use, and version %d was before", k.Version(), from))
	case k.Version() == from && have != public:
		return damaged(dialogue, record.DamageChanged, Binding{r.user, dialogue, from}.SK(), "wraps another secret than version "+strconv.FormatUint(uint64(from), 10)+" had")
	case k.Version() == from:
		return nil
	}
	way, err := r.endorsed(ctx, dialogue, from, public, k.Version())
	if err == nil && have != way.public {
		err = stranger(dialogue, int64(k.Version()), "wraps another secret than the one endorsed")
	}
	return err
}

// Discard takes away what stands above the newest version that is endorsed, from
// the one with the public key given on: somebody put it there who held none of
// them. The wraps above are deleted and the head says the endorsed version again.
// discarded reports whether there was any. Nothing may be sealed under a version
// that is not endorsed.
//
// Errors as of Ring, and: ErrConflict where the keys changed meanwhile; ErrBusy.
func (r *Ring) Discard(ctx context.Context, dialogue string, version uint32, public [envelope.PublicSize]byte) (discarded bool, err error) {
	way, err := r.endorsed(ctx, dialogue, version, public, 0)
	if !errors.Is(err, blue.ErrTampered) || way.active <= way.version {
		return false, err
	}
	err = r.around(ctx, Binding{r.user, dialogue, way.active}.event(DestroyKey), func() error {
		if err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) { return s.goBack(way) }); err != nil {
			return err
		}
		return r.deleteAll(ctx, dialogue, 0, func(s *shelf) (above []wrap, err error) {
			active, err := s.active()
			for _, w := range s.wraps {
				if w.Version > active {
					above = append(above, w)
				}
			}
			return above, err
		})
	})
	if err != nil {
		return false, fmt.Errorf("discarding the keys above version %d of dialogue %s: %w", way.version, dialogue, err)
	}
	return true, nil
}

// goBack returns the head as of the version at the end of a way.
func (s *shelf) goBack(w way) ([]record.Write, error) {
	active, err := s.active()
	if err == nil && active != w.active {
		err = fmt.Errorf("%w: the active key is version %d now", blue.ErrConflict, active)
	}
	if err != nil {
		return nil, err
	}
	links := s.head.Attrs[attrLinks].Bin()
	keep := max(0, len(links)/linkSize-int(w.active-w.version))
	return []record.Write{s.turn(record.Attrs{attrActive: record.N(int64(w.version)), attrLinks: record.B(links[:keep*linkSize])})}, nil
}

// way is how far endorsements lead.
type way struct {
	version uint32                    // the last one that is endorsed, or where the way began
	public  [envelope.PublicSize]byte // of that one
	active  uint32
}

// endorsed goes from link to link, from a version with the public key that it
// had to another, or to the active one for 0. *blue.TamperError where a link is
// missing or false; the way then ends before it.
func (r *Ring) endorsed(ctx context.Context, dialogue string, from uint32, public [envelope.PublicSize]byte, to uint32) (way, error) {
	w := way{version: from, public: public}
	head, err := r.store.Get(ctx, record.Keys, headKey(dialogue))
	if err == nil {
		w.active, err = readHead(dialogue, head)
	}
	if err != nil {
		return w, err
	}
	if to == 0 {
		to = w.active
	}
	links := head.Attrs[attrLinks].Bin()
	first := int64(w.active) - int64(len(links)/linkSize) + 1 // the version that the first link is of
	for v := int64(from) + 1; v <= int64(to); v++ {
		switch {
		case v < first && len(links) == maxLinks*linkSize:
			return w, damaged(dialogue, record.DamageRolledBack, headSK, fmt.Sprintf(
				"version %d of the key is in use, this client last saw version %d, and the %d endorsements that are kept do not reach back to it; if you trust the store as it is, run again with --accept-rollback", w.active, from, maxLinks))
		case v < first, v > int64(w.active), len(links)%linkSize != 0:
			return w, stranger(dialogue, v, "carries no endorsement")
		}
		link := links[(v-first)*linkSize:][:linkSize]
		next := [envelope.PublicSize]byte(link)
		if !envelope.IsEndorsed(w.public, dialogue, uint32(v), next, link[envelope.PublicSize:]) {
			return w, stranger(dialogue, v, "is not endorsed by a holder of the version before")
		}
		w.version, w.public = uint32(v), next
	}
	return w, nil
}

func stranger(dialogue string, version int64, what string) error {
	return damaged(dialogue, record.DamageExtra, headSK, fmt.Sprintf("key version %d %s: somebody else may have made it; nothing is sealed under it, and revoking whoever that may be takes it away", version, what))
}
