package encrypted_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// open returns an encrypted store over records, with its key file in a folder. A
// program that keeps its data uses sqlite instead of memory.
func open(records *memory.Store, folder string, heads freshness.Store) *encrypted.Store {
	key := localfile.Open(filepath.Join(folder, "umk.key"), &localfile.Options{
		// A key may be made only if no other key encrypted anything here.
		MayCreate: func(context.Context) (bool, error) { return true, nil },
	})
	return encrypted.New(records, key, "ada", audit.NewLog(records, "ada", nil), &encrypted.Options{Freshness: heads})
}

// dialogue stores a small dialogue: one expert, one round, one tension.
func dialogue(ctx context.Context, store blue.DialogueStore) error {
	_, err := store.Create(ctx, "which-cache", blue.NewDialogue{Title: "Which cache?", Question: "What do we keep in memory?"})
	if err != nil {
		return err
	}
	first := blue.Round(0)
	_, err = store.RegisterExpert(ctx, "which-cache", blue.NewExpert{
		Slug: "Muffin", Role: "Economist", Tier: "Core", Source: "pool", FirstRound: &first,
	})
	if err != nil {
		return err
	}
	_, err = store.RegisterRound(ctx, "which-cache", blue.RoundBatch{
		Round: 0, Score: 7, Wisdom: 7,
		Drafts: map[blue.Kind][]blue.Draft{
			blue.KindTension: {{Label: "Cost against latency", Text: "Memory is dear.", Contributors: []blue.ExpertSlug{"Muffin"}}},
		},
		ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 7},
	})
	return err
}

// stored returns an item in its encrypted form.
func stored(ctx context.Context, records *memory.Store, sk string) record.Record {
	r, err := records.Get(ctx, record.Dialogues, record.Key{Partition: "dialogue#which-cache", Item: sk})
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// replace replaces records below the encrypted store, as an attacker with access
// to the table and without the key can. A record without attributes is deleted.
func replace(ctx context.Context, records *memory.Store, items ...record.Record) {
	writes := make([]record.Write, 0, len(items)+1)
	head := false
	for _, r := range items {
		head = head || r.Key.Item == record.Meta
		writes = append(writes, record.Write{Table: record.Dialogues, Record: r, Prev: record.Attrs{}})
	}
	if !head {
		writes = append(writes, record.Write{Table: record.Dialogues, Record: stored(ctx, records, record.Meta), Prev: record.Attrs{}})
	}
	if err := records.Commit(ctx, writes); err != nil {
		log.Fatal(err)
	}
}

func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "blue-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	records := memory.New() // or sqlite.Open(ctx, path, nil)
	store := open(records, folder, freshness.Dir(filepath.Join(folder, "heads")))
	defer store.Close()

	if err := dialogue(ctx, store); err != nil {
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

// An attacker with access to the table and without the key changes one item in
// several ways. Load returns no plaintext, and names the item and the damage.
func ExampleStore_Load() {
	for _, attack := range []struct {
		name string
		do   func(ctx context.Context, records *memory.Store, old record.Record)
	}{
		{"flip a status", func(ctx context.Context, records *memory.Store, _ record.Record) {
			item := stored(ctx, records, "tension#00#01")
			item.Attrs["status"] = record.S("resolved")
			replace(ctx, records, item)
		}},
		{"delete an item", func(ctx context.Context, records *memory.Store, old record.Record) {
			replace(ctx, records, record.Record{Key: old.Key})
		}},
		{"restore an old version", func(ctx context.Context, records *memory.Store, old record.Record) {
			replace(ctx, records, old)
		}},
		{"replace an item by another", func(ctx context.Context, records *memory.Store, _ record.Record) {
			item := stored(ctx, records, "expert#muffin")
			item.Key.Item = "tension#00#01"
			replace(ctx, records, item)
		}},
		{"strip the MAC", func(ctx context.Context, records *memory.Store, _ record.Record) {
			item := stored(ctx, records, "tension#00#01")
			delete(item.Attrs, "item_mac")
			replace(ctx, records, item)
		}},
	} {
		folder, err := os.MkdirTemp("", "blue-example-")
		if err != nil {
			log.Fatal(err)
		}
		ctx, records := context.Background(), memory.New()
		store := open(records, folder, nil)
		if err := dialogue(ctx, store); err != nil {
			log.Fatal(err)
		}
		old := stored(ctx, records, "tension#00#01")
		id := blue.EntityID{Kind: blue.KindTension, Seq: 1}
		if _, err := store.Transition(ctx, "which-cache", blue.Transition{ID: id, To: "addressed"}); err != nil {
			log.Fatal(err)
		}

		attack.do(ctx, records, old)
		snapshot, err := store.Load(ctx, "which-cache")
		t, ok := errors.AsType[*blue.TamperError](err)
		if !ok || snapshot != nil || !errors.Is(err, blue.ErrTampered) {
			log.Fatal(attack.name, ": ", err)
		}
		for _, d := range t.Damage {
			fmt.Printf("%s: %s %s\n", attack.name, d.Item, d.Class)
		}
		store.Close()
		os.RemoveAll(folder)
	}
	// Output:
	// flip a status: tension#00#01 changed
	// delete an item: tension#00#01 missing
	// restore an old version: tension#00#01 rolled back
	// replace an item by another: tension#00#01 moved
	// strip the MAC: tension#00#01 stripped
}

// Every item of a restored older dialogue verifies. A client that has seen the
// newer state refuses the dialogue. Another client detects it with Verify, which
// compares the dialogue with the audit log.
func ExampleStore_Verify() {
	folder, err := os.MkdirTemp("", "blue-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx, records := context.Background(), memory.New()
	seen := open(records, folder, freshness.Dir(filepath.Join(folder, "heads")))
	other := open(records, folder, nil)
	defer seen.Close()
	defer other.Close()
	if err := dialogue(ctx, seen); err != nil {
		log.Fatal(err)
	}
	before, err := records.Query(ctx, record.Query{Table: record.Dialogues, Partition: "dialogue#which-cache"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := seen.RecordSignal(ctx, "which-cache", blue.Signal{Expert: "Muffin"}); err != nil {
		log.Fatal(err)
	}
	replace(ctx, records, before...)

	_, err = seen.Load(ctx, "which-cache")
	fmt.Println("this client:", errors.Is(err, blue.ErrRolledBack))
	_, err = other.Load(ctx, "which-cache")
	fmt.Println("another client, Load:", err)
	_, err = other.Verify(ctx, "which-cache")
	fmt.Println("another client, Verify:", errors.Is(err, blue.ErrRolledBack))
	// Output:
	// this client: true
	// another client, Load: <nil>
	// another client, Verify: true
}
