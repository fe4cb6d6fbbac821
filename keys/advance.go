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

// Advance makes the key version after from: a new secret, wrapped for
// everybody who holds from, and the head's active version raised, in one
// commit. Users named in except get none and lose their wraps of every version
// in the same commit. It returns the new version, under which nothing is sealed
// yet; encrypted.Rotate does the whole.
//
// Who holds from is believed by the proof beside the wrap, which only a holder
// can make (envelope.HolderProof): a line that somebody else put into the table
// gets no key. It is reported as damage until that user is excepted.
//
// Errors as of Ring, and: ErrConflict when from is not the active version, so
// somebody else was faster; ErrRefused when except names the ring's own user;
// ErrInvalid for a malformed user; ErrSealed when the provider cannot wrap for
// others (Granter); ErrBusy.
func (r *Ring) Advance(ctx context.Context, dialogue string, from uint32, except ...string) (uint32, error) {
	if err := r.checkExcept(except); err != nil {
		return 0, err
	}
	if from == math.MaxUint32 {
		return 0, fmt.Errorf("%w: dialogue %s has used all key versions", blue.ErrInvalid, dialogue)
	}
	next := Binding{r.user, dialogue, from + 1}
	err := r.around(ctx, next.event(WrapDEK), func() error {
		return r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) { return r.advance(ctx, s, next, except) })
	})
	if err != nil {
		return 0, fmt.Errorf("making key %d of dialogue %s: %w", next.Version, dialogue, err)
	}
	return next.Version, nil
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

// advance returns the writes of Advance on what was read.
func (r *Ring) advance(ctx context.Context, s *shelf, next Binding, except []string) ([]record.Write, error) {
	active, err := s.active()
	if err != nil {
		return nil, err
	}
	if active != next.Version-1 {
		return nil, fmt.Errorf("%w: the active key is version %d already", blue.ErrConflict, active)
	}
	others, err := r.others(ctx, s, active, except)
	if err != nil {
		return nil, err
	}
	kek, err := r.ownKEK(ctx)
	if err != nil {
		return nil, err
	}
	defer kek.Destroy()
	secret, wrapped, err := r.provider.GenerateDEK(ctx, kek, next)
	if err != nil {
		return nil, err
	}
	defer secret.Destroy()
	own, err := newWrap(next, kek.UMK(), wrapped, secret, r.now())
	if err != nil {
		return nil, err
	}
	links, err := r.link(ctx, s, secret, next)
	if err != nil {
		return nil, err
	}
	writes := []record.Write{s.turn(record.Attrs{attrActive: record.N(int64(next.Version)), attrLinks: links}), own}
	writes = append(writes, kek.checks()...)
	for _, user := range others {
		w, err := r.grant(ctx, Binding{user, next.Dialogue, next.Version}, kek.UMK(), secret)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	for _, w := range s.wraps {
		if slices.Contains(except, w.User) {
			writes = append(writes, w.removal())
		}
	}
	return writes, nil
}

// link returns the head's links with the endorsement of a new version's secret
// by the version before.
func (r *Ring) link(ctx context.Context, s *shelf, secret *envelope.Secret, next Binding) (record.Value, error) {
	holder, err := r.open(ctx, Binding{r.user, next.Dialogue, next.Version - 1})
	if err != nil {
		return record.Value{}, err
	}
	defer holder.Destroy()
	made, err := envelope.DeriveKeys(secret, next.Dialogue, next.Version)
	if err != nil {
		return record.Value{}, err
	}
	defer made.Destroy()
	return s.endorse(holder, made)
}

// others returns who holds a version beside the ring's user and the excepted.
// The proofs are compared under the version's own secret, so the ring's user
// must hold it too.
func (r *Ring) others(ctx context.Context, s *shelf, version uint32, except []string) ([]string, error) {
	secret, err := r.secret(ctx, Binding{r.user, s.dialogue, version})
	if err != nil {
		return nil, err
	}
	defer secret.Destroy()
	var users []string
	for _, w := range s.of(version) {
		if w.User == r.user || slices.Contains(except, w.User) {
			continue
		}
		held, err := w.proven(secret)
		if err != nil {
			return nil, err
		}
		if !held {
			return nil, damaged(s.dialogue, blue.DamageExtra, w.record.Key.SK, "carries no proof that a holder of the key let this user in; revoke the user, or, if they are known, let them rotate themselves")
		}
		users = append(users, w.User)
	}
	return users, nil
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
	for left := true; left; {
		err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
			active, err := s.active()
			if err != nil {
				return nil, err
			}
			if least > active {
				return nil, fmt.Errorf("%w: keys: version %d is not made yet", blue.ErrInvalid, least)
			}
			old := s.of(version)
			left = len(old) > maxDeletes
			if len(old) == 0 {
				return nil, nil
			}
			writes := []record.Write{s.turn(nil)}
			for _, w := range old[:min(maxDeletes, len(old))] {
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
