package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/plain"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func TestDialogueStore(t *testing.T) {
	campaigntest.SkipShort(t) // the suite runs on a sealed store in SQLite
	storetest.Run(t, storetest.Harness{
		Records: func(t *testing.T) record.Store {
			s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
		Open: func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return plain.New(records, now)
		},
	})
}
