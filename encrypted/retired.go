package encrypted

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// A key may be missing only because a rotation went on under an operation and
// retired it after the operation had read what was sealed with it. Then meta,
// or the item, has moved since, and the operation reads again.

// overtaken reports whether that is why a partition could not be verified.
func (s *sealing) overtaken(ctx context.Context, dialogue string, items []record.Record, cause error) bool {
	if !errors.Is(cause, blue.ErrSealed) {
		return false
	}
	same, err := s.sameMeta(ctx, dialogue, items)
	return err == nil && !same
}

// moved reports whether that is why an item's key could not be had: another
// version of the item is stored than the one with these attributes.
func (s *sealing) moved(ctx context.Context, key record.Key, seen record.Attrs, cause error) bool {
	if !errors.Is(cause, blue.ErrSealed) {
		return false
	}
	now, err := s.inner.Get(ctx, record.Dialogues, key)
	return err == nil && !now.Attrs[attrMAC].Equal(seen[attrMAC])
}

// outlived names a state that was put back after its key was retired: it cannot
// be opened, and this client has seen a newer one.
func (s *sealing) outlived(dialogue string, items []record.Record, h *Head, cause error) error {
	if h == nil || s.accept || !errors.Is(cause, blue.ErrSealed) {
		return cause
	}
	for _, r := range items {
		if version := uint64(r.Attrs[attrVersion].Int()); r.Key.Item == record.Meta && version < h.Version {
			return &blue.TamperError{Dialogue: blue.DialogueID(dialogue), RolledBack: true, Damage: []blue.Damage{{Class: blue.DamageRolledBack,
				Item: record.Meta, Detail: fmt.Sprintf("version %d is stored, this client has seen version %d; its key is gone", version, h.Version)}}}
		}
	}
	return cause
}

// softMessages is how many messages one key seals before a write rotates the
// dialogue first. maxMessages, where no write can go on, is 4,096 times that.
const softMessages = 1 << 20

// relieve rotates the dialogue of a write whose key has sealed enough; the
// write must then be made again, on what is stored now. A dialogue that is
// itself about that large is left alone, or each write would rotate it. If the
// rotation fails, as for a user who may write and not make keys, its event says
// so and the write goes on under the key that is there.
func (s *sealing) relieve(ctx context.Context, c *commit) (rotated bool, err error) {
	if c.root.Messages < s.soft || c.root.Messages < 4*uint64(c.root.Count+1) {
		return false, nil
	}
	_, err = s.rotate(ctx, c.dialogue, "")
	if err != nil && !errors.Is(err, blue.ErrAudit) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}
