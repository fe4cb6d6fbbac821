package seal

import (
	"context"
	"encoding/hex"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// Each key version is signed by the version before it (keys.Ring.Follows).
// Without that check, any user who may grant access could replace a dialogue by
// one that is encrypted under a key of their own.

// checkLineage returns *blue.TamperError if keys k do not descend from the key
// in the freshness record.
func (s *Store) checkLineage(ctx context.Context, dialogue string, remembered *freshness.Record, k *envelope.Keys) error {
	if remembered == nil || s.AcceptRollback || remembered.KeyVersion == 0 {
		return nil
	}
	public, err := hex.DecodeString(remembered.Key)
	if err != nil || len(public) != envelope.PublicSize {
		return fmt.Errorf("%w: the freshness record of dialogue %s names no valid key; if you trust the store as it is, run again with --accept-rollback", blue.ErrTampered, dialogue)
	}
	return s.Ring.CheckSuccession(ctx, dialogue, remembered.KeyVersion, [envelope.PublicSize]byte(public), k)
}

// checkNextKey returns *blue.TamperError if the active key does not descend
// from the key of meta. The next rotation would refuse such a key. A next key
// that this user cannot open is not reported as tampering.
func (s *Store) checkNextKey(ctx context.Context, dialogue string) error {
	meta, err := s.Records.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	if err != nil {
		return err
	}
	ks := newKeyset(s.Ring)
	defer ks.destroy()
	active, err := ks.active(ctx, dialogue)
	if err == nil {
		err = s.checkDescends(ctx, ks, dialogue, meta, active)
	}
	switch keys.Class(err) {
	case "denied", "missing", "wrong_key":
		return nil
	}
	return err
}

func (s *Store) checkDescends(ctx context.Context, ks *keyset, dialogue string, meta record.Record, k *envelope.Keys) error {
	inUse, err := ks.open(ctx, meta.Attrs[attrKeyID].Str())
	if err != nil || k.Version() <= inUse.Version() {
		return err
	}
	public, err := inUse.Public()
	if err != nil {
		return err
	}
	return s.Ring.CheckSuccession(ctx, dialogue, inUse.Version(), public, k)
}
