package encrypted_test

import (
	"context"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// crowded is a store in which a stranger's record stands where the first
// commits of a dialogue put their audit event.
type crowded struct {
	record.Store
	times int
}

func (c *crowded) Commit(ctx context.Context, writes []record.Write) error {
	for _, w := range writes {
		if writes[0].Table == record.Dialogues && len(w.Fence) > 0 && c.times > 0 {
			c.times--
			return &record.ConflictError{Table: w.Table, Key: w.Record.Key}
		}
	}
	return c.Store.Commit(ctx, writes)
}

// TestStrangerInTheLog: that the place of an audit event was taken is no word
// about the dialogue. The request is asked again, under another chain, and is
// not answered as a conflict.
func TestStrangerInTheLog(t *testing.T) {
	records := &crowded{Store: memory.New()}
	store := newHouse(t, records).As("ada")

	records.times = 2
	if _, err := store.Create(t.Context(), tea, blue.NewDialogue{Title: "Tea"}); err != nil {
		t.Errorf("create: %v", err)
	}
	records.times = 2
	if _, err := store.RegisterExpert(t.Context(), tea, blue.NewExpert{Slug: "muffin", Role: "Baker", Tier: "Core", Source: "pool"}); err != nil {
		t.Errorf("register: %v", err)
	}
	if s, err := store.Load(t.Context(), tea); err != nil || len(s.Experts) != 1 {
		t.Errorf("loading what was written: %v", err)
	}
}
