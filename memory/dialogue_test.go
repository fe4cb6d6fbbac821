package memory_test

import (
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/plain"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func TestDialogueStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Records: func(*testing.T) record.Store { return memory.New() },
		Open: func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return plain.New(records, now)
		},
	})
}
