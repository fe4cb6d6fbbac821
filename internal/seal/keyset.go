package seal

import (
	"context"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
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

// open returns the keys that a key id names. The errors are those of
// keys.Ring.Open.
func (s *keyset) open(ctx context.Context, keyID string) (*envelope.Keys, error) {
	if k, ok := s.byID[keyID]; ok {
		return k, nil
	}
	return s.add(s.ring.Open(ctx, keyID))
}

// active returns the keys that encrypt new items. The errors are those of
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
