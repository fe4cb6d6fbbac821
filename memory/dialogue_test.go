package memory_test

import (
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func TestDialogueStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Records: func(*testing.T) record.Store { return memory.New() },
		Open: func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return &memory.DialogueStore{Store: engine.New(records, &engine.Options{Now: now})}
		},
	})
}
