package dynamo

import (
	"context"

	"github.com/gofrs/uuid/v5"
)

// Open returns a store over the tables that a configuration names. It sends
// nothing: whether the server answers and the tables are there shows with the
// first call, or with Tables.Status. ErrInvalid if the configuration cannot
// be right.
func Open(_ context.Context, c Config) (*Store, error) {
	conn, err := connect(c)
	if err != nil {
		return nil, err
	}
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	s := newStore(&client{conn}, newID(), newID)
	if c.Lease > 0 {
		s.limits.lease = c.Lease
	}
	return s, nil
}
