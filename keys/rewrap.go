package keys

import (
	"context"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// KEKRewrapper is implemented by providers that store a KEK for each user under
// a master key that can be changed.
type KEKRewrapper interface {
	// RewrapKEK puts the stored key of a user, which from opens, under this
	// provider's master key. The key itself stays. changed is false where none
	// is stored or it is there already.
	RewrapKEK(ctx context.Context, from Provider, user string) (changed bool, err error)
}

// RewrapKEK puts the stored key of the ring's user under the ring's master key;
// from opens it. ErrSealed where the provider stores none.
func (r *Ring) RewrapKEK(ctx context.Context, from Provider) (changed bool, err error) {
	rewrapper, can := r.provider.(KEKRewrapper)
	if !can {
		return false, fmt.Errorf("%w: the master key of this source of keys is never changed", blue.ErrSealed)
	}
	defer r.keks.forget("")
	return rewrapper.RewrapKEK(ctx, from, r.user)
}

// Rewrap puts the wraps of a dialogue that were granted to the ring's user, and
// that from opens, under the ring's master key. What lies under the user's KEK
// needs no change. It returns how many it changed; run again it changes nothing.
//
// Errors: as of Ring; ErrSealed where the provider cannot grant; ErrBusy.
func (r *Ring) Rewrap(ctx context.Context, dialogue string, from Provider) (changed int, err error) {
	here, err := r.provider.UMK(ctx)
	if err != nil {
		return 0, err
	}
	defer here.Destroy()
	err = r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
		changed = 0
		var puts []record.Write
		for _, w := range s.wraps {
			if w.User != r.user || len(w.record.Attrs[attrWrapped].Bin()) <= envelope.WrapSize || w.record.Attrs[attrUMK].Str() == here.Fingerprint() {
				continue
			}
			put, err := r.rewrap(ctx, w, here.Fingerprint(), from)
			if err != nil {
				return nil, err
			}
			puts = append(puts, put)
		}
		if changed = len(puts); changed == 0 {
			return nil, nil
		}
		if _, err := s.active(); err != nil { // of an erased one nothing is put
			return nil, err
		}
		return append(puts, s.turn(nil)), nil
	})
	if err != nil {
		return 0, fmt.Errorf("rewrapping the keys of dialogue %s: %w", dialogue, err)
	}
	return changed, nil
}

// rewrap opens a granted wrap with from and grants it anew. The proof stays.
func (r *Ring) rewrap(ctx context.Context, w wrap, umk string, from Provider) (record.Write, error) {
	granter, can := r.provider.(Granter)
	if !can {
		return record.Write{}, fmt.Errorf("%w: this source of keys cannot wrap for user %s", blue.ErrSealed, w.User)
	}
	wrapped, _, err := readWrap(w.Binding, w.record)
	if err != nil {
		return record.Write{}, err
	}
	secret, err := from.UnwrapDEK(ctx, nil, w.Binding, wrapped)
	if err != nil {
		return record.Write{}, err
	}
	defer secret.Destroy()
	if wrapped, err = granter.Grant(ctx, w.Binding, secret); err != nil {
		return record.Write{}, err
	}
	next := w.record.Clone()
	next.Attrs[attrWrapped] = record.B(wrapped)
	next.Attrs[attrUMK] = record.S(umk)
	return record.Write{Table: record.Keys, Record: next, Prev: w.record.Attrs}, nil
}
