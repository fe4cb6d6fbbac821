package encrypted

import (
	"context"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// checkFinished refuses a partition that a copy has not finished. A dialogue
// that this client or the audit log knows was finished once: there the same
// mark is damage, and verify names it.
func (s *sealing) checkFinished(ctx context.Context, dialogue string, h *Head, items []record.Record) error {
	if h != nil || !slices.ContainsFunc(items, record.IsUnfinished) {
		return nil
	}
	_, err := audit.ReadCommit(ctx, s.inner, dialogue, 1)
	if !errors.Is(err, blue.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%w: the copy of dialogue %s into this store is not finished; run the same blue-store copy again", blue.ErrBusy, dialogue)
}
