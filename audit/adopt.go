package audit

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// PutCheckpoint stores a signed note over the first size events of a chain
// that this process did not write, such as one whose process was killed, and
// publishes it. The caller has verified the chain and signed what it saw.
// Once more with the same note is no error. ErrConflict if the chain has got
// another checkpoint of that size; ErrAudit.
func PutCheckpoint(ctx context.Context, store record.Store, anchors []Anchor, chain string, size uint64, note string) error {
	w := noteWrite(chain, size, note)
	err := store.Commit(ctx, []record.Write{w})
	if errors.Is(err, record.ErrConflict) {
		found, getErr := store.Get(ctx, record.Audit, w.Record.Key)
		if getErr == nil && found.Equal(w.Record) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("%w: storing checkpoint %d of audit chain %s: %w", blue.ErrAudit, size, chain, err)
	}
	for _, a := range anchors {
		if err := a.Publish(ctx, chain, size, note); err != nil {
			return fmt.Errorf("%w: publishing checkpoint %d of audit chain %s: %w", blue.ErrAudit, size, chain, err)
		}
	}
	return nil
}
