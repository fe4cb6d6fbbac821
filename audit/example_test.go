package audit_test

import (
	"context"
	"fmt"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// A process records a read of a dialogue, and ends its log.
func Example() {
	ctx := context.Background()
	store := memory.New()
	log := audit.NewLog(store, "muffin", nil)
	err := log.Append(ctx, func(e *audit.Event) { e.ItemCount = 3 }, audit.Decrypt, "which-cache", "dek#which-cache#1", audit.Success)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := log.Close(ctx); err != nil {
		fmt.Println(err)
		return
	}

	// The day index has 16 partitions, named by the first digit of a chain.
	for _, digit := range "0123456789abcdef" {
		index, err := store.Query(ctx, record.Query{Table: record.Audit, Partition: record.IndexPartition(string(digit))})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range index {
			chain := r.Key.Item[len("2006-01-02#"):]
			for seq := range uint64(3) {
				e, err := audit.ReadEvent(ctx, store, chain, seq+1)
				fmt.Println(e.Seq, e.Operation, e.Principal, err)
			}
		}
	}
	// Output:
	// 1 genesis muffin <nil>
	// 2 decrypt muffin <nil>
	// 3 close muffin <nil>
}
