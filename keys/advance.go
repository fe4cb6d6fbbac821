package keys

import (
	"context"
	"crypto/hmac"
	"fmt"
	"math"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Made is a key version that Advance has made.
type Made struct {
	Version uint32
	Public  [envelope.PublicSize]byte // envelope.Keys.Public of it: keys with another, at its place, are somebody else's
}

// Advance makes the key version after from: a new secret, wrapped for
// everybody who holds from, and the head's active version raised, in one
// commit. Users named in except get none and lose their wraps of every version
// in the same commit, or before it where they are many. Nothing is sealed yet
// under the new version; encrypted.Rotate does the whole.
//
// Who holds from is believed by the proof beside the wrap, which only a holder
// can make (envelope.HolderProof): a line that somebody else put into the table
// gets no key. It is reported as damage, and goes once anybody is excepted. What
// stands above the active version, where nobody can hold anything yet, goes too.
//
// Errors as of Ring, and: ErrConflict when from is not the active version, so
// somebody else was faster; ErrRefused when except names the ring's own user;
// ErrInvalid for a malformed user; ErrSealed when the provider cannot wrap for
// others (Granter); ErrBusy.
func (r *Ring) Advance(ctx context.Context, dialogue string, from uint32, except ...string) (made Made, err error) {
	if err := r.checkExcept(except); err != nil {
		return Made{}, err
	}
	if from == math.MaxUint32 {
		return Made{}, fmt.Errorf("%w: dialogue %s has used all key versions", blue.ErrInvalid, dialogue)
	}
	next := Binding{r.user, dialogue, from + 1}
	err = r.around(ctx, next.event(WrapDEK), func() error {
		if err := r.clear(ctx, next, except); err != nil {
			return err
		}
		return r.change(ctx, dialogue, func(s *shelf) (writes []record.Write, err error) {
			writes, made, err = r.advance(ctx, s, next, except)
			return writes, err
		})
	})
	if err != nil {
		return Made{}, fmt.Errorf("making key %d of dialogue %s: %w", next.Version, dialogue, err)
	}
	return made, nil
}

func (r *Ring) checkExcept(except []string) error {
	for _, user := range except {
		if err := CheckUser(user); err != nil {
			return err
		}
		if user == r.user {
			return fmt.Errorf("%w: user %s cannot take a key from themselves: nobody would be left to seal the rest; let another who holds it do so", blue.ErrRefused, user)
		}
	}
	return nil
}

// maxBeside is how many wraps are deleted in the commit that makes a version;
// beside MaxHolders wraps, the head and a check of the own key they fit into one
// transaction.
const maxBeside = 5

// clear deletes what goes when a version is made, some at a time, until the rest
// fits into the commit that makes it.
func (r *Ring) clear(ctx context.Context, next Binding, except []string) error {
	return r.deleteAll(ctx, next.Dialogue, maxBeside, func(s *shelf) ([]wrap, error) {
		h, err := r.holders(ctx, s, next, except)
		return h.doomed, err
	})
}

// deleteAll deletes the wraps that choose returns, maxDeletes in a commit, until
// they are no more than leave.
func (r *Ring) deleteAll(ctx context.Context, dialogue string, leave int, choose func(*shelf) ([]wrap, error)) error {
	for more := true; more; {
		err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
			doomed, err := choose(s)
			more = len(doomed) > max(leave, maxDeletes)
			if err != nil || len(doomed) <= leave {
				return nil, err
			}
			writes := []record.Write{s.turn(nil)}
			for _, w := range doomed[:min(maxDeletes, len(doomed))] {
				writes = append(writes, w.removal())
			}
			return writes, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// advance returns the writes of Advance on what was read.
func (r *Ring) advance(ctx context.Context, s *shelf, next Binding, except []string) ([]record.Write, Made, error) {
	made := Made{Version: next.Version}
	h, err := r.holders(ctx, s, next, except)
	if err != nil {
		return nil, made, err
	}
	kek, err := r.ownKEK(ctx)
	if err != nil {
		return nil, made, err
	}
	defer kek.Destroy()
	secret, wrapped, err := r.provider.GenerateDEK(ctx, kek, next)
	if err != nil {
		return nil, made, err
	}
	defer secret.Destroy()
	own, err := newWrap(next, kek.UMK(), wrapped, secret, r.now())
	if err != nil {
		return nil, made, err
	}
	links, public, err := r.link(ctx, s, secret, next)
	if err != nil {
		return nil, made, err
	}
	made.Public = public
	puts := []record.Write{own}
	for _, user := range h.others {
		w, err := r.grant(ctx, Binding{user, next.Dialogue, next.Version}, kek.UMK(), secret)
		if err != nil {
			return nil, made, err
		}
		puts = append(puts, w)
	}
	writes := []record.Write{s.turn(record.Attrs{attrActive: record.N(int64(next.Version)), attrLinks: links})}
	writes = append(writes, kek.checks()...)
	for _, w := range h.doomed {
		if i := slices.IndexFunc(puts, func(p record.Write) bool { return p.Record.Key == w.record.Key }); i >= 0 {
			puts[i].Prev = w.removal().Prev // in its place
			continue
		}
		writes = append(writes, w.removal())
	}
	return append(writes, puts...), made, nil
}

// link returns the head's links with the endorsement of a new version's secret
// by the version before, and the new version's public key.
func (r *Ring) link(ctx context.Context, s *shelf, secret *envelope.Secret, next Binding) (links record.Value, public [envelope.PublicSize]byte, err error) {
	holder, err := r.open(ctx, Binding{r.user, next.Dialogue, next.Version - 1})
	if err != nil {
		return links, public, err
	}
	defer holder.Destroy()
	made, err := envelope.DeriveKeys(secret, next.Dialogue, next.Version)
	if err != nil {
		return links, public, err
	}
	defer made.Destroy()
	if public, err = made.Public(); err != nil {
		return links, public, err
	}
	links, err = s.endorse(holder, public)
	return links, public, err
}

// holders says who gets a version that is about to be made, and what goes.
type holders struct {
	others []string // who holds the active version, beside the ring's user and the excepted
	doomed []wrap   // of the excepted, above the active version, and, where anybody is excepted, without a proof
}

// holders reads the wraps. The proofs are compared under the active version's own
// secret, so the ring's user must hold it too.
func (r *Ring) holders(ctx context.Context, s *shelf, next Binding, except []string) (h holders, err error) {
	active, err := s.active()
	if err != nil {
		return h, err
	}
	if active != next.Version-1 {
		return h, fmt.Errorf("%w: the active key is version %d already", blue.ErrConflict, active)
	}
	secret, err := r.secret(ctx, Binding{r.user, s.dialogue, active})
	if err != nil {
		return h, err
	}
	defer secret.Destroy()
	for _, w := range s.wraps {
		switch {
		case slices.Contains(except, w.User), w.Version > active:
			h.doomed = append(h.doomed, w)
			continue
		case w.Version != active, w.User == r.user:
			continue
		}
		held, err := w.proven(secret)
		switch {
		case err != nil:
			return h, err
		case held:
			h.others = append(h.others, w.User)
		case len(except) == 0:
			return h, damaged(s.dialogue, record.DamageExtra, w.record.Key.Item, "carries no proof that a holder of the key let this user in; revoke the user, or, if they are known, let them rotate themselves")
		default:
			h.doomed = append(h.doomed, w)
		}
	}
	return h, nil
}

// proven reports whether the wrap carries the proof of its user.
func (w wrap) proven(secret *envelope.Secret) (bool, error) {
	want, err := envelope.HolderProof(secret, w.User, w.Dialogue, w.Version)
	return err == nil && hmac.Equal(want[:], w.record.Attrs[attrProof].Bin()), err
}

// Retire deletes all wraps of versions below least. Only whoever knows that
// nothing is sealed under them any more may call it: they cannot be had again.
// Running it again goes on where it was stopped.
//
// Errors as of Ring, and ErrInvalid when least is beyond the active version.
func (r *Ring) Retire(ctx context.Context, dialogue string, least uint32) error {
	if err := r.check(dialogue); err != nil {
		return err
	}
	s, err := r.readShelf(ctx, dialogue)
	if err != nil {
		return fmt.Errorf("retiring keys of dialogue %s: %w", dialogue, err)
	}
	var versions []uint32
	for _, w := range s.wraps {
		if w.Version > 0 && w.Version < least && !slices.Contains(versions, w.Version) {
			versions = append(versions, w.Version)
		}
	}
	for _, v := range versions {
		err := r.around(ctx, Binding{r.user, dialogue, v}.event(DestroyKey), func() error { return r.retire(ctx, dialogue, v, least) })
		if err != nil {
			return fmt.Errorf("retiring key %d of dialogue %s: %w", v, dialogue, err)
		}
	}
	return nil
}

// retire deletes the wraps of one version, some at a time.
func (r *Ring) retire(ctx context.Context, dialogue string, version, least uint32) error {
	return r.deleteAll(ctx, dialogue, 0, func(s *shelf) ([]wrap, error) {
		active, err := s.active()
		if err == nil && least > active {
			err = fmt.Errorf("%w: keys: version %d is not made yet", blue.ErrInvalid, least)
		}
		return s.of(version), err
	})
}
