package audit

import (
	"context"
	"fmt"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
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
	if err := l.commit(ctx, "audit.genesis", e.Writes(nil)); err != nil {
		return err
	}
	c.grow(e, l.now())
	c.indexed(e)
	return nil
}

// verifierKey is what a genesis says of the key that signs the chain. It is a
// claim: whoever verifies knows the key from elsewhere.
func verifierKey(s *checkpoint.Signer) string {
	if s == nil {
		return ""
	}
	return s.VerifierKey()
}
