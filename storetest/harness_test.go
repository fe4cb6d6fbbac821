package storetest_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func inMemory(t *testing.T) record.Store {
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	return s
}

func inSQLite(t *testing.T) record.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func inDynamoDB(t *testing.T) record.Store { return dynamotest.Store(t) }

func plain(records func(*testing.T) record.Store) storetest.Harness {
	return storetest.Harness{
		Records: records,
		Open: func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return engine.New(records, now)
		},
	}
}

func makeKey(t *testing.T, umk string) {
	t.Helper()
	key, err := sealedtest.Key(umk).UMK(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key.Destroy()
}

func harnesses(t *testing.T) map[string]storetest.Harness {
	return map[string]storetest.Harness{
		"memory":             plain(inMemory),
		"sqlite":             plain(inSQLite),
		"memory encrypted":   sealedtest.File(t, inMemory),
		"sqlite encrypted":   sealedtest.File(t, inSQLite),
		"dynamodb":           plain(inDynamoDB),
		"dynamodb encrypted": sealedtest.File(t, inDynamoDB),
	}
}
