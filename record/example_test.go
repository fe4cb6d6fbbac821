package record_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// Two writers read the same meta item. The commit of the first one succeeds, and
// the second one gets a conflict.
func Example() {
	ctx := context.Background()
	store := memory.New()
	defer store.Close()

	meta := func(version int64, prev record.Attrs) record.Write {
		return record.Write{Table: record.Dialogues, Prev: prev, Record: record.Record{
			Key: record.MetaKey("tea"), Attrs: record.Attrs{"version": record.N(version)},
		}}
	}
	item := func(name string) record.Write {
		return record.Write{Table: record.Dialogues, Record: record.Record{
			Key: record.DialogueKey("tea", name), Attrs: record.Attrs{"status": record.S("open")},
		}}
	}
	fmt.Println(store.Commit(ctx, []record.Write{meta(1, nil), item("tension#00#01")}))

	read := record.Attrs{"version": record.N(1)}
	fmt.Println(store.Commit(ctx, []record.Write{meta(2, read), item("tension#00#02")}))
	err := store.Commit(ctx, []record.Write{meta(2, read), item("tension#00#03")})
	fmt.Println(errors.Is(err, record.ErrConflict), err)

	records, err := store.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition("tea")})
	for _, r := range records {
		fmt.Println(r.Key.Item, r.Names(), r.Size())
	}
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// true another writer was first at dialogue#tea meta
	// meta [version] 29
	// tension#00#01 [status] 39
	// tension#00#02 [status] 39
	// <nil>
}
