package encrypted

import (
	"context"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
)

// keyset holds the keys that one operation has opened, each version once, and
// zeroes them when the operation ends. It is used by one goroutine.
type keyset struct {
	ring *keys.Ring
	open map[string]*envelope.Keys // by key id
}

func newKeyset(ring *keys.Ring) *keyset {
	return &keyset{ring: ring, open: make(map[string]*envelope.Keys)}
}

// get returns the keys that a key id names; errors as keys.Ring.Open.
func (s *keyset) get(ctx context.Context, keyID string) (*envelope.Keys, error) {
	if k, ok := s.open[keyID]; ok {
		return k, nil
	}
	k, err := s.ring.Open(ctx, keyID)
	if err != nil {
		return nil, err
	}
	s.open[keyID] = k
	return k, nil
}

// create returns the first keys of a new dialogue; errors as keys.Ring.Create.
func (s *keyset) create(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	k, err := s.ring.Create(ctx, dialogue)
	return s.keep(k, err)
}

// active returns the keys that new items are sealed under; errors as
// keys.Ring.Active.
func (s *keyset) active(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	k, err := s.ring.Active(ctx, dialogue)
	return s.keep(k, err)
}

func (s *keyset) keep(k *envelope.Keys, err error) (*envelope.Keys, error) {
	if err != nil {
		return nil, err
	}
	if known, ok := s.open[k.ID()]; ok {
		k.Destroy()
		return known, nil
	}
	s.open[k.ID()] = k
	return k, nil
}

// destroy zeroes every key. What is asked for afterwards comes from the ring
// again: an operation of many steps does so between them, so that it never
// holds a key longer than the ring may.
func (s *keyset) destroy() {
	for _, k := range s.open {
		k.Destroy()
	}
	clear(s.open)
}
