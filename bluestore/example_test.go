package bluestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/bluestore"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/freshness"
)

// Example opens a store in a SQLite file, writes a round and reads it.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "blue-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	opts := &bluestore.Options{Store: encrypted.Options{Freshness: freshness.Dir(filepath.Join(folder, "heads"))}}
	opts.Audit.Signer = bluestore.AuditKey(filepath.Join(folder, "audit.key"))
	store, err := bluestore.Open(ctx, "sqlite:"+filepath.Join(folder, "blue.db"), bluestore.KeyFile(filepath.Join(folder, "umk.key")), "ada", opts)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	if _, err := store.Create(ctx, "which-cache", blue.NewDialogue{Title: "Which cache?"}); err != nil {
		log.Fatal(err)
	}
	if _, err := store.RegisterExpert(ctx, "which-cache", blue.NewExpert{Slug: "Muffin", Role: "Economist", Tier: "Core", Source: "pool"}); err != nil {
		log.Fatal(err)
	}
	_, err = store.RegisterRound(ctx, "which-cache", blue.RoundBatch{
		Round: 0, Score: 7, Wisdom: 7, ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 7},
		Drafts: map[blue.Kind][]blue.Draft{
			blue.KindTension: {{Label: "Cost against latency", Text: "Memory is dear.", Contributors: []blue.ExpertSlug{"Muffin"}}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	snapshot, err := store.Load(ctx, "which-cache")
	if err != nil {
		log.Fatal(err)
	}
	tension := snapshot.Tensions()[0]
	fmt.Println(tension.ID, tension.Status, tension.Label)
	// Output: T0001 open Cost against latency
}
