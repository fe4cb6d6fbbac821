package awskms

import (
	"context"
	"errors"
	"fmt"

	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

var _ keys.KEKEraser = (*Provider)(nil)

// EraseKEK implements keys.KEKEraser: the record is deleted, the user's name
// with it, and KMS is not asked. Wraps that were granted to the user do not
// hang on this key; whoever erases a user deletes those first.
//
// Errors: blue.ErrInvalid for a malformed user; blue.ErrConflict if the record
// changed meanwhile; the store's own.
func (p *Provider) EraseKEK(ctx context.Context, user string) error {
	if err := keys.CheckUser(user); err != nil {
		return err
	}
	stored, err := p.store.Get(ctx, record.Keys, kekKey(user))
	if errors.Is(err, record.ErrNotFound) {
		return nil
	}
	if err == nil {
		prev := stored.Attrs
		if prev == nil {
			prev = record.Attrs{}
		}
		err = p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: kekKey(user)}, Prev: prev}})
	}
	if err != nil {
		return fmt.Errorf("erasing the key of user %s: %w", user, err)
	}
	return nil
}
