package dynamo

import (
	"context"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
)

// Config describes where the tables are and which credentials sign the requests.
type Config = conn.Config

// Open returns a store over the tables that a configuration names. It sends
// nothing: the first call shows whether the server answers and the tables exist.
// ErrInvalid if the configuration cannot be right.
func Open(_ context.Context, c Config) (*Store, error) {
	at, err := conn.Open(c)
	if err != nil {
		return nil, err
	}
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	s := newStore(&client{at}, newID(), newID)
	if c.Lease > 0 {
		s.limits.lease = c.Lease
	}
	return s, nil
}
