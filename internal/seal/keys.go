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

// A keyset holds the keys that one operation has opened, each version once. It
// is used by one goroutine.
type keyset struct {
	ring *keys.Ring
	byID map[string]*envelope.Keys
}

func newKeyset(ring *keys.Ring) *keyset {
	return &keyset{ring: ring, byID: make(map[string]*envelope.Keys)}
}

// open returns the keys that a key id names. It returns the errors of
// keys.Ring.Open.
func (s *keyset) open(ctx context.Context, keyID string) (*envelope.Keys, error) {
	if k, ok := s.byID[keyID]; ok {
		return k, nil
	}
	return s.add(s.ring.Open(ctx, keyID))
}

// active returns the keys that encrypt new items. It returns the errors of
// keys.Ring.Active.
func (s *keyset) active(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	return s.add(s.ring.Active(ctx, dialogue))
}

// add keeps keys until destroy. If the set has the same version already, add
// destroys k and returns the keys in the set.
func (s *keyset) add(k *envelope.Keys, err error) (*envelope.Keys, error) {
	if err != nil {
		return nil, err
	}
	if own, ok := s.byID[k.ID()]; ok {
		k.Destroy()
		return own, nil
	}
	s.byID[k.ID()] = k
	return k, nil
}

// destroy erases all keys in memory and empties the set. Long operations call
// it between their steps, so that no key stays longer than the ring allows.
func (s *keyset) destroy() {
	for _, k := range s.byID {
		k.Destroy()
	}
	clear(s.byID)
}

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
		return fmt.Errorf("%w: the freshness record of dialogue %s names no valid key. If you trust the store as it is, run again with --accept-rollback", blue.ErrTampered, dialogue)
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
	var inUse *envelope.Keys
	if err == nil {
		inUse, err = ks.open(ctx, meta.Attrs[attrKeyID].Str())
	}
	if err == nil && active.Version() > inUse.Version() {
		var public [envelope.PublicSize]byte
		if public, err = inUse.Public(); err == nil {
			err = s.Ring.CheckSuccession(ctx, dialogue, inUse.Version(), public, active)
		}
	}
	switch keys.Class(err) {
	case "denied", "missing", "wrong_key":
		return nil
	}
	return err
}
