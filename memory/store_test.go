package memory_test

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/record/recordtest"
)

func TestStore(t *testing.T) {
	recordtest.Run(t, recordtest.Harness{
		Open: func(*testing.T) record.Store { return memory.New() },
	})
}
