package encrypted_test

import (
	"context"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// crowdedLog is a store in which a record of an unauthorized writer exists at the
// key of the audit event of the first commits.
type crowdedLog struct {
	record.Store
	times int
}

func (c *crowdedLog) Commit(ctx context.Context, writes []record.Write) error {
	for _, w := range writes {
		if writes[0].Table == record.Dialogues && len(w.Fence) > 0 && c.times > 0 {
			c.times--
			return &record.ConflictError{Table: w.Table, Key: w.Record.Key}
		}
	}
	return c.Store.Commit(ctx, writes)
}

// TestForeignWriterInTheLog: the key of an audit event is in use by another writer.
// That is not a conflict of the dialogue, so the request is repeated under another
// chain.
func TestForeignWriterInTheLog(t *testing.T) {
	records := &crowdedLog{Store: memory.New()}
	store := newFixture(t, records).As("ada")

	records.times = 2
	if _, err := store.Create(t.Context(), tea, blue.NewDialogue{Title: "Tea"}); err != nil {
		t.Errorf("create: %v", err)
	}
	records.times = 2
	if _, err := store.RegisterExpert(t.Context(), tea, blue.NewExpert{Slug: "muffin", Role: "Baker", Tier: "Core", Source: "pool"}); err != nil {
		t.Errorf("register: %v", err)
	}
	if s, err := store.Load(t.Context(), tea); err != nil || len(s.Experts) != 1 {
		t.Errorf("loading the dialogue: %v", err)
	}
}
