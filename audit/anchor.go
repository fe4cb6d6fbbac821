package audit

import (
	"context"
	"iter"
)

// Anchor keeps checkpoints outside the store, where whoever can rewrite the
// store cannot: it shows a log that was cut or made anew. Package audit/anchor
// has some. All methods may be called concurrently.
type Anchor interface {
	// Publish keeps the signed note over a chain's first size events; it is
	// durable when Publish returns. A note that is there already is no
	// error, and sizes may be left out.
	Publish(ctx context.Context, chain string, size uint64, note string) error
	// Latest returns the note of the greatest size; ErrNotFound.
	Latest(ctx context.Context, chain string) (note string, err error)
	// Chains lists every chain that was ever published here.
	Chains(ctx context.Context) iter.Seq2[string, error]
}
