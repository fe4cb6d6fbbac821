package keys

import (
	"context"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// MaxHolders bounds the users of one dialogue, so that a new version is one
// commit (100 actions of a transaction of DynamoDB).
const MaxHolders = 90

// Grant lets a user open a dialogue: it wraps for them every version that
// stands and that the ring's user holds, which must hold the active one. What
// they hold already stays; granted reports whether anything was missing.
//
// Errors as of Ring, and: ErrTooLarge beyond MaxHolders; ErrSealed when the
// provider cannot wrap for others (Granter); ErrBusy.
func (r *Ring) Grant(ctx context.Context, dialogue, user string) (granted bool, err error) {
	if err := CheckUser(user); err != nil {
		return false, err
	}
	if err := r.check(dialogue); err != nil {
		return false, err
	}
	s, err := r.readShelf(ctx, dialogue)
	if err != nil {
		return false, err
	}
	active, err := s.active()
	if err != nil {
		return false, fmt.Errorf("granting dialogue %s: %w", dialogue, err)
	}
	own := Binding{r.user, dialogue, active}
	err = r.around(ctx, own.event(WrapDEK), func() error {
		return r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
			writes, err := r.grants(ctx, s, user)
			granted = len(writes) > 0
			return writes, err
		})
	})
	if err != nil {
		return false, fmt.Errorf("granting dialogue %s to user %s: %w", dialogue, user, err)
	}
	return granted, nil
}

// grants returns the writes of Grant on what was read.
func (r *Ring) grants(ctx context.Context, s *shelf, user string) ([]record.Write, error) {
	active, err := s.active()
	if err != nil {
		return nil, err
	}
	versions := []uint32{active}
	var holders []string
	for _, w := range s.wraps {
		if w.User == r.user && w.Version < active {
			versions = append(versions, w.Version)
		}
		if w.User != "" && !slices.Contains(holders, w.User) {
			holders = append(holders, w.User)
		}
	}
	if !slices.Contains(holders, user) && len(holders) >= MaxHolders {
		return nil, fmt.Errorf("%w: dialogue %s has %d users; at most %d fit", blue.ErrTooLarge, s.dialogue, len(holders), MaxHolders)
	}
	umk, err := r.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer umk.Destroy()
	var puts []record.Write
	for _, version := range versions {
		put, held, err := r.grantVersion(ctx, s, Binding{user, s.dialogue, version}, umk.Fingerprint())
		if err != nil {
			return nil, err
		}
		if !held {
			puts = append(puts, put)
		}
	}
	if len(puts) == 0 {
		return nil, nil
	}
	return append(puts, s.turn(nil)), nil
}

// grantVersion returns the put of one wrap, held if the user has it. A record
// without the proof, which no holder made, is replaced.
func (r *Ring) grantVersion(ctx context.Context, s *shelf, b Binding, umk string) (put record.Write, held bool, err error) {
	secret, err := r.secret(ctx, Binding{r.user, b.Dialogue, b.Version})
	if err != nil {
		return put, false, err
	}
	defer secret.Destroy()
	found, exists := s.get(b)
	if exists {
		held, err = found.proven(secret)
		held = held || b.User == r.user // it has just been opened
		if held || err != nil {
			return put, held, err
		}
	}
	put, err = r.grant(ctx, b, umk, secret)
	if exists {
		put.Prev = found.removal().Prev
	}
	return put, false, err
}

// grant wraps a secret for another user.
func (r *Ring) grant(ctx context.Context, b Binding, umk string, secret *envelope.Secret) (record.Write, error) {
	granter, can := r.provider.(Granter)
	if !can {
		return record.Write{}, fmt.Errorf("%w: this source of keys cannot wrap for user %s", blue.ErrSealed, b.User)
	}
	wrapped, err := granter.Grant(ctx, b, secret)
	if err != nil {
		return record.Write{}, err
	}
	return newWrap(b, umk, wrapped, secret, r.now())
}
