package plain_test

import (
	"context"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/plain"
)

// A dialogue is created, gets a round, and is loaded.
func Example() {
	ctx := context.Background()
	store := plain.New(memory.New(), nil)
	if _, err := store.Create(ctx, "which-cache", blue.NewDialogue{Title: "Which cache?"}); err != nil {
		panic(err)
	}
	done, err := store.RegisterRound(ctx, "which-cache", blue.RoundBatch{
		Score:  12,
		Drafts: map[blue.Kind][]blue.Draft{blue.KindTension: {{Label: "Cost", Text: "A cache is cheap and stale."}}},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(done.Value.Entities[blue.KindTension][0].ID)
	s, err := store.Load(ctx, "which-cache")
	if err != nil {
		panic(err)
	}
	for _, t := range s.Tensions() {
		fmt.Println(t.ID, t.Status, t.Label)
	}
	// Output:
	// T0001
	// T0001 open Cost
}
