package memory_test

import (
	"context"
	"fmt"

	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// A store in memory needs no files, so it suits tests. Here it stores an audit event
// and reads it back.
func Example() {
	ctx := context.Background()
	store := memory.New()
	defer store.Close()

	event := record.Record{
		Key:   record.Key{Partition: record.ChainPartition("ab12"), Item: "0000000001"},
		Attrs: record.Attrs{"operation": record.S("load_dialogue")},
	}
	fmt.Println(store.Commit(ctx, []record.Write{{Table: record.Audit, Record: event}}))

	events, err := store.Query(ctx, record.Query{Table: record.Audit, Partition: event.Key.Partition})
	for _, e := range events {
		fmt.Println(e.Key, e.Attrs["operation"].Str())
	}
	fmt.Println(err)
	// Output:
	// <nil>
	// audit#ab12 0000000001 load_dialogue
	// <nil>
}
