package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// begin opens a chain by a commit of its own: the genesis event and the first
// record of the day index, so that no chain with an event is unlisted. Where
// nobody can say whether that commit landed, the chain is left and one other
// tried: a genesis alone does no harm, and takes no void.
func (l *Log) begin(ctx context.Context) (c *chain, err error) {
	for range 2 {
		c = newChain()
		if err = l.open(ctx, c); err == nil {
			return c, nil
		}
		if definite(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("opening an audit chain: %w", err)
}

func (l *Log) open(ctx context.Context, c *chain) error {
	e, err := l.hold(ctx, c).Draft(Genesis, "", verifierKey(l.signer), Success)
	if err != nil {
		return err
	}
	e.Close("")
	writes := e.Writes(nil)
	if err := l.commit(ctx, "audit.genesis", writes); err != nil && !l.isOwnConflict(ctx, err, writes[0].Record) {
		return err
	}
	c.grow(e, l.now())
	c.indexed(e)
	return nil
}

// isOwnConflict reports whether a commit was refused because its own event is
// stored. A store can deliver a commit twice and answer as the second copy. A
// genesis has no void event, so the store does not compare it.
func (l *Log) isOwnConflict(ctx context.Context, err error, event record.Record) bool {
	if _, conflict := errors.AsType[*record.ConflictError](err); !conflict {
		return false
	}
	found, err := l.store.Get(ctx, record.Audit, event.Key)
	return err == nil && found.Equal(event)
}

// verifierKey is what a genesis says of the key that signs the chain. It is a
// claim: whoever verifies knows the key from elsewhere.
func verifierKey(s *checkpoint.Signer) string {
	if s == nil {
		return ""
	}
	return s.VerifierKey()
}
