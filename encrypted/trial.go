package encrypted

import (
	"context"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// trial decides when damage that was seen is damage: once on a store whose
// reads are of one moment, else by as many equal exact reads, over as long, as
// the store asks for.
type trial struct {
	reads int
	over  time.Duration
	first time.Time // of the equal reads
	alike int
	seen  []blue.Damage
}

func newTrial(store record.Store) *trial {
	t := &trial{reads: 1}
	if u, ok := store.(record.Unsteady); ok {
		t.reads, t.over = u.Settle()
	}
	return t
}

// tries bounds how often a partition is read in one load.
func (t *trial) tries() int { return 4*t.reads + 1 }

// saw counts one read that showed damage; steady says that meta did not move
// under it. It waits before the next read.
func (t *trial) saw(ctx context.Context, p *loaded, steady bool) (proved bool, err error) {
	switch {
	case !steady:
		t.alike = 0
	case t.alike > 0 && slices.Equal(t.seen, p.damage):
		t.alike++
	default:
		t.alike, t.first, t.seen = 1, time.Now(), slices.Clone(p.damage)
	}
	if t.alike >= t.reads && time.Since(t.first) >= t.over {
		return true, nil
	}
	if t.reads == 1 {
		return false, nil
	}
	wait := time.NewTimer(t.over / time.Duration(t.reads-1))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-wait.C:
		return false, nil
	}
}
