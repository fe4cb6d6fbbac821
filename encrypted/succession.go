package encrypted

import (
	"context"
	"encoding/hex"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// checkKeys refuses a state sealed under keys that no holder of those of the
// head made: whoever may grant could put a dialogue of their own there.
func (s *sealing) checkKeys(ctx context.Context, dialogue string, h *Head, k *envelope.Keys) error {
	if h == nil || s.accept || h.KeyVersion == 0 {
		return nil
	}
	public, err := hex.DecodeString(h.Key)
	if err != nil || len(public) != envelope.PublicSize {
		return fmt.Errorf("%w: the head of dialogue %s names no key; if you trust the store as it is, run again with --accept-rollback", blue.ErrTampered, dialogue)
	}
	return s.ring.Follows(ctx, dialogue, h.KeyVersion, [envelope.PublicSize]byte(public), k)
}

// checkNext refuses an active key that no holder of the one in use made: the next
// rotation would. One that cannot be opened is no damage.
func (s *sealing) checkNext(ctx context.Context, dialogue string) error {
	meta, err := s.inner.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return err
	}
	ks := newKeyset(s.ring)
	defer ks.destroy()
	active, err := ks.active(ctx, dialogue)
	if err == nil {
		err = s.follows(ctx, ks, dialogue, meta, active)
	}
	switch keys.Class(err) {
	case "denied", "missing", "wrong_key":
		return nil
	}
	return err
}

// follows refuses keys that no holder of those of meta made.
func (s *sealing) follows(ctx context.Context, ks *keyset, dialogue string, meta record.Record, k *envelope.Keys) error {
	inUse, err := ks.get(ctx, meta.Attrs[attrKeyID].Str())
	if err != nil || k.Version() <= inUse.Version() {
		return err
	}
	public, err := inUse.Public()
	if err != nil {
		return err
	}
	return s.ring.Follows(ctx, dialogue, inUse.Version(), public, k)
}
